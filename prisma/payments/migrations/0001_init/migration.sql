-- The payments service: what the provider proved, what we asked of it, what it told us, and the ledger.
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

create function refund_rank(status text) returns integer language sql immutable parallel safe as $$
  select case status when 'pending' then 0 when 'succeeded' then 1 when 'failed' then 2 end
$$;

----------------------------------------------------------------------------------------------------------- payments

create table payments (
  id                      uuid primary key,
  donation_id             uuid not null unique,
  campaign_id             uuid not null,
  provider                text not null,
  provider_payment_id     text unique,
  payment_method          text not null,
  amount                  bigint not null,
  currency                text not null,
  state                   text not null default 'INITIATED',
  authorized              boolean not null default false,
  closed_as               text,
  closed_code             text,
  captured                bigint not null default 0,
  refunded                bigint not null default 0,
  reserved                bigint not null default 0,
  version                 integer not null default 0,
  webhook_idempotency_key text,
  needs_review            text,
  created_at              timestamptz not null default now(),
  updated_at              timestamptz not null default now(),
  -- One id through the whole flow.
  constraint payments_id_is_donation_id check (id = donation_id),
  constraint payments_amount_range check (amount between 1 and 99999999),
  constraint payments_currency_shape check (currency ~ '^[A-Z]{3}$'),
  -- More than was pledged is a mismatch for the review queue, never money of ours.
  constraint payments_captured_range check (captured between 0 and amount),
  constraint payments_refunded_range check (refunded >= 0),
  constraint payments_reserved_range check (reserved >= 0),
  -- However many refunds run at once, together they give back what was taken at most.
  constraint payments_refund_limit check (refunded + reserved <= captured),
  constraint payments_closed_as_known check (closed_as in ('FAILED', 'EXPIRED')),
  -- The donor is always told why.
  constraint payments_closed_has_code check ((closed_as is null) = (closed_code is null)),
  -- The state is computed from the facts (statusOf in domain/payment.ts); a wrong one cannot be written down.
  constraint payments_state_follows_facts check (state = case
    when captured > 0 and refunded = captured then 'REFUNDED'
    when captured > 0 and refunded > 0 then 'PARTIALLY_REFUNDED'
    when captured > 0 then 'CAPTURED'
    when closed_as is not null then closed_as
    when authorized then 'AUTHORIZED'
    else 'INITIATED'
  end)
) with (fillfactor = 60); -- three or four updates each within seconds, on the same page

-- The operators' review queue.
create index payments_review_idx on payments (updated_at) where needs_review is not null;

-- Reconciliation and the list of stuck donations walk a span of time; a block range index costs an insert nothing.
create index payments_created_at_idx on payments using brin (created_at);

-- A payment begins with nothing proven: whatever it becomes has its transitions.
create trigger payments_begin_unproven before insert on payments for each row
  when (new.version <> 0 or new.state <> 'INITIATED' or new.refunded <> 0 or new.reserved <> 0)
  execute function refuse('a payment begins INITIATED, at version 0');

create trigger payments_money_immutable before update of id, donation_id, campaign_id, provider, amount, currency, created_at
  on payments for each row
  when ((old.id, old.donation_id, old.campaign_id, old.provider, old.amount, old.currency, old.created_at)
    is distinct from (new.id, new.donation_id, new.campaign_id, new.provider, new.amount, new.currency, new.created_at))
  execute function refuse('donation, campaign, provider, amount and currency of a payment never change');

-- A second object at the provider for the same donation is the double charge itself.
create trigger payments_provider_id_set_once before update of provider_payment_id on payments for each row
  when (old.provider_payment_id is not null and new.provider_payment_id is distinct from old.provider_payment_id)
  execute function refuse('the provider''s id of a payment never changes');

-- In one function, because this is the hot row: the usual update leaves it after three comparisons.
create function guard_payment() returns trigger language plpgsql as $$
declare
  broken text;
begin
  if (new.state, new.authorized, new.captured, new.refunded, new.closed_as, new.closed_code)
     is not distinct from (old.state, old.authorized, old.captured, old.refunded, old.closed_as, old.closed_code) then
    -- A dispute counts as a change and touches none of these columns.
    if new.version = old.version or new.version = old.version + 1 then
      return new;
    end if;
    broken := 'payments_version_counts_changes';
  elsif new.version <> old.version + 1 then
    -- One change, one version, one transition: nothing is applied twice, nothing is skipped.
    broken := 'payments_version_counts_changes';
  elsif new.captured < old.captured then
    -- Money taken is given back by refunds, which are counted apart.
    broken := 'payments_captured_never_falls';
  elsif old.authorized and not new.authorized then
    broken := 'payments_authorized_never_undone';
  elsif old.closed_as is not null
     and (new.closed_as, new.closed_code) is distinct from (old.closed_as, old.closed_code) then
    -- The first closing wins; a late capture outranks it and leaves it on record.
    broken := 'payments_closing_never_undone';
  elsif status_rank(new.state) < status_rank(old.state) and new.refunded >= old.refunded then
    -- Only a refund that failed after it had succeeded lowers a state; payments_refunds_add_up checks that it did.
    broken := 'payments_state_never_falls';
  else
    return new;
  end if;
  raise exception 'update on "payments" refused: % (payment %, % v% to % v%)',
    broken, old.id, old.state, old.version, new.state, new.version
    using errcode = 'check_violation', constraint = broken, table = 'payments', schema = tg_table_schema;
end
$$;

create trigger payments_guard before update of state, authorized, captured, refunded, closed_as, closed_code, version
  on payments for each row execute function guard_payment();

create trigger payments_never_deleted before delete on payments
  for each row execute function refuse('a payment is never deleted');

------------------------------------------------------------------------------------------------- payment_operations

-- What we ask of the provider, written down before the call.
create table payment_operations (
  payment_id      uuid not null references payments (id),
  operation       text not null,
  n               integer not null,
  provider_key    text not null unique,
  started_at      timestamptz not null default now(),
  attempts        integer not null default 0,
  last_attempt_at timestamptz,
  last_reason     text,
  answer          jsonb,
  answered_at     timestamptz,
  primary key (payment_id, operation, n),
  constraint payment_operations_operation_known check (operation in ('create', 'confirm', 'capture', 'release', 'refund')),
  constraint payment_operations_n_range check (n >= 1),
  -- The provider's idempotency rests on this key: it says which operation it is and cannot be borrowed for another.
  constraint payment_operations_provider_key_derived check (provider_key = payment_id || ':' || operation || ':' || n),
  constraint payment_operations_attempts_range check (attempts >= 0),
  constraint payment_operations_answer_has_time check ((answer is null) = (answered_at is null))
) with (fillfactor = 80);

create trigger payment_operations_identity_immutable before update of payment_id, operation, n, provider_key, started_at
  on payment_operations for each row
  when ((old.payment_id, old.operation, old.n, old.provider_key, old.started_at)
    is distinct from (new.payment_id, new.operation, new.n, new.provider_key, new.started_at))
  execute function refuse('an operation keeps its key and the time it began');

-- An operation with an answer is never called again; another answer would mean that it was.
create trigger payment_operations_answer_set_once before update of answer, answered_at on payment_operations for each row
  when (old.answer is not null and (new.answer, new.answered_at) is distinct from (old.answer, old.answered_at))
  execute function refuse('an answer, once known, never changes');

-- Without its row the next replay would call the provider again.
create trigger payment_operations_never_deleted before delete on payment_operations
  for each row execute function refuse('an operation is never deleted');

------------------------------------------------------------------------------------------------ payment_transitions

create table payment_transitions (
  payment_id uuid not null references payments (id),
  version    integer not null,
  from_state text not null,
  to_state   text not null,
  change     jsonb not null,
  entries    jsonb not null,
  cause      text not null,
  at         timestamptz not null default now(),
  primary key (payment_id, version),
  constraint payment_transitions_version_range check (version >= 1),
  constraint payment_transitions_states_known check (status_rank(from_state) is not null and status_rank(to_state) is not null),
  -- The totals entries of this change: the campaigns service applies exactly these.
  constraint payment_transitions_entries_list check (jsonb_typeof(entries) = 'array')
);

-- The audit trail of the money.
create trigger payment_transitions_append_only before update or delete on payment_transitions
  for each row execute function refuse('transitions are append-only');

create function check_change_is_recorded() returns trigger language plpgsql as $$
begin
  if not exists (
    select 1 from payment_transitions
    where payment_id = new.id and version = new.version and to_state = new.state
  ) then
    raise exception 'payment % went to % at version % without a transition', new.id, new.state, new.version
      using errcode = 'check_violation', constraint = tg_name, table = 'payments', schema = tg_table_schema;
  end if;
  return null;
end
$$;

-- No change without its place in the audit trail; at commit, so that the order inside the transaction is free.
create constraint trigger payments_change_is_recorded after update of version on payments
  deferrable initially deferred for each row when (new.version <> old.version)
  execute function check_change_is_recorded();

------------------------------------------------------------------------------------------------------------ refunds

create table refunds (
  id                 uuid primary key,
  payment_id         uuid not null references payments (id),
  provider_refund_id text unique,
  amount             bigint not null,
  status             text not null default 'pending',
  requested_by       text not null,
  created_at         timestamptz not null default now(),
  updated_at         timestamptz not null default now(),
  constraint refunds_amount_range check (amount between 1 and 99999999),
  constraint refunds_status_known check (status in ('pending', 'succeeded', 'failed'))
) with (fillfactor = 80);

create index refunds_payment_id_idx on refunds (payment_id);

create trigger refunds_money_immutable before update of id, payment_id, amount, created_at on refunds for each row
  when ((old.id, old.payment_id, old.amount, old.created_at)
    is distinct from (new.id, new.payment_id, new.amount, new.created_at))
  execute function refuse('payment and amount of a refund never change');

create trigger refunds_provider_id_set_once before update of provider_refund_id on refunds for each row
  when (old.provider_refund_id is not null and new.provider_refund_id is distinct from old.provider_refund_id)
  execute function refuse('the provider''s id of a refund never changes');

-- pending < succeeded < failed: banks give a refund back after it had succeeded, and never the other way round.
create trigger refunds_status_never_falls before update of status on refunds for each row
  when (refund_rank(new.status) < refund_rank(old.status))
  execute function refuse('the status of a refund only moves forward');

create trigger refunds_never_deleted before delete on refunds
  for each row execute function refuse('a refund is never deleted');

create function check_refunds_add_up() returns trigger language plpgsql as $$
declare
  payment uuid;
  known record;
  counted record;
begin
  if tg_table_name = 'payments' then
    payment := new.id;
  else
    payment := new.payment_id;
  end if;
  select refunded, reserved into known from payments where id = payment;
  select coalesce(sum(amount) filter (where status = 'succeeded'), 0) as refunded,
         coalesce(sum(amount) filter (where status = 'pending'), 0) as reserved
    into counted from refunds where payment_id = payment;
  if known.refunded <> counted.refunded or known.reserved <> counted.reserved then
    raise exception 'payment % says % refunded and % reserved, its refunds say % and %',
      payment, known.refunded, known.reserved, counted.refunded, counted.reserved
      using errcode = 'check_violation', constraint = tg_name, table = tg_table_name, schema = tg_table_schema;
  end if;
  return null;
end
$$;

-- refunded is the sum of the succeeded refunds, reserved of the pending ones. As a refund's status only rises, refunded
-- can fall in one way: a refund that had succeeded became failed in the same transaction.
create constraint trigger payments_refunds_add_up after update of refunded, reserved on payments
  deferrable initially deferred for each row when (new.refunded <> old.refunded or new.reserved <> old.reserved)
  execute function check_refunds_add_up();

create constraint trigger refunds_add_up after insert or update of status on refunds
  deferrable initially deferred for each row execute function check_refunds_add_up();

----------------------------------------------------------------------------------------------------------- disputes

create table disputes (
  id                  uuid primary key,
  payment_id          uuid not null references payments (id),
  provider_dispute_id text not null unique,
  amount              bigint not null,
  status              text not null default 'opened',
  created_at          timestamptz not null default now(),
  updated_at          timestamptz not null default now(),
  constraint disputes_amount_range check (amount between 1 and 99999999),
  constraint disputes_status_known check (status in ('opened', 'won', 'lost'))
);

create index disputes_payment_id_idx on disputes (payment_id);

create trigger disputes_money_immutable before update of id, payment_id, provider_dispute_id, amount, created_at
  on disputes for each row
  when ((old.id, old.payment_id, old.provider_dispute_id, old.amount, old.created_at)
    is distinct from (new.id, new.payment_id, new.provider_dispute_id, new.amount, new.created_at))
  execute function refuse('payment, amount and provider id of a dispute never change');

-- The totals know no way back from a lost dispute, and money is reinstated once.
create trigger disputes_outcome_is_final before update of status on disputes for each row
  when (old.status <> 'opened' and new.status <> old.status)
  execute function refuse('a dispute is decided once');

create trigger disputes_never_deleted before delete on disputes
  for each row execute function refuse('a dispute is never deleted');

----------------------------------------------------------------------------------------------------- webhook_events

-- The inbox: the event id decides every duplicate. The payload is the exact text that was signed.
create table webhook_events (
  event_id        text primary key,
  type            text not null,
  object_id       text not null,
  donation_id     uuid,
  livemode        boolean not null,
  payload         text not null,
  traceparent     text,
  received_at     timestamptz not null default now(),
  delivered_at    timestamptz,
  processed_at    timestamptz,
  outcome         text,
  attempts        integer not null default 0,
  next_attempt_at timestamptz not null default now(),
  claimed_until   timestamptz,
  last_error      text,
  parked_at       timestamptz,
  -- 256 kB is refused at the door; this is the second fence.
  constraint webhook_events_payload_size check (octet_length(payload) <= 262144),
  constraint webhook_events_attempts_range check (attempts >= 0)
) with (fillfactor = 70);

-- An event of an unknown payment is matched later by its object.
create index webhook_events_object_id_idx on webhook_events (object_id);

-- The timeline of a donation.
create index webhook_events_donation_id_idx on webhook_events (donation_id) where donation_id is not null;

create index webhook_events_waiting_idx on webhook_events (next_attempt_at) where delivered_at is null and parked_at is null;

-- Delivered long ago and still unprocessed is delivered again.
create index webhook_events_undone_idx on webhook_events (delivered_at)
  where delivered_at is not null and processed_at is null;

create trigger webhook_events_content_immutable before update of event_id, type, object_id, livemode, payload, received_at
  on webhook_events for each row
  when ((old.event_id, old.type, old.object_id, old.livemode, old.payload, old.received_at)
    is distinct from (new.event_id, new.type, new.object_id, new.livemode, new.payload, new.received_at))
  execute function refuse('what the provider sent never changes');

----------------------------------------------------------------------------------------------------- ledger_entries

create table ledger_entries (
  id         bigint generated by default as identity primary key,
  posting_id text not null,
  payment_id uuid not null references payments (id),
  account    text not null,
  amount     bigint not null, -- signed: debit positive, credit negative
  currency   text not null,
  at         timestamptz not null default now(),
  -- A replayed posting books nothing again.
  constraint ledger_entries_posting_id_account_key unique (posting_id, account),
  constraint ledger_entries_account_known
    check (account in ('provider_balance', 'campaign_payable', 'provider_fees', 'suspense', 'disputed_funds')),
  constraint ledger_entries_amount_moves check (amount <> 0),
  constraint ledger_entries_currency_shape check (currency ~ '^[A-Z]{3}$')
);

create index ledger_entries_payment_id_idx on ledger_entries (payment_id);

-- A mistake is corrected by another posting.
create trigger ledger_entries_append_only before update or delete on ledger_entries
  for each row execute function refuse('the ledger is append-only');

create function check_posting_balances() returns trigger language plpgsql as $$
begin
  if exists (
    select 1 from ledger_entries where posting_id = new.posting_id group by currency having sum(amount) <> 0
  ) then
    raise exception 'posting % does not balance', new.posting_id
      using errcode = 'check_violation', constraint = tg_name, table = 'ledger_entries', schema = tg_table_schema;
  end if;
  return null;
end
$$;

-- Double entry: each posting sums to zero in each currency. At commit, because it is written row by row.
create constraint trigger ledger_entries_posting_balances after insert on ledger_entries
  deferrable initially deferred for each row execute function check_posting_balances();

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
