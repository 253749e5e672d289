-- Two donations of one donor within seconds, with two keys: a double click that idempotency cannot see.

alter table pledges
  -- A digest of who gives, where that is known: e-mail, else a payment method of the donor's own.
  add column donor_key text,
  add constraint pledges_donor_key_digest check (donor_key ~ '^[0-9a-f]{64}$');

create index pledges_possible_duplicates_idx on pledges (donor_key, campaign_id, amount, created_at)
  where donor_key is not null;
