-- The donations service: accepted requests, pledges, what it tells the others, what it knows of campaigns.
--
-- Rules that one row can show are CHECKs. Rules about change are triggers; each raises 23514 with its own name as the
-- constraint, so that a refused write says which rule it broke. `update of` and `when` keep them free on other updates.

create function refuse() returns trigger language plpgsql as $$
begin
  raise exception '% on "%" refused: %', lower(tg_op), tg_table_name, tg_argv[0]
    using errcode = 'check_violation', constraint = tg_name, table = tg_table_name, schema = tg_table_schema;
end
$$;

-- The order of domain/payment.ts. FAILED and EXPIRED share a rank: neither follows the other, a proven capture follows both.
create function status_rank(status text) returns integer language sql immutable parallel safe as $$
  select case status
    when 'INITIATED' then 0 when 'AUTHORIZED' then 1 when 'FAILED' then 2 when 'EXPIRED' then 2
    when 'CAPTURED' then 3 when 'PARTIALLY_REFUNDED' then 4 when 'REFUNDED' then 5
  end
$$;

------------------------------------------------------------------------------------------------------- installation

create table installation (
  id         integer primary key,
  secret     bytea not null,
  created_at timestamptz not null default now(),
  -- One installation, one secret: donation ids derive from it.
  constraint installation_single_row check (id = 1),
  -- HMAC-SHA256 wants a key of at least its own output's length (RFC 2104).
  constraint installation_secret_length check (octet_length(secret) >= 32)
);

-- Another secret would give a retried key another donation id, and the donor a second charge.
create trigger installation_kept_for_ever before update or delete on installation
  for each row execute function refuse('the installation secret is made once and kept for ever');

-------------------------------------------------------------------------------------------------- donation_requests

create table donation_requests (
  id                  uuid primary key,
  scope               text not null,
  idempotency_key     text not null,
  fingerprint         bytea not null,
  campaign_id         uuid not null,
  amount              bigint not null,
  currency            text not null,
  payment_method      text not null,
  body                jsonb not null,
  traceparent         text,
  accepted_at         timestamptz not null default now(),
  started_at          timestamptz,
  cancel_requested_at timestamptz,
  capture_started_at  timestamptz,
  attempts            integer not null default 0,
  next_attempt_at     timestamptz not null default now(),
  claimed_until       timestamptz,
  last_error          text,
  parked_at           timestamptz,
  -- The authority on "one key, one donation", also after the cache is flushed and the workflow's history is gone.
  constraint donation_requests_scope_idempotency_key_key unique (scope, idempotency_key),
  -- A principal is a guest or a known user; anything else would be a namespace nobody checks.
  constraint donation_requests_scope_shape check (scope = 'guest' or scope like 'user:_%'),
  -- Visible ASCII, 16 to 255 characters: what the API accepts.
  constraint donation_requests_key_shape check (length(idempotency_key) between 16 and 255 and idempotency_key !~ '[^!-~]'),
  -- A SHA-256 digest.
  constraint donation_requests_fingerprint_length check (octet_length(fingerprint) = 32),
  -- Minor units: a donation moves money, and not more than the provider takes in one charge.
  constraint donation_requests_amount_range check (amount between 1 and 99999999),
  -- ISO 4217 shape.
  constraint donation_requests_currency_shape check (currency ~ '^[A-Z]{3}$'),
  -- Cancel and capture race for this row; only one may win.
  constraint donation_requests_cancel_or_capture check (cancel_requested_at is null or capture_started_at is null),
  constraint donation_requests_attempts_range check (attempts >= 0)
) with (fillfactor = 70); -- room for the relay's updates on the same page

-- Only what still waits for its workflow: empty on a healthy system, whatever the table's size.
create index donation_requests_waiting_idx on donation_requests (next_attempt_at)
  where started_at is null and parked_at is null;

-- The sweeper walks the recent ones by time.
create index donation_requests_accepted_at_idx on donation_requests using brin (accepted_at);

-- What the donor asked for is evidence: a replayed key is compared with it for ever.
create trigger donation_requests_body_immutable
  before update of id, scope, idempotency_key, fingerprint, campaign_id, amount, currency, payment_method, body, accepted_at
  on donation_requests for each row
  when ((old.id, old.scope, old.idempotency_key, old.fingerprint, old.campaign_id, old.amount, old.currency,
         old.payment_method, old.body, old.accepted_at)
    is distinct from
        (new.id, new.scope, new.idempotency_key, new.fingerprint, new.campaign_id, new.amount, new.currency,
         new.payment_method, new.body, new.accepted_at))
  execute function refuse('an accepted request never changes');

-- Whoever won the race has told somebody: the donor (409 or 202) or the provider.
create trigger donation_requests_decision_stands before update of cancel_requested_at, capture_started_at
  on donation_requests for each row
  when ((old.cancel_requested_at is not null and new.cancel_requested_at is null)
     or (old.capture_started_at is not null and new.capture_started_at is null))
  execute function refuse('a cancel or a started capture is never taken back');

-- A deleted row would let its key charge again.
create trigger donation_requests_never_deleted before delete on donation_requests
  for each row execute function refuse('an accepted request is never deleted');

------------------------------------------------------------------------------------------------------------ pledges

create table pledges (
  id              uuid primary key references donation_requests (id),
  campaign_id     uuid not null,
  donor_id        uuid,
  donor_name      text,
  donor_email     text,
  anonymous       boolean not null default false,
  message         text,
  amount          bigint not null,
  currency        text not null,
  status          text not null default 'INITIATED',
  version         integer not null default 0,
  failure_code    text,
  idempotency_key text not null,
  created_at      timestamptz not null default now(),
  updated_at      timestamptz not null default now(),
  constraint pledges_amount_range check (amount between 1 and 99999999),
  constraint pledges_currency_shape check (currency ~ '^[A-Z]{3}$'),
  -- An unknown status has no rank, and the guard below would let it pass.
  constraint pledges_status_known check (status_rank(status) is not null),
  constraint pledges_version_range check (version >= 0),
  -- The limits of domain/limits.ts: these texts are shown to others.
  constraint pledges_donor_name_length check (char_length(donor_name) <= 100),
  constraint pledges_donor_email_length check (char_length(donor_email) <= 254),
  constraint pledges_message_length check (char_length(message) <= 500)
) with (fillfactor = 70); -- the status moves two or three times, on the same page

-- The donor wall of a campaign, newest first, paged by (created_at, id).
create index pledges_campaign_id_created_at_id_idx on pledges (campaign_id, created_at desc, id desc);

-- A registered donor's history; guests have none, so their rows cost nothing here.
create index pledges_donor_history_idx on pledges (donor_id, created_at desc, id desc) where donor_id is not null;

create trigger pledges_money_immutable before update of id, campaign_id, amount, currency, idempotency_key, created_at
  on pledges for each row
  when ((old.id, old.campaign_id, old.amount, old.currency, old.idempotency_key, old.created_at)
    is distinct from (new.id, new.campaign_id, new.amount, new.currency, new.idempotency_key, new.created_at))
  execute function refuse('campaign, amount, currency and key of a pledge never change');

-- The pledge mirrors the payment: a message that arrives late may not take it back. Only a refund that failed after it
-- had succeeded lowers a status, and then among the captured ones.
create trigger pledges_status_never_falls before update of status on pledges for each row
  when (old.status <> new.status
    and status_rank(new.status) <= status_rank(old.status)
    and not (status_rank(old.status) > 3 and status_rank(new.status) >= 3))
  execute function refuse('a status only moves forward');

-- A status that changes at the same version would come from a message that was already applied, or from none.
create trigger pledges_version_grows before update of status, version on pledges for each row
  when (new.version < old.version or (old.status <> new.status and new.version = old.version))
  execute function refuse('the version grows with every change of status and never falls');

-- A donor who wants to be forgotten is blanked in place; the money stays accounted for.
create trigger pledges_never_deleted before delete on pledges
  for each row execute function refuse('a pledge is never deleted');

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

-------------------------------------------------------------------------------------------------- campaign_snapshots

create table campaign_snapshots (
  id         uuid primary key,
  currency   text not null,
  status     text not null,
  version    integer not null,
  updated_at timestamptz not null default now(),
  constraint campaign_snapshots_currency_shape check (currency ~ '^[A-Z]{3}$'),
  constraint campaign_snapshots_status_known check (status in ('draft', 'open', 'closed')),
  constraint campaign_snapshots_version_range check (version >= 1)
);

-- Relays reorder: an old "opened" that arrives after "closed" may not open the campaign again.
create trigger campaign_snapshots_version_grows before update on campaign_snapshots for each row
  when (new.version < old.version or (new.version = old.version and new.status <> old.status))
  execute function refuse('a snapshot only moves to a newer version');

create trigger campaign_snapshots_currency_immutable before update of id, currency on campaign_snapshots for each row
  when ((old.id, old.currency) is distinct from (new.id, new.currency))
  execute function refuse('the currency of a campaign is fixed when it is created');
