-- Who has to be told what, besides the receipt: money that went back, could not go back, came late, or is disputed.
create table notices (
  message_id  uuid primary key references inbox_messages (message_id),
  donation_id uuid not null,
  campaign_id uuid not null,
  audience    text not null,
  kind        text not null,
  amount      bigint not null,
  currency    text not null,
  created_at  timestamptz not null default now(),
  constraint notices_audience_known check (audience in ('donor', 'organizer', 'both')),
  constraint notices_amount_range check (amount > 0),
  constraint notices_currency_shape check (currency ~ '^[A-Z]{3}$')
);

create index notices_donation_id_idx on notices (donation_id);
