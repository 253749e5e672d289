import { argon2Sync, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createPasswords } from '../../../api/auth/passwords.ts';
import { eventually } from '../../harness/eventually.ts';
import { isolatedDatabases } from '../database/isolated-databases.ts';
import {
  CHEAP,
  claimsOf,
  newEmail,
  newPerson,
  session,
  startAuthGateway,
  type AuthGateway,
} from './auth-gateway.ts';
import { json, problem, type Answer } from './http-client.ts';

const { urls } = isolatedDatabases(['auth']);
let gateway: AuthGateway;
beforeAll(async () => {
  gateway = await startAuthGateway({ url: urls.auth });
});
afterAll(() => gateway[Symbol.asyncDispose]());

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

describe('registering', () => {
  test('makes a donor and signs them in; the address counts in any case of its letters', async () => {
    const email = newEmail();
    const answer = await gateway.call('POST', '/auth/register', {
      email: email.toUpperCase(),
      password: 'wells for everybody',
      name: ' Ana ',
    });
    expect(answer.status).toBe(201);
    expect(answer.headers['cache-control']).toBe('no-store');
    expect(json(answer)).toEqual({
      user: {
        id: expect.stringMatching(UUID) as string,
        email,
        name: 'Ana',
        role: 'donor',
        createdAt: expect.stringMatching(/^\d{4}-.+Z$/) as string,
      },
      accessToken: expect.stringMatching(/^[\w-]+\.[\w-]+\.[\w-]+$/) as string,
      tokenType: 'Bearer',
      expiresIn: 600,
      refreshToken: expect.stringMatching(/^[\w-]{43}$/) as string,
      refreshExpiresIn: 2_592_000,
      deviceToken: expect.stringMatching(/^[\w-]+$/) as string,
    });
    const { accessToken, user } = session(answer);
    const me = await gateway.call('GET', '/auth/me', undefined, accessToken);
    expect(me.status).toBe(200);
    expect(json(me)).toEqual(user);
    const now = Date.now() / 1_000;
    const { iat, exp, jti, ...claims } = claimsOf(accessToken);
    expect(claims).toEqual({ iss: 'careforall', aud: 'careforall-api', sub: user.id, role: 'donor' });
    expect(Math.abs(Number(iat) - now)).toBeLessThan(5);
    expect(Number(exp) - Number(iat)).toBe(600);
    expect(jti).toMatch(UUID);
  });

  test('with an address that is taken, in whatever spelling, is 409 and changes nothing', async () => {
    const ana = await newPerson(gateway);
    const again = await gateway.call('POST', '/auth/register', {
      email: ana.email.toUpperCase(),
      password: 'another password altogether',
    });
    expect([again.status, problem(again).code]).toEqual([409, 'email_taken']);
    const login = await gateway.call('POST', '/auth/login', { email: ana.email, password: ana.password });
    expect(session(login).user).toEqual(ana.user);
  });

  test('of 20 who want one address at once, one gets it', async () => {
    const email = newEmail();
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, n) =>
        gateway.call(
          'POST',
          '/auth/register',
          { email, password: `password of number ${n}` },
          undefined,
          `${n}`,
        ),
      ),
    );
    const statuses = answers.map(({ status }) => status).toSorted((a, b) => a - b);
    expect(statuses).toEqual([201, ...Array.from({ length: 19 }, () => 409)]);
  });

  test.each([
    ['a role', { role: 'operator' }, '/role'],
    ['an id', { id: randomUUID() }, '/id'],
    ['a password hash', { passwordHash: 'x' }, '/passwordHash'],
    ['no e-mail address', { email: 'ana' }, '/email'],
    ['an e-mail address of 255 characters', { email: `${'a'.repeat(243)}@example.org` }, '/email'],
    ['nine characters of password', { password: 'x7 kLm_2?' }, '/password'],
    ['five characters of two units each', { password: '🐟🐠🐡🦈🐙' }, '/password'],
    ['257 characters of password', { password: 'ab '.repeat(86).slice(0, 257) }, '/password'],
    ['a password that everybody tries', { password: 'qwertyuiop' }, '/password'],
    ['the same with digits behind it', { password: 'Password2026!' }, '/password'],
    ['a name of spaces', { name: '  ' }, '/name'],
  ])('with %s is refused with a pointer to it, and nothing is kept', async (_, fields, pointer) => {
    const email = newEmail();
    const body = { email, password: 'wells for everybody', ...fields };
    const answer = await gateway.call('POST', '/auth/register', body);
    expect([answer.status, problem(answer).code]).toEqual([400, 'invalid_body']);
    expect(problem(answer).errors?.map((error) => error.pointer)).toEqual([pointer]);
    const { rowCount } = await gateway.pool.query('SELECT FROM users WHERE email = $1', [email]);
    expect(rowCount).toBe(0);
  });

  test('with the address itself or its first part as password is refused', async () => {
    for (const password of ['anabanana@example.org', 'AnaBanana@Example.org', 'anabananana@example.org']) {
      const email = password.toLowerCase() === 'anabanana@example.org' ? 'anabanana@example.org' : password;
      const answer = await gateway.call('POST', '/auth/register', { email, password });
      expect(problem(answer).errors).toEqual([{ pointer: '/password', detail: 'is the e-mail address' }]);
    }
    const answer = await gateway.call('POST', '/auth/register', {
      email: 'ana.banana.splits@example.org',
      password: 'Ana.Banana.Splits',
    });
    expect(problem(answer).errors).toEqual([{ pointer: '/password', detail: 'is the e-mail address' }]);
  });

  test('256 characters are taken, and two ways to write é are one password', async () => {
    const email = newEmail();
    const long = `${'ab'.repeat(125)}caf\u00e9!!`;
    expect(Array.from(long).length).toBe(256);
    expect((await gateway.call('POST', '/auth/register', { email, password: long })).status).toBe(201);
    const decomposed = long.normalize('NFD');
    expect(decomposed).not.toBe(long);
    expect((await gateway.call('POST', '/auth/login', { email, password: decomposed })).status).toBe(200);
  });
});

describe('signing in', () => {
  test('opens a new session; a wrong password and an unknown address get the same answer', async () => {
    const ana = await newPerson(gateway);
    const { email, password } = ana;
    const right = await gateway.call('POST', '/auth/login', { email, password });
    expect(right.status).toBe(200);
    expect(right.headers['cache-control']).toBe('no-store');
    expect(session(right).user).toEqual(ana.user);
    expect(session(right).refreshToken).not.toBe(ana.refreshToken);

    const wrong = await gateway.call('POST', '/auth/login', { email, password: 'not her password' });
    const nobody = await gateway.call('POST', '/auth/login', { email: newEmail(), password });
    expect([wrong.status, problem(wrong).code]).toEqual([401, 'invalid_credentials']);
    expect(problem(nobody)).toEqual(problem(wrong));
    const named = ({ headers }: typeof wrong): string[] => Object.keys(headers);
    expect(named(nobody)).toEqual(named(wrong));
  });

  test('a password is told apart by every character', async () => {
    const { email, password } = await newPerson(gateway);
    for (const other of [password.toUpperCase(), ` ${password}`, `${password} `, password.slice(0, -1)]) {
      const answer = await gateway.call(
        'POST',
        '/auth/login',
        { email, password: other },
        undefined,
        randomUUID(),
      );
      expect(answer.status).toBe(401);
    }
  });
});

describe('hashing', () => {
  test('at another cost than today’s is made up for at the next sign-in, and ends no session', async () => {
    const ana = await newPerson(gateway);
    const stored = async (): Promise<string> => {
      const { rows } = await gateway.pool.query<{ hash: string }>(
        'SELECT password_hash AS hash FROM users WHERE email = $1',
        [ana.email],
      );
      return rows[0]?.hash ?? '';
    };
    await using dearer = await startAuthGateway({
      url: urls.auth,
      passwords: createPasswords({ cost: { memoryKiB: 128, passes: 2, lanes: 1 } }),
    });
    expect(await stored()).toContain('$m=64,t=1,p=1$');
    const wrong = { email: ana.email, password: 'not her password' };
    expect((await dearer.call('POST', '/auth/login', wrong)).status).toBe(401);
    expect(await stored()).toContain('$m=64,t=1,p=1$');
    const { email, password, refreshToken } = ana;
    expect((await dearer.call('POST', '/auth/login', { email, password })).status).toBe(200);
    expect(await stored()).toContain('$m=128,t=2,p=1$');
    expect((await dearer.call('POST', '/auth/refresh', { refreshToken })).status).toBe(200);
    expect((await gateway.call('POST', '/auth/login', { email, password })).status).toBe(200);
  });

  test('for too many at once is 503 with a Retry-After for the rest, which does not count as a failure', async () => {
    const ana = await newPerson(gateway);
    const waiting: (() => void)[] = [];
    let isHeld = true;
    const passwords = createPasswords({
      cost: CHEAP,
      concurrency: 1,
      maxWaiting: 2,
      compute: async (parameters) => {
        if (isHeld) await new Promise<void>((resolve) => waiting.push(resolve));
        return argon2Sync('argon2id', parameters);
      },
    });
    const settings = { failuresPerAccountAndAddress: 8 };
    await using busy = await startAuthGateway({ url: urls.auth, passwords, settings });
    const { email, password } = ana;
    const refused: Answer[] = [];
    const answers = Array.from({ length: 8 }, async (_, n) => {
      const answer = await busy.call('POST', '/auth/login', { email, password }, undefined, `address ${n}`);
      if (answer.status === 503) refused.push(answer);
      return answer.status;
    });
    await eventually('those who have no place are told so', () => expect(refused.length).toBe(5));
    for (const answer of refused) {
      expect(problem(answer).code).toBe('overloaded');
      expect(answer.headers['retry-after']).toBe('3');
    }
    isHeld = false;
    for (const go of waiting) go();
    expect((await Promise.all(answers)).toSorted((a, b) => a - b)).toEqual([
      200, 200, 200, 503, 503, 503, 503, 503,
    ]);
    const guess = { email, password: 'not her password' };
    for (let n = 1; n <= 9; n += 1)
      expect((await busy.call('POST', '/auth/login', guess)).status).toBe(n <= 8 ? 401 : 429);
  });
});

test('/auth/me without a token is 401', async () => {
  expect((await gateway.call('GET', '/auth/me')).status).toBe(401);
});

describe('the public keys', () => {
  test('are public members alone, and may be cached', async () => {
    const answer = await gateway.call('GET', '/.well-known/jwks.json');
    expect(answer.status).toBe(200);
    expect(answer.headers['cache-control']).toBe('public, max-age=30');
    const { keys } = json(answer) as { keys: Record<string, unknown>[] };
    expect(keys.map((key) => Object.keys(key).toSorted())).toEqual([['alg', 'e', 'kid', 'kty', 'n', 'use']]);
    expect(keys[0]).toMatchObject({ kty: 'RSA', alg: 'RS256', use: 'sig', e: 'AQAB' });
  });
});

test.each([
  ['/auth/register', 'POST'],
  ['/auth/login', 'POST'],
  ['/auth/refresh', 'POST'],
  ['/auth/logout', 'POST'],
  ['/auth/password', 'POST'],
  ['/auth/me', 'GET, HEAD'],
  ['/.well-known/jwks.json', 'GET, HEAD'],
  ['/admin/users', 'GET, HEAD'],
  [`/admin/users/${randomUUID()}/role`, 'PUT'],
])('%s takes %s and nothing else', async (path, allowed) => {
  for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'].filter((it) => !allowed.includes(it))) {
    const answer = await gateway.call(method, path);
    expect([method, answer.status, answer.headers['allow']]).toEqual([method, 405, allowed]);
  }
});
