-- The campaigns service: campaigns, their totals kept by increments, and every increment that was applied.
--
-- Rules that one row can show are CHECKs. Rules about change are triggers; each raises 23514 with its own name as the
-- constraint, so that a refused write says which rule it broke. `update of` and `when` keep them free on other updates.

create function refuse() returns trigger language plpgsql as $$
begin
  raise exception '% on "%" refused: %', lower(tg_op), tg_table_name, tg_argv[0]
    using errcode = 'check_violation', constraint = tg_name, table = tg_table_name, schema = tg_table_schema;
end
$$;

---------------------------------------------------------------------------------------------------------- campaigns

create table campaigns (
  id          uuid primary key,
  title       text not null,
  description text not null default '',
  currency    text not null,
  goal        bigint,
  status      text not null default 'draft',
  version     integer not null default 1,
  created_by  text not null,
  created_at  timestamptz not null default now(),
  updated_at  timestamptz not null default now(),
  constraint campaigns_title_length check (char_length(title) between 1 and 140),
  constraint campaigns_currency_shape check (currency ~ '^[A-Z]{3}$'),
  -- Minor units, within what JavaScript counts exactly (2^53 - 1).
  constraint campaigns_goal_range check (goal between 1 and 9007199254740991),
  constraint campaigns_status_known check (status in ('draft', 'open', 'closed')),
  constraint campaigns_version_range check (version >= 1)
);

-- The public list, newest first, paged by (created_at, id).
create index campaigns_created_at_id_idx on campaigns (created_at desc, id desc);

-- Pledges and totals are in it: another currency would turn 25.00 USD into 25.00 JPY.
create trigger campaigns_currency_immutable before update of id, currency, created_by, created_at on campaigns for each row
  when ((old.id, old.currency, old.created_by, old.created_at)
    is distinct from (new.id, new.currency, new.created_by, new.created_at))
  execute function refuse('the currency of a campaign is fixed when it is created');

-- Its readers (snapshots, ETags) tell old from new by the version alone.
create trigger campaigns_version_grows before update on campaigns for each row
  when (old.* is distinct from new.* and new.version <= old.version)
  execute function refuse('the version grows with every change');

---------------------------------------------------------------------------------------------------- campaign_totals

create table campaign_totals (
  campaign_id    uuid primary key references campaigns (id),
  total_pledged  bigint not null default 0,
  total_captured bigint not null default 0,
  total_refunded bigint not null default 0,
  dispute_lost   bigint not null default 0,
  donation_count bigint not null default 0,
  version        integer not null default 0,
  updated_at     timestamptz not null default now(),
  -- No reader ever sees a negative total: the entry that would cause one waits for the entry before it.
  constraint campaign_totals_pledged_range check (total_pledged >= 0),
  constraint campaign_totals_captured_range check (total_captured >= 0),
  constraint campaign_totals_refunded_range check (total_refunded >= 0),
  constraint campaign_totals_dispute_lost_range check (dispute_lost >= 0),
  constraint campaign_totals_donation_count_range check (donation_count >= 0),
  -- The same for "raised" = captured - refunded - lost. (Captured may exceed pledged for a moment: entries reorder.)
  constraint campaign_totals_raised_not_negative check (total_refunded + dispute_lost <= total_captured),
  constraint campaign_totals_version_range check (version >= 0)
) with (fillfactor = 25); -- the busiest row of the system: its dead versions are pruned on its own page

-- The version is the ETag, the SSE event id and the order of live updates.
create trigger campaign_totals_version_grows before update on campaign_totals for each row
  when (new.version <= old.version or new.campaign_id <> old.campaign_id)
  execute function refuse('the version grows with every update');

---------------------------------------------------------------------------------------------------- applied_entries

create table applied_entries (
  -- An increment that is delivered again is found here, and applies once.
  entry_id    text primary key,
  campaign_id uuid not null references campaigns (id),
  donation_id uuid not null,
  kind        text not null,
  amount      bigint not null,
  applied_at  timestamptz not null default now(),
  constraint applied_entries_kind_known
    check (kind in ('pledged', 'unpledged', 'captured', 'refunded', 'refund_failed', 'dispute_lost')),
  -- The kind carries the sign.
  constraint applied_entries_amount_range check (amount > 0)
);

-- The audit adds them up again per campaign.
create index applied_entries_campaign_id_idx on applied_entries (campaign_id);

create trigger applied_entries_append_only before update or delete on applied_entries
  for each row execute function refuse('applied entries are append-only');

------------------------------------------------------------------------------------------------------ outbox_events

create table outbox_events (
  id              uuid primary key,
  aggregate_id    uuid not null,
  version         integer not null,
  type            text not null,
  payload         jsonb not null,
  traceparent     text,
  created_at      timestamptz not null default now(),
  processed       boolean not null default false,
  processed_at    timestamptz,
  attempts        integer not null default 0,
  next_attempt_at timestamptz not null default now(),
  claimed_until   timestamptz,
  last_error      text,
  parked_at       timestamptz,
  -- A replayed activity adds no second event.
  constraint outbox_events_aggregate_id_version_type_key unique (aggregate_id, version, type),
  -- "Published" always has its time, so the delay can be measured.
  constraint outbox_events_processed_has_time check (processed = (processed_at is not null)),
  constraint outbox_events_attempts_range check (attempts >= 0)
) with (fillfactor = 70);

create index outbox_events_waiting_idx on outbox_events (next_attempt_at) where not processed and parked_at is null;

-- Consumers may have seen it already.
create trigger outbox_events_content_immutable before update of id, aggregate_id, version, type, payload, created_at
  on outbox_events for each row
  when ((old.id, old.aggregate_id, old.version, old.type, old.payload, old.created_at)
    is distinct from (new.id, new.aggregate_id, new.version, new.type, new.payload, new.created_at))
  execute function refuse('an event is in the past and never changes');

-- Published rows may be cleaned up; one that was not is somebody's receipt.
create trigger outbox_events_unpublished_kept before delete on outbox_events
  for each row when (not old.processed) execute function refuse('an event is kept until it is published');
