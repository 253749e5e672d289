-- Reconciliation: its runs, what each found and what became of it, and what people have to look at.

-- The id of a run is that of the workflow that makes it.
create table reconciliation_runs (
  id          uuid primary key,
  kind        text not null,
  lane        text not null,
  dry_run     boolean not null,
  window_from timestamptz not null,
  started_at  timestamptz not null default now(),
  touched_at  timestamptz not null default now(),
  finished_at timestamptz,
  status      text not null default 'running',
  counts      jsonb not null default '{}',
  constraint reconciliation_runs_kind_known check (kind in ('delta', 'full', 'invariants')),
  constraint reconciliation_runs_lane_follows_kind
    check (lane = case when kind = 'invariants' then 'invariants' else 'books' end),
  constraint reconciliation_runs_status_known check (status in ('running', 'finished', 'failed', 'abandoned')),
  constraint reconciliation_runs_finished_has_time check ((status = 'running') = (finished_at is null))
);

-- Two at a time would ask for each repair twice. Whoever finds one that nobody has touched for long abandons it first.
create unique index reconciliation_runs_one_at_a_time on reconciliation_runs (lane) where status = 'running';

create index reconciliation_runs_started_at_idx on reconciliation_runs (started_at desc);

-- What the provider has listed in a run that goes on; emptied when it ends.
create table reconciliation_seen (
  run_id              uuid not null references reconciliation_runs (id),
  provider_payment_id text not null,
  primary key (run_id, provider_payment_id)
);

create table reconciliation_findings (
  run_id              uuid not null references reconciliation_runs (id),
  class               text not null,
  subject             text not null,
  donation_id         uuid,
  provider_payment_id text,
  provider_refund_id  text,
  expected            jsonb not null,
  found               jsonb not null,
  action              text not null,
  found_at            timestamptz not null default now(),
  repaired_at         timestamptz,
  -- A page that is read again finds nothing twice.
  primary key (run_id, class, subject),
  constraint reconciliation_findings_action_known check (action in ('look', 'restart', 'suspense', 'review'))
);

-- Whether the same repair was asked for before, in vain.
create index reconciliation_findings_subject_class_idx on reconciliation_findings (subject, class);

create trigger reconciliation_findings_content_immutable
  before update of run_id, class, subject, donation_id, provider_payment_id, provider_refund_id, expected, found, action, found_at
  on reconciliation_findings for each row
  when ((old.run_id, old.class, old.subject, old.donation_id, old.provider_payment_id, old.provider_refund_id,
         old.expected, old.found, old.action, old.found_at)
    is distinct from
        (new.run_id, new.class, new.subject, new.donation_id, new.provider_payment_id, new.provider_refund_id,
         new.expected, new.found, new.action, new.found_at))
  execute function refuse('what a run has found never changes');

create table review_items (
  id                  uuid primary key,
  class               text not null,
  subject             text not null,
  donation_id         uuid,
  provider_payment_id text,
  provider_refund_id  text,
  expected            jsonb not null,
  found               jsonb not null,
  first_seen_at       timestamptz not null default now(),
  last_seen_at        timestamptz not null default now(),
  last_run_id         uuid not null references reconciliation_runs (id),
  resolved_at         timestamptz,
  resolved_by         text,
  note                text,
  constraint review_items_resolved_by_somebody check ((resolved_at is null) = (resolved_by is null)),
  constraint review_items_note_length check (char_length(note) <= 1000)
);

-- Later runs see it again, and it stays one thing to look at, with its age.
create unique index review_items_open_once on review_items (class, subject) where resolved_at is null;

create index review_items_subject_class_idx on review_items (subject, class);

create index review_items_provider_payment_id_idx on review_items (provider_payment_id) where resolved_at is null;

create trigger review_items_resolved_once before update on review_items for each row
  when (old.resolved_at is not null)
  execute function refuse('a resolved item stays as it was resolved');

create trigger review_items_never_deleted before delete on review_items
  for each row execute function refuse('a review item is never deleted');
