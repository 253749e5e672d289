import type { Pool } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createPool, transaction } from '../../../platform/postgres.ts';
import { isolatedDatabases } from './isolated-databases.ts';
import { rulesOf, tryMove, type Move, type RefusedMove } from './rules.ts';

const { urls } = isolatedDatabases(['auth']);
let pool: Pool;
beforeAll(() => {
  pool = createPool({ url: urls.auth, max: 4, name: 'test' });
});
afterAll(() => pool.end());

type Columns = Readonly<Record<string, string>>;
const insert = (table: string, columns: Columns): string =>
  `insert into ${table} (${Object.keys(columns).join(', ')}) values (${Object.values(columns).join(', ')})`;

const ANA = `'00000000-0000-4000-8000-0000000000a1'`;
const BEN = `'00000000-0000-4000-8000-0000000000b1'`;
const FAMILY = `'00000000-0000-4000-8000-0000000000f1'`;
const PHC = '$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$aGFzaGhhc2g';
const user = (changes: Columns = {}): string =>
  insert('users', { id: ANA, email: `'ana@example.org'`, password_hash: `'${PHC}'`, ...changes });
const family = (changes: Columns = {}): string =>
  insert('token_families', { id: FAMILY, user_id: ANA, ...changes });
const hash = (letter: string): string => `decode(repeat('${letter}', 64), 'hex')`;
const token = (changes: Columns = {}): string =>
  insert('refresh_tokens', {
    token_hash: hash('a'),
    family_id: FAMILY,
    expires_at: `now() + interval '30 days'`,
    ...changes,
  });
const KID = 'kidkidkidkidkidkid';
const jwk = (more = ''): string =>
  `'{"kty":"RSA","use":"sig","alg":"RS256","kid":"${KID}","n":"AQ","e":"AQAB"${more}}'`;
const signingKey = (changes: Columns = {}): string =>
  insert('signing_keys', {
    kid: `'${KID}'`,
    generation: '1',
    public_jwk: jwk(),
    private_key: `decode('01' || repeat('ab', 1100), 'hex')`,
    activates_at: 'now()',
    ...changes,
  });
const session = [user(), family(), token()];
const operators = [
  user({ role: `'operator'` }),
  user({ id: BEN, email: `'ben@example.org'`, role: `'operator'` }),
];

const refused: RefusedMove[] = [
  {
    name: 'two accounts of one address',
    rule: 'users_email_key',
    given: [user()],
    when: user({ id: BEN }),
  },
  ...[`'Ana@example.org'`, `' ana@example.org'`, `'ana'`, `'ana@'`, `'a na@example.org'`].map((email) => ({
    name: `the address ${email}`,
    rule: 'users_email_normalised',
    when: user({ email }),
  })),
  {
    name: 'an address of 255 characters',
    rule: 'users_email_length',
    when: user({ email: `repeat('a', 243) || '@example.org'` }),
  },
  { name: 'a name of nothing', rule: 'users_name_length', when: user({ name: `''` }) },
  { name: 'a role that nobody knows', rule: 'users_role_known', when: user({ role: `'root'` }) },
  ...[`'correct horse battery staple'`, `'$2b$10$abcdefghijklmnopqrstuv'`, `''`].map((password_hash) => ({
    name: `the password hash ${password_hash}`,
    rule: 'users_password_hash_shape',
    when: user({ password_hash }),
  })),
  {
    name: 'a password without a version',
    rule: 'users_password_version_range',
    when: user({ password_version: '0' }),
  },
  {
    name: 'a password version that falls',
    rule: 'users_password_version_grows',
    given: [user({ password_version: '3' })],
    when: 'update users set password_version = 2',
  },
  ...[`id = ${BEN}`, `created_at = now() - interval '1 day'`].map((change) => ({
    name: `an account with another ${change}`,
    rule: 'users_identity_immutable',
    given: [user()],
    when: `update users set ${change}`,
  })),
  { name: 'an account that goes', rule: 'users_kept', given: [user()], when: 'delete from users' },
  {
    name: 'the last operator who becomes a donor',
    rule: 'users_last_operator_kept',
    given: [user({ role: `'operator'` })],
    when: `update users set role = 'donor'`,
  },
  {
    name: 'the last two operators who become organizers in one statement',
    rule: 'users_last_operator_kept',
    given: operators,
    when: `update users set role = 'organizer'`,
  },
  { name: 'a family of nobody', rule: 'token_families_user_id_fkey', when: family() },
  {
    name: 'a family revoked for no reason',
    rule: 'token_families_revoked_has_reason',
    given: [user()],
    when: family({ revoked_at: 'now()' }),
  },
  {
    name: 'a reason without a revocation',
    rule: 'token_families_revoked_has_reason',
    given: [user()],
    when: family({ revoked_for: `'reuse'` }),
  },
  {
    name: 'a family revoked for a whim',
    rule: 'token_families_revoked_for_known',
    given: [user()],
    when: family({ revoked_at: 'now()', revoked_for: `'whim'` }),
  },
  ...[`user_id = ${BEN}`, `id = ${BEN}`, `created_at = now() - interval '1 day'`].map((change) => ({
    name: `a family with another ${change}`,
    rule: 'token_families_identity_immutable',
    given: [user(), user({ id: BEN, email: `'ben@example.org'` }), family()],
    when: `update token_families set ${change}`,
  })),
  ...[
    'revoked_at = null, revoked_for = null',
    `revoked_for = 'logout'`,
    `revoked_at = now() + interval '1 hour'`,
  ].map((change) => ({
    name: `a revoked family with ${change}`,
    rule: 'token_families_revoked_for_ever',
    given: [user(), family({ revoked_at: 'now()', revoked_for: `'reuse'` })],
    when: `update token_families set ${change}`,
  })),
  {
    name: 'a token of no family',
    rule: 'refresh_tokens_family_id_fkey',
    when: token(),
  },
  { name: 'a token twice', rule: 'refresh_tokens_pkey', given: session, when: token() },
  {
    name: 'two unused tokens of one family',
    rule: 'refresh_tokens_one_unused',
    given: session,
    when: token({ token_hash: hash('b') }),
  },
  {
    name: 'a token as it is shown',
    rule: 'refresh_tokens_token_hash_length',
    given: [user(), family()],
    when: token({ token_hash: `'a token in plain text'` }),
  },
  {
    name: 'a token that has expired when it is made',
    rule: 'refresh_tokens_expires_later',
    given: [user(), family()],
    when: token({ expires_at: 'now()' }),
  },
  ...[
    `token_hash = ${hash('c')}`,
    `expires_at = expires_at + interval '1 day'`,
    `issued_at = issued_at - interval '1 day'`,
  ].map((change) => ({
    name: `a token with another ${change}`,
    rule: 'refresh_tokens_identity_immutable',
    given: session,
    when: `update refresh_tokens set ${change}`,
  })),
  ...['null', `now() + interval '1 hour'`].map((usedAt) => ({
    name: `a used token with used_at = ${usedAt}`,
    rule: 'refresh_tokens_used_once',
    given: [...session, 'update refresh_tokens set used_at = now()'],
    when: `update refresh_tokens set used_at = ${usedAt}`,
  })),
  {
    name: 'a token that goes before its time',
    rule: 'refresh_tokens_kept_until_expired',
    given: session,
    when: 'delete from refresh_tokens',
  },
  {
    name: 'a family that goes before its tokens have expired',
    rule: 'refresh_tokens_kept_until_expired',
    given: session,
    when: 'delete from token_families',
  },
  {
    name: 'two keys of one generation',
    rule: 'signing_keys_generation_key',
    given: [signingKey()],
    when: signingKey({
      kid: `'otherotherotherother'`,
      public_jwk: jwk().replace(KID, 'otherotherotherother'),
    }),
  },
  {
    name: 'a key of no generation',
    rule: 'signing_keys_generation_range',
    when: signingKey({ generation: '0' }),
  },
  {
    name: 'a key id that could be a path',
    rule: 'signing_keys_kid_shape',
    when: signingKey({ kid: `'../../../../dev/null'` }),
  },
  ...['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k'].map((member) => ({
    name: `a public key with the private member ${member}`,
    rule: 'signing_keys_public_only',
    when: signingKey({ public_jwk: jwk(`,"${member}":"AQ"`) }),
  })),
  {
    name: 'a public key without a modulus',
    rule: 'signing_keys_public_only',
    when: signingKey({ public_jwk: jwk().replace('"n"', '"m"') }),
  },
  {
    name: 'a public key under another id',
    rule: 'signing_keys_names_itself',
    when: signingKey({ public_jwk: jwk().replace(KID, 'otherotherotherother') }),
  },
  {
    name: 'a private key in plain text',
    rule: 'signing_keys_private_key_sealed',
    when: signingKey({
      private_key: `convert_to('-----BEGIN PRIVATE KEY-----' || repeat('M', 1700), 'UTF8')`,
    }),
  },
  {
    name: 'a key that signed before anybody could know it',
    rule: 'signing_keys_activates_after_publication',
    when: signingKey({ activates_at: `now() - interval '1 second'` }),
  },
  ...[
    `kid = 'otherotherotherother'`,
    'generation = 2',
    `public_jwk = public_jwk || '{"n":"BB"}'`,
    `private_key = private_key || private_key`,
    `activates_at = activates_at + interval '1 hour'`,
  ].map((change) => ({
    name: `a key with another ${change}`,
    rule: 'signing_keys_immutable',
    given: [signingKey()],
    when: `update signing_keys set ${change}`,
  })),
  ...['null', `now() + interval '2 hours'`].map((retiresAt) => ({
    name: `a retirement changed to ${retiresAt}`,
    rule: 'signing_keys_retirement_never_later',
    given: [signingKey({ retires_at: `now() + interval '1 hour'` })],
    when: `update signing_keys set retires_at = ${retiresAt}`,
  })),
];

const accepted: Move[] = [
  { name: 'an account', when: user() },
  { name: 'another account', given: [user()], when: user({ id: BEN, email: `'ben@example.org'` }) },
  {
    name: 'a new password',
    given: [user()],
    when: `update users set password_hash = '${PHC}x', password_version = 2`,
  },
  {
    name: 'an operator who becomes a donor beside another one',
    given: operators,
    when: `update users set role = 'donor' where id = ${ANA}`,
  },
  { name: 'a donor who becomes an operator', given: [user()], when: `update users set role = 'operator'` },
  {
    name: 'a token used for the next one',
    given: session,
    when: ['update refresh_tokens set used_at = now()', token({ token_hash: hash('b') })],
  },
  {
    name: 'a family revoked',
    given: session,
    when: `update token_families set revoked_at = now(), revoked_for = 'reuse'`,
  },
  {
    name: 'a family that goes once its tokens have expired',
    given: [
      user(),
      family(),
      token({ issued_at: `now() - interval '2 days'`, expires_at: `now() - interval '1 day'` }),
    ],
    when: 'delete from token_families',
  },
  {
    name: 'a key that retires, and then sooner',
    given: [signingKey()],
    when: [
      `update signing_keys set retires_at = now() + interval '1 hour'`,
      'update signing_keys set retires_at = now()',
    ],
  },
];

describe('the auth database refuses', () => {
  test.each(refused)('$name', async (move) => {
    expect(await tryMove(pool, move)).toEqual({ given: 'accepted', when: move.rule });
  });
});

describe('the auth database accepts', () => {
  test.each(accepted)('$name', async (move) => {
    expect(await tryMove(pool, move)).toEqual({ given: 'accepted', when: 'accepted' });
  });
});

test('every CHECK and trigger of the auth database is seen to refuse something', async () => {
  const seen = new Set(refused.map((move) => move.rule));
  expect((await rulesOf(pool)).filter((rule) => !seen.has(rule))).toEqual([]);
});

test('of two operators who become donors at the same moment, one stays an operator', async () => {
  for (const statement of operators) await pool.query(statement);
  const demote = (id: string): Promise<void> =>
    transaction(pool, async (client) => {
      await client.query(`update users set role = 'donor' where id = ${id}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    });
  const outcomes = await Promise.allSettled([demote(ANA), demote(BEN)]);
  expect(outcomes.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected']);
  const { rows } = await pool.query<{ count: number }>(
    `select count(*) as count from users where role = 'operator'`,
  );
  expect(rows[0]?.count).toBe(1);
});
