-- The notifications service: which messages it has handled, and the receipts it sent.

create table inbox_messages (
  -- The id of the outbox event: a message that is delivered again is found here and counts once.
  message_id  uuid primary key,
  type        text not null,
  received_at timestamptz not null default now()
);

create table receipts (
  -- One receipt for one donation, however often its event arrives.
  donation_id uuid primary key,
  campaign_id uuid not null,
  amount      bigint not null,
  currency    text not null,
  created_at  timestamptz not null default now(),
  constraint receipts_amount_range check (amount between 1 and 99999999),
  constraint receipts_currency_shape check (currency ~ '^[A-Z]{3}$')
);
