-- Which cards were tried, and how that went: card testing is many declined cards from one place. Digests alone, and only
-- for a day. One row for each subject of an attempt: the address, the account, the campaign.

create table card_attempts (
  donation_id uuid not null,
  -- A keyed digest; without the installation's secret nobody can tell of whom.
  subject bytea not null,
  card bytea not null,
  attempted_at timestamptz(6) not null default now(),
  decided_at timestamptz(6),
  declined boolean,

  primary key (donation_id, subject),
  constraint card_attempts_subject_digest check (octet_length(subject) = 16),
  constraint card_attempts_card_digest check (octet_length(card) = 16),
  constraint card_attempts_decided_together check ((decided_at is null) = (declined is null))
);

create index card_attempts_tried_idx on card_attempts (subject, attempted_at desc);
create index card_attempts_decided_idx on card_attempts (subject, decided_at desc) where decided_at is not null;
create index card_attempts_age_idx on card_attempts using brin (attempted_at);
