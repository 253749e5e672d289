-- The auth service: accounts, the refresh tokens of their sessions, and the keys that sign access tokens.
--
-- Rules that one row can show are CHECKs. Rules about change are triggers; each raises 23514 with its own name as the
-- constraint, so that a refused write says which rule it broke. `update of` and `when` keep them free on other updates.

create function refuse() returns trigger language plpgsql as $$
begin
  raise exception '% on "%" refused: %', lower(tg_op), tg_table_name, tg_argv[0]
    using errcode = 'check_violation', constraint = tg_name, table = tg_table_name, schema = tg_table_schema;
end
$$;

-------------------------------------------------------------------------------------------------------------- users

create table users (
  id               uuid primary key,
  -- As domain/email.ts writes it: one person's spellings are one account.
  email            text not null,
  name             text,
  role             text not null default 'donor',
  password_hash    text not null,
  -- Grows with each new password: a session that an older one opened while it was changed is refused.
  password_version integer not null default 1,
  created_at       timestamptz not null default now(),
  updated_at       timestamptz not null default now(),
  constraint users_email_key unique (email),
  constraint users_email_normalised check (email = lower(btrim(email)) and email ~ '^[^@\s]+@[^@\s]+$'),
  -- RFC 5321, section 4.5.3.1.3, less the angle brackets.
  constraint users_email_length check (char_length(email) <= 254),
  constraint users_name_length check (char_length(name) between 1 and 100),
  constraint users_role_known check (role in ('donor', 'organizer', 'operator')),
  -- Never a password as it was typed.
  constraint users_password_hash_shape check (password_hash ~ '^\$argon2id\$v=19\$m=\d+,t=\d+,p=\d+\$[A-Za-z0-9+/]+\$[A-Za-z0-9+/]+$'),
  constraint users_password_version_range check (password_version >= 1)
);

create trigger users_identity_immutable before update of id, created_at on users for each row
  when ((old.id, old.created_at) is distinct from (new.id, new.created_at))
  execute function refuse('an account is the same for ever: donations name it');

create trigger users_password_version_grows before update of password_version on users for each row
  when (new.password_version < old.password_version)
  execute function refuse('the version of the password only grows');

-- Donations, campaigns and refunds of other services name it.
create trigger users_kept before delete on users
  for each row execute function refuse('an account is kept');

-- Nobody could make an operator any more. The lock lets one look at a time; each sees what the one before it did.
create function keep_an_operator() returns trigger language plpgsql as $$
begin
  perform pg_advisory_xact_lock(7218003);
  if not exists (select from users where role = 'operator' and id <> old.id) then
    raise exception '% on "%" refused: the last operator stays one', lower(tg_op), tg_table_name
      using errcode = 'check_violation', constraint = tg_name, table = tg_table_name, schema = tg_table_schema;
  end if;
  return new;
end
$$;

create trigger users_last_operator_kept before update of role on users for each row
  when (old.role = 'operator' and new.role <> 'operator')
  execute function keep_an_operator();

----------------------------------------------------------------------------------------------------- token_families

-- What one sign-in has led to: refresh tokens, each made from the one before it. It ends as a whole.
create table token_families (
  id          uuid primary key,
  user_id     uuid not null references users (id),
  created_at  timestamptz not null default now(),
  revoked_at  timestamptz,
  revoked_for text,
  constraint token_families_revoked_for_known check (revoked_for in ('logout', 'reuse', 'password', 'role')),
  -- Who looks into a theft needs to know which ones ended by it.
  constraint token_families_revoked_has_reason check ((revoked_at is null) = (revoked_for is null))
);

-- All of a person's end at once when the password changes.
create index token_families_user_id_idx on token_families (user_id) where revoked_at is null;

create trigger token_families_identity_immutable before update of id, user_id, created_at on token_families for each row
  when ((old.id, old.user_id, old.created_at) is distinct from (new.id, new.user_id, new.created_at))
  execute function refuse('a family stays with whom it was made for');

create trigger token_families_revoked_for_ever before update of revoked_at, revoked_for on token_families for each row
  when (old.revoked_at is not null
    and (old.revoked_at, old.revoked_for) is distinct from (new.revoked_at, new.revoked_for))
  execute function refuse('what was revoked stays revoked');

----------------------------------------------------------------------------------------------------- refresh_tokens

create table refresh_tokens (
  -- SHA-256: the rows are worth nothing to who reads them.
  token_hash bytea primary key,
  family_id  uuid not null references token_families (id) on delete cascade,
  issued_at  timestamptz not null default now(),
  expires_at timestamptz not null,
  used_at    timestamptz,
  constraint refresh_tokens_token_hash_length check (octet_length(token_hash) = 32),
  constraint refresh_tokens_expires_later check (expires_at > issued_at)
) with (fillfactor = 80);

create index refresh_tokens_family_id_idx on refresh_tokens (family_id);
-- Of those who use one token at once, one at most gets a new one.
create unique index refresh_tokens_one_unused on refresh_tokens (family_id) where used_at is null;
-- Housekeeping looks for what has expired.
create index refresh_tokens_expires_at_idx on refresh_tokens (expires_at);

create trigger refresh_tokens_identity_immutable before update of token_hash, family_id, issued_at, expires_at
  on refresh_tokens for each row
  when ((old.token_hash, old.family_id, old.issued_at, old.expires_at)
    is distinct from (new.token_hash, new.family_id, new.issued_at, new.expires_at))
  execute function refuse('a token never changes hands nor lasts longer');

create trigger refresh_tokens_used_once before update of used_at on refresh_tokens for each row
  when (old.used_at is not null and old.used_at is distinct from new.used_at)
  execute function refuse('a used token stays used: its reuse tells of a theft');

-- A deleted one could no longer be recognised when a thief shows it.
create trigger refresh_tokens_kept_until_expired before delete on refresh_tokens for each row
  when (old.expires_at > now())
  execute function refuse('a token is kept until it has expired');

------------------------------------------------------------------------------------------------------- signing_keys

create table signing_keys (
  kid          text primary key,
  -- Claimed by insert: of the processes that make the next key at once, one succeeds.
  generation   integer not null,
  public_jwk   jsonb not null,
  -- AES-256-GCM under a key that is derived from AUTH_SECRET.
  private_key  bytea not null,
  created_at   timestamptz not null default now(),
  -- Published at once, signing from here on: until then every verifier has heard of it.
  activates_at timestamptz not null,
  -- No longer published from here on; every token that it signed has expired.
  retires_at   timestamptz,
  constraint signing_keys_generation_key unique (generation),
  constraint signing_keys_generation_range check (generation >= 1),
  constraint signing_keys_kid_shape check (kid ~ '^[A-Za-z0-9_-]{16,64}$'),
  -- Everybody reads it, so nothing of the private half may be in it (RFC 7518, section 6.3.2).
  constraint signing_keys_public_only check (
    public_jwk ?& array['kty', 'n', 'e', 'kid', 'alg', 'use'] and not public_jwk ?| array['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k']),
  constraint signing_keys_names_itself check (public_jwk ->> 'kid' = kid),
  constraint signing_keys_private_key_sealed check (octet_length(private_key) > 1000 and get_byte(private_key, 0) = 1),
  constraint signing_keys_activates_after_publication check (activates_at >= created_at)
);

create trigger signing_keys_immutable before update of kid, generation, public_jwk, private_key, created_at, activates_at
  on signing_keys for each row
  when ((old.kid, old.generation, old.public_jwk, old.private_key, old.created_at, old.activates_at)
    is distinct from (new.kid, new.generation, new.public_jwk, new.private_key, new.created_at, new.activates_at))
  execute function refuse('a key never changes: verifiers keep it by its id');

-- It may have leaked: an end that was set may only come sooner.
create trigger signing_keys_retirement_never_later before update of retires_at on signing_keys for each row
  when (old.retires_at is not null and (new.retires_at is null or new.retires_at > old.retires_at))
  execute function refuse('a retirement is never taken back nor put off');
