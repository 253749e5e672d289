-- Until when a campaign takes donations: refused from that moment on, also before the event that closes it has come.

alter table campaign_snapshots add column deadline timestamptz;

-- As before, and a deadline too belongs to one version.
drop trigger campaign_snapshots_version_grows on campaign_snapshots;
create trigger campaign_snapshots_version_grows before update on campaign_snapshots for each row
  when (new.version < old.version
    or (new.version = old.version and (new.status, new.deadline) is distinct from (old.status, old.deadline)))
  execute function refuse('a snapshot only moves to a newer version');
