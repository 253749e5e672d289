import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { isolatedDatabases } from '../database/isolated-databases.ts';
import {
  claimsOf,
  newEmail,
  newPerson,
  session,
  startAuthGateway,
  type AuthGateway,
} from './auth-gateway.ts';
import { json, problem } from './http-client.ts';

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

describe('/auth/me', () => {
  test('without a token, and with two Authorization headers, is 401', async () => {
    expect((await gateway.call('GET', '/auth/me')).status).toBe(401);
  });
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
