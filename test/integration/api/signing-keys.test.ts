import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Pool } from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { signAccessToken } from '../../../api/auth/access-token.ts';
import { listSigningKeys, openSigningKeys, rotateSigningKeys } from '../../../api/auth/signing-keys.ts';
import { accessTokens } from '../../../api/http/access-tokens.ts';
import type { Authenticate } from '../../../api/http/authentication.ts';
import { jwksAt } from '../../../api/http/jwks-client.ts';
import { createVerificationKeys } from '../../../api/http/verification-keys.ts';
import { replaceForeignKeys } from '../../../launch/own-keys.ts';
import { ConfigError, loadConfig } from '../../../platform/config.ts';
import { createLogger } from '../../../platform/log.ts';
import { createPool } from '../../../platform/postgres.ts';
import { isolatedDatabases } from '../database/isolated-databases.ts';
import { AUTH_SECRET } from './auth-gateway.ts';

const { urls } = isolatedDatabases(['auth']);
const settings = loadConfig([], {}).AUTH;
const log = createLogger('test', 'silent');
const USER = { id: '5f0e8f1c-3c1d-4b8e-9d2a-7a1b2c3d4e5f', role: 'donor' } as const;

let pool: Pool;
beforeAll(() => {
  pool = createPool({ url: urls.auth, max: 12, name: 'test' });
});
afterAll(() => pool.end());
beforeEach(() => pool.query('TRUNCATE signing_keys'));

/** A clock of the test's own: seconds that pass when it says so. */
function verifier(published: () => Promise<readonly unknown[]>): {
  readonly authenticate: Authenticate;
  readonly pass: (seconds: number) => void;
  readonly looks: () => number;
} {
  let [seconds, looks] = [0, 0];
  const keys = createVerificationKeys({
    published: () => {
      looks += 1;
      return published();
    },
    settings,
    log,
    now: () => seconds * 1_000,
  });
  return {
    authenticate: accessTokens({ keys, settings }),
    pass: (more) => {
      seconds += more;
    },
    looks: () => looks,
  };
}

const settle = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 50));

describe('the first key', () => {
  test('is one, however many processes start at once', async () => {
    const opened = await Promise.all(Array.from({ length: 8 }, () => openSigningKeys(pool, AUTH_SECRET)));
    const kids = await Promise.all(opened.map(async (keys) => (await keys.current()).kid));
    expect(new Set(kids).size).toBe(1);
    expect(await listSigningKeys(pool)).toMatchObject([{ generation: 1, state: 'signing', retiresAt: null }]);
  });

  test('is of no use to another secret, which is told in words', async () => {
    await openSigningKeys(pool, AUTH_SECRET);
    const other = openSigningKeys(pool, 'another secret that is long enough as well');
    await expect(other).rejects.toThrow(ConfigError);
    await expect(other).rejects.toThrow(/AUTH_SECRET is not the one/);
  });

  test('does not stand in the database as it is', async () => {
    const { privateKey } = await (await openSigningKeys(pool, AUTH_SECRET)).current();
    const { rows } = await pool.query<{ row: string }>('SELECT signing_keys::text AS row FROM signing_keys');
    const { d = '' } = privateKey.export({ format: 'jwk' });
    expect(d.length).toBeGreaterThan(300);
    const bytes = Buffer.from(d, 'base64url');
    for (const form of [d, bytes.toString('hex'), 'PRIVATE KEY', Buffer.from('PRIVATE KEY').toString('hex')])
      expect(rows[0]?.row).not.toContain(form);
  });
});

describe('a rotation', () => {
  const rotation = { activationSeconds: 120, accessTokenSeconds: 600 };

  test('publishes the new key first, and both are live until the last token of the old one has expired', async () => {
    const keys = await openSigningKeys(pool, AUTH_SECRET);
    const before = await keys.current();
    const early = signAccessToken(before, USER, settings).token;
    const kid = await rotateSigningKeys(pool, AUTH_SECRET, rotation);

    expect((await keys.published()).map((key) => key.kid)).toEqual([kid, before.kid]);
    const opened = await openSigningKeys(pool, AUTH_SECRET);
    expect((await opened.current()).kid).toBe(before.kid);
    expect((await listSigningKeys(pool)).map(({ state }) => state)).toEqual(['waiting', 'signing']);

    await makeOlder(121);
    const after = await (await openSigningKeys(pool, AUTH_SECRET)).current();
    expect(after.kid).toBe(kid);
    expect((await listSigningKeys(pool)).map(({ state }) => state)).toEqual(['signing', 'verifying']);
    const { authenticate } = verifier(keys.published);
    expect(await authenticate(early)).toEqual({ kind: 'user', ...USER });
    expect(await authenticate(signAccessToken(after, USER, settings).token)).toEqual({
      kind: 'user',
      ...USER,
    });

    await makeOlder(621);
    expect((await listSigningKeys(pool)).map(({ state }) => state)).toEqual(['signing', 'retired']);
    expect((await keys.published()).map((key) => key.kid)).toEqual([kid]);
  });

  test('no token outlives its key, however long tokens are set to live', async () => {
    const keys = await openSigningKeys(pool, AUTH_SECRET);
    await rotateSigningKeys(pool, AUTH_SECRET, rotation);
    const current = await (await openSigningKeys(pool, AUTH_SECRET)).current();
    const { expiresInSeconds } = signAccessToken(current, USER, { ...settings, accessTokenSeconds: 86_400 });
    expect(expiresInSeconds).toBeLessThanOrEqual(740);
    expect(expiresInSeconds).toBeGreaterThan(700);
    expect((await keys.current()).kid).toBe(current.kid);
  });

  test('that is done at once withdraws the old key, also for tokens that were checked before', async () => {
    const keys = await openSigningKeys(pool, AUTH_SECRET);
    const { token } = signAccessToken(await keys.current(), USER, settings);
    const { authenticate, pass, looks } = verifier(keys.published);
    expect(await authenticate(token)).not.toBeNull();
    await rotateSigningKeys(pool, AUTH_SECRET, { ...rotation, atOnce: true });
    expect(await authenticate(token)).not.toBeNull();
    expect(looks()).toBe(1);
    pass(settings.keysMaxAgeSeconds);
    expect(await authenticate(token)).toBeNull();
    expect(looks()).toBe(2);
    const next = await (await openSigningKeys(pool, AUTH_SECRET)).current();
    expect(await authenticate(signAccessToken(next, USER, settings).token)).not.toBeNull();
  });

  test('by several at once makes one key', async () => {
    await openSigningKeys(pool, AUTH_SECRET);
    const made = await Promise.all(
      Array.from({ length: 5 }, () => rotateSigningKeys(pool, AUTH_SECRET, rotation)),
    );
    const kids = made.filter((kid) => kid !== null);
    expect(kids.length).toBeGreaterThanOrEqual(1);
    const generations = (await listSigningKeys(pool)).map(({ generation }) => generation);
    expect(generations).toEqual(Array.from({ length: kids.length + 1 }, (_, n) => kids.length + 1 - n));
  });

  test('with another secret changes nothing', async () => {
    await openSigningKeys(pool, AUTH_SECRET);
    const other = rotateSigningKeys(pool, 'another secret that is long enough as well', rotation);
    await expect(other).rejects.toThrow(ConfigError);
    expect(await listSigningKeys(pool)).toMatchObject([{ generation: 1, retiresAt: null }]);
  });
});

describe('keys whose secret was left in another checkout', () => {
  const LOST = 'a secret that another checkout took along with it';

  test('are replaced once by a key of this one, and theirs count no more', async () => {
    const foreign = await (await openSigningKeys(pool, LOST)).current();
    await rotateSigningKeys(pool, LOST, { activationSeconds: 120, accessTokenSeconds: 600 });
    const theirs = signAccessToken(foreign, USER, settings).token;

    expect(await replaceForeignKeys(urls.auth, AUTH_SECRET)).toBe(true);
    const keys = await openSigningKeys(pool, AUTH_SECRET);
    const current = await keys.current();
    expect((await keys.published()).map(({ kid }) => kid)).toEqual([current.kid]);
    const { authenticate } = verifier(keys.published);
    expect(await authenticate(theirs)).toBeNull();
    expect(await authenticate(signAccessToken(current, USER, settings).token)).toEqual({
      kind: 'user',
      ...USER,
    });
    expect(await replaceForeignKeys(urls.auth, AUTH_SECRET)).toBe(false);
    expect((await (await openSigningKeys(pool, AUTH_SECRET)).current()).kid).toBe(current.kid);
  });

  test('of our own are left alone, and where there are none the first is made', async () => {
    expect(await replaceForeignKeys(urls.auth, AUTH_SECRET)).toBe(false);
    expect(await replaceForeignKeys(urls.auth, AUTH_SECRET)).toBe(false);
    expect(await listSigningKeys(pool)).toMatchObject([{ generation: 1, state: 'signing' }]);
  });
});

describe('whoever checks tokens', () => {
  test('tells people apart who come at once, also while it waits for the keys', async () => {
    const keys = await openSigningKeys(pool, AUTH_SECRET);
    const current = await keys.current();
    const { authenticate } = verifier(keys.published);
    const people = Array.from({ length: 40 }, () => ({ id: randomUUID(), role: 'organizer' }) as const);
    const tokens = people.map((user) => signAccessToken(current, user, settings).token);
    // Every other one is nobody's, so that a refusal could also go to the wrong one.
    const asked = tokens.flatMap((token) => [token, `${token.slice(0, -40)}${'A'.repeat(40)}`]);
    const answers = await Promise.all(asked.map((token) => authenticate(token)));
    expect(answers).toEqual(people.flatMap((user) => [{ kind: 'user', ...user }, null]));
  });

  test('looks for an unknown key once per pause, and says no as long as nobody publishes it', async () => {
    const keys = await openSigningKeys(pool, AUTH_SECRET);
    const { authenticate, pass, looks } = verifier(keys.published);
    const stranger = { ...(await keys.current()), kid: 'a-key-of-nobody-here' };
    const forged = (): string => signAccessToken(stranger, USER, settings).token;
    const answers = await Promise.all(Array.from({ length: 50 }, () => authenticate(forged())));
    expect(new Set(answers)).toEqual(new Set([null]));
    expect(looks()).toBe(1);
    pass(settings.keysPauseSeconds);
    expect(await authenticate(forged())).toBeNull();
    expect(looks()).toBe(2);
  });

  test('finds a new key by itself', async () => {
    const keys = await openSigningKeys(pool, AUTH_SECRET);
    const { authenticate, pass } = verifier(keys.published);
    expect(await authenticate(signAccessToken(await keys.current(), USER, settings).token)).not.toBeNull();
    await rotateSigningKeys(pool, AUTH_SECRET, { activationSeconds: 0, accessTokenSeconds: 600 });
    pass(settings.keysPauseSeconds);
    const next = await (await openSigningKeys(pool, AUTH_SECRET)).current();
    expect(await authenticate(signAccessToken(next, USER, settings).token)).not.toBeNull();
  });

  test('goes on with the keys it has while they cannot be looked up, and for others says so instead of 401', async () => {
    const keys = await openSigningKeys(pool, AUTH_SECRET);
    const current = await keys.current();
    let away = false;
    const { authenticate, pass } = verifier(() =>
      away ? Promise.reject(new Error('away')) : keys.published(),
    );
    const known = signAccessToken(current, USER, settings).token;
    expect(await authenticate(known)).not.toBeNull();
    away = true;
    pass(3_600);
    expect(await authenticate(known)).not.toBeNull();
    expect(await authenticate(signAccessToken(current, USER, settings).token)).not.toBeNull();
    await settle();
    const unknown = signAccessToken({ ...current, kid: 'made-while-they-were-away' }, USER, settings).token;
    await expect(authenticate(unknown)).rejects.toMatchObject({ code: 'keys_unavailable' });
    away = false;
    pass(settings.keysPauseSeconds);
    expect(await authenticate(unknown)).toBeNull();
  });

  test('that was started before their issuer asks it again soon', async () => {
    const keys = await openSigningKeys(pool, AUTH_SECRET);
    let away = true;
    const { authenticate, pass, looks } = verifier(() =>
      away ? Promise.reject(new Error('not started yet')) : keys.published(),
    );
    const { token } = signAccessToken(await keys.current(), USER, settings);
    await expect(authenticate(token)).rejects.toMatchObject({ code: 'keys_unavailable' });
    away = false;
    await expect(authenticate(token)).rejects.toMatchObject({ code: 'keys_unavailable' });
    expect(looks()).toBe(1);
    pass(0.3);
    expect(await authenticate(token)).toEqual({ kind: 'user', ...USER });
  });

  test('takes no key that is short or for something else', async () => {
    const pair = (modulusLength: number) => generateKeyPairSync('rsa', { modulusLength });
    const [short, other, right] = [pair(1_024), pair(2_048), pair(2_048)];
    const jwk = (kid: string, { publicKey }: ReturnType<typeof pair>, use = 'sig'): object => ({
      ...publicKey.export({ format: 'jwk' }),
      alg: 'RS256',
      use,
      kid,
    });
    const ec = { kty: 'EC', use: 'sig', alg: 'ES256', kid: 'ec', crv: 'P-256', x: 'AA', y: 'AA' };
    const { authenticate } = verifier(() =>
      Promise.resolve([jwk('short', short), jwk('other', other, 'enc'), ec, 7, null, jwk('right', right)]),
    );
    const token = (kid: string, { privateKey }: ReturnType<typeof pair>): string =>
      signAccessToken({ kid, privateKey, retiresAt: null }, USER, settings).token;
    expect(await authenticate(token('other', other))).toBeNull();
    expect(await authenticate(token('right', right))).not.toBeNull();
    expect(await authenticate(token('right', other))).toBeNull();
  });
});

describe('keys over HTTP', () => {
  let server: Server;
  let answer: { status: number; body: string; location?: string };
  let url: string;
  beforeAll(async () => {
    server = createServer((_request, response) => {
      response.writeHead(answer.status, answer.location === undefined ? {} : { location: answer.location });
      response.end(answer.body);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/.well-known/jwks.json`;
  });
  afterAll(() => server.close());

  test('work as those of the database do', async () => {
    const keys = await openSigningKeys(pool, AUTH_SECRET);
    answer = { status: 200, body: JSON.stringify({ keys: await keys.published() }) };
    const { authenticate } = verifier(jwksAt(url));
    expect(await authenticate(signAccessToken(await keys.current(), USER, settings).token)).not.toBeNull();
  });

  test.each([
    ['an error', { status: 500, body: '{}' }],
    ['something else', { status: 200, body: '{"keys":"none"}' }],
    ['no JSON', { status: 200, body: '<html>' }],
    ['a redirect', { status: 302, body: '', location: 'http://127.0.0.1:1/' }],
    ['far too many', { status: 200, body: JSON.stringify({ keys: Array.from({ length: 33 }, () => ({})) }) }],
  ])('that answer with %s are away', async (_, given) => {
    const keys = await openSigningKeys(pool, AUTH_SECRET);
    answer = given;
    const { authenticate } = verifier(jwksAt(url));
    const { token } = signAccessToken(await keys.current(), USER, settings);
    await expect(authenticate(token)).rejects.toMatchObject({ code: 'keys_unavailable' });
  });
});

/** As if it had all happened earlier: a key's own times cannot be changed, so it is made again. */
async function makeOlder(seconds: number): Promise<void> {
  await pool.query(
    `WITH old AS (DELETE FROM signing_keys RETURNING *)
     INSERT INTO signing_keys SELECT kid, generation, public_jwk, private_key, created_at - make_interval(secs => $1),
       activates_at - make_interval(secs => $1), retires_at - make_interval(secs => $1) FROM old`,
    [seconds],
  );
}
