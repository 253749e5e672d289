-- Campaigns of somebody: an owner, an address of their own, a story, a deadline, a search; and requests to create one.

------------------------------------------------------------------------------------------------------------ columns

alter table campaigns
  -- Null: the platform's own.
  add column owner_id      uuid,
  -- The default serves writers that know no slugs.
  add column slug          text not null default ('campaign-' || gen_random_uuid()),
  add column story         text not null default '',
  add column cover_url     text,
  add column deadline      timestamptz,
  add column published_at  timestamptz,
  add column closed_at     timestamptz,
  add column closed_reason text;

-- What there was has got no newer by this: the version stays.
drop trigger campaigns_version_grows on campaigns;

-- Every title gives another slug: the end of the id is random. Who closed a campaign was not written down.
update campaigns
set slug = concat_ws('-', nullif(trim(both '-' from left(regexp_replace(lower(title), '[^a-z0-9]+', '-', 'g'), 60)), ''), right(id::text, 12)),
    published_at = case when status <> 'draft' then created_at end,
    closed_at = case when status = 'closed' then updated_at end;

alter table campaigns
  add column search tsvector generated always as (to_tsvector('simple', title || ' ' || description || ' ' || story)) stored,
  add constraint campaigns_slug_key unique (slug),
  add constraint campaigns_slug_shape check (slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$' and char_length(slug) between 3 and 80),
  -- One address serves both: what looks like an id is one.
  add constraint campaigns_slug_is_no_id check (slug !~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'),
  add constraint campaigns_story_length check (char_length(story) <= 20000),
  -- Donors' browsers load it.
  add constraint campaigns_cover_url_shape check (cover_url ~ '^https://[^[:space:]]+$' and char_length(cover_url) <= 2048),
  add constraint campaigns_deadline_range check (isfinite(deadline) and deadline > created_at),
  add constraint campaigns_draft_is_unpublished check (status <> 'draft' or published_at is null),
  add constraint campaigns_closed_has_time check ((status = 'closed') = (closed_at is not null)),
  add constraint campaigns_closed_reason_known check (closed_reason in ('owner', 'operator', 'deadline')),
  add constraint campaigns_closed_reason_of_closed check (closed_reason is null or status = 'closed');

------------------------------------------------------------------------------------------------------------- change

-- After the update, because only then the generated column has its value.
create trigger campaigns_version_grows after update on campaigns for each row
  when (old.* is distinct from new.* and new.version <= old.version)
  execute function refuse('the version grows with every change');

-- Draft, open, closed: donors were told each, so none is taken back. The database's clock stamps them, whoever writes.
create function move_campaign() returns trigger language plpgsql as $$
declare
  way constant text[] := array['draft', 'open', 'closed'];
begin
  if tg_op = 'UPDATE' and array_position(way, new.status) < array_position(way, old.status) then
    raise exception 'update on "campaigns" refused: a campaign only moves forward'
      using errcode = 'check_violation', constraint = tg_name, table = tg_table_name, schema = tg_table_schema;
  end if;
  -- A draft that is closed was never published.
  if new.status = 'open' or (tg_op = 'INSERT' and new.status = 'closed') then
    new.published_at := coalesce(new.published_at, now());
  end if;
  if new.status = 'closed' then
    new.closed_at := coalesce(new.closed_at, now());
  end if;
  return new;
end
$$;

create trigger campaigns_status_forward before insert or update of status on campaigns
  for each row execute function move_campaign();

-- Links to it are out in the world.
create trigger campaigns_slug_fixed before update of slug, published_at on campaigns for each row
  when (old.published_at is not null and (old.slug, old.published_at) is distinct from (new.slug, new.published_at))
  execute function refuse('a published campaign keeps its slug and its day');

-- What it was to reach, by when, is history.
create trigger campaigns_closing_fixed before update of goal, deadline, closed_at, closed_reason on campaigns for each row
  when (old.status = 'closed' and (old.goal, old.deadline, old.closed_at, old.closed_reason)
    is distinct from (new.goal, new.deadline, new.closed_at, new.closed_reason))
  execute function refuse('a closed campaign keeps its goal, its deadline and its end');

-- Who may refund its donations.
create trigger campaigns_owner_immutable before update of owner_id on campaigns for each row
  when (old.owner_id is distinct from new.owner_id)
  execute function refuse('the owner of a campaign is fixed when it is created');

-------------------------------------------------------------------------------------------------------------- lists

create index campaigns_status_created_at_id_idx on campaigns (status, created_at desc, id desc);
create index campaigns_owner_id_created_at_id_idx on campaigns (owner_id, created_at desc, id desc);
create index campaigns_search_idx on campaigns using gin (search);
-- Only what a deadline will still close.
create index campaigns_deadline_idx on campaigns (deadline) where status = 'open' and deadline is not null;

---------------------------------------------------------------------------------------------------- campaign_requests

-- The authority on "one key, one campaign", of one principal.
create table campaign_requests (
  scope           text not null,
  idempotency_key text not null,
  fingerprint     bytea not null,
  -- Checked at the commit: the key is claimed first.
  campaign_id     uuid not null references campaigns (id) deferrable initially deferred,
  created_at      timestamptz not null default now(),
  primary key (scope, idempotency_key),
  constraint campaign_requests_scope_shape check (scope like 'user:_%'),
  constraint campaign_requests_key_shape check (length(idempotency_key) between 16 and 255 and idempotency_key !~ '[^!-~]'),
  constraint campaign_requests_fingerprint_length check (octet_length(fingerprint) = 32)
);

create trigger campaign_requests_append_only before update or delete on campaign_requests
  for each row execute function refuse('a key can only ever mean the same campaign');
