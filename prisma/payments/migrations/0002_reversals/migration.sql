-- Money that goes back or comes late: refunds asked for here, what a release was for, provider fees, unknown money.

alter table payments
  -- Refund and dispute events may name nothing else.
  add column provider_charge_id text,
  -- Why we cancel at the provider, written before the call: its event may tell of the end before our answer does.
  add column release_code text,
  -- The provider waits: for the donor (3-D Secure), or for a bank.
  add column waiting_for text,
  -- A capture after the payment was closed, or after the donor's cancel: what became of the money.
  add column late_money text,
  -- Minor units of fee_currency, as booked in the ledger.
  add column fee bigint,
  add column fee_currency text,
  add constraint payments_waiting_for_known check (waiting_for in ('action', 'processing')),
  add constraint payments_late_money_known check (late_money in ('undecided', 'kept', 'refunded')),
  add constraint payments_late_money_was_captured check (late_money is null or captured > 0),
  add constraint payments_fee_whole check ((fee is null) = (fee_currency is null)),
  add constraint payments_fee_currency_shape check (fee_currency ~ '^[A-Z]{3}$');

create index payments_provider_charge_id_idx on payments (provider_charge_id) where provider_charge_id is not null;

-- The donor was told.
create trigger payments_late_money_decided_once before update of late_money on payments for each row
  when (old.late_money is not null and old.late_money <> 'undecided' and new.late_money is distinct from old.late_money)
  execute function refuse('what became of late money is decided once');

create trigger payments_release_code_set_once before update of release_code on payments for each row
  when (old.release_code is not null and new.release_code is distinct from old.release_code)
  execute function refuse('the reason of a release never changes');

alter table payment_operations
  add column refund_id uuid references refunds (id),
  -- When the object was first looked for in vain.
  add column absent_since timestamptz,
  -- Several refunds share one number series; each operation says whose it is.
  add constraint payment_operations_refund_named check ((operation = 'refund') = (refund_id is not null));

create index payment_operations_refund_id_idx on payment_operations (refund_id) where refund_id is not null;

create trigger payment_operations_refund_immutable before update of refund_id on payment_operations for each row
  when (old.refund_id is distinct from new.refund_id)
  execute function refuse('an operation keeps its refund');

alter table refunds
  -- Why it failed, for the organiser: the provider's code, or ours.
  add column failure_code text,
  add column reason text,
  -- Of the request that asked for it; a refund made at the provider has none.
  add column scope text,
  add column idempotency_key text,
  add column fingerprint bytea,
  add constraint refunds_scope_idempotency_key_key unique (scope, idempotency_key),
  add constraint refunds_key_whole check (num_nulls(scope, idempotency_key, fingerprint) in (0, 3)),
  add constraint refunds_key_shape check (length(idempotency_key) between 16 and 255 and idempotency_key !~ '[^!-~]'),
  add constraint refunds_fingerprint_length check (octet_length(fingerprint) = 32),
  add constraint refunds_reason_length check (char_length(reason) <= 500);

-- A deleted or changed key would let its refund be made again.
create trigger refunds_key_immutable before update of scope, idempotency_key, fingerprint on refunds for each row
  when ((old.scope, old.idempotency_key, old.fingerprint)
    is distinct from (new.scope, new.idempotency_key, new.fingerprint))
  execute function refuse('the key of a refund never changes');

-- The organiser's list of refunds that did not go through.
create index refunds_open_idx on refunds (created_at) where status = 'pending';

alter table webhook_events
  add column charge_id text;

alter table ledger_entries
  alter column payment_id drop not null,
  -- Money at the provider that belongs to no payment of ours stands in suspense under its own id.
  add column provider_payment_id text,
  add constraint ledger_entries_belong check ((payment_id is null) = (provider_payment_id is not null)),
  add constraint ledger_entries_unknown_money_in_suspense
    check (payment_id is not null or account in ('provider_balance', 'suspense'));

create index ledger_entries_provider_payment_id_idx on ledger_entries (provider_payment_id)
  where provider_payment_id is not null;

-------------------------------------------------------------------------------------------------- workflow_commands

-- What a workflow has to be told, decided in the transaction that wrote it here: the relay delivers it.
create table workflow_commands (
  id              uuid primary key,
  payment_id      uuid not null references payments (id),
  type            text not null,
  traceparent     text,
  created_at      timestamptz not null default now(),
  delivered_at    timestamptz,
  attempts        integer not null default 0,
  next_attempt_at timestamptz not null default now(),
  claimed_until   timestamptz,
  last_error      text,
  parked_at       timestamptz,
  constraint workflow_commands_type_known check (type in ('refund', 'look')),
  constraint workflow_commands_attempts_range check (attempts >= 0)
) with (fillfactor = 70);

create index workflow_commands_payment_id_idx on workflow_commands (payment_id);

create index workflow_commands_waiting_idx on workflow_commands (next_attempt_at)
  where delivered_at is null and parked_at is null;
