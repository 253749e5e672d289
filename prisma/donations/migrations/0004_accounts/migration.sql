-- Donations of accounts: whose a pledge is, and a donor's history.

alter table donation_requests
  drop constraint donation_requests_scope_shape,
  -- A principal is a guest or an account by its id; anything else would be a namespace nobody checks.
  add constraint donation_requests_scope_shape
    check (scope = 'guest' or scope ~ '^user:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$');

-- An account's history, newest first, paged by (accepted_at, id); guests have none, so their rows cost nothing here.
-- By request, not by pledge: what was accepted while nothing could start it yet is the donor's as well.
create index donation_requests_history_idx on donation_requests (scope, accepted_at desc, id desc)
  where scope <> 'guest';
drop index pledges_donor_history_idx;

-- May be blanked (a donor who wants to be forgotten) or filled in, but what one account gave is never another's.
create trigger pledges_donor_never_another before update of donor_id on pledges for each row
  when (old.donor_id <> new.donor_id)
  execute function refuse('a pledge never goes to another account');
