-- What a donation's workflow has to be told, decided in the transaction that wrote it here: the relay delivers it.
create table workflow_commands (
  id              uuid primary key,
  donation_id     uuid not null references donation_requests (id),
  type            text not null,
  traceparent     text,
  created_at      timestamptz not null default now(),
  delivered_at    timestamptz,
  attempts        integer not null default 0,
  next_attempt_at timestamptz not null default now(),
  claimed_until   timestamptz,
  last_error      text,
  parked_at       timestamptz,
  constraint workflow_commands_type_known check (type in ('cancel')),
  -- A donor who taps twice has asked once.
  constraint workflow_commands_donation_id_type_key unique (donation_id, type),
  constraint workflow_commands_attempts_range check (attempts >= 0)
) with (fillfactor = 70);

create index workflow_commands_waiting_idx on workflow_commands (next_attempt_at)
  where delivered_at is null and parked_at is null;
