import { argon2Sync, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createPasswords } from '../../../api/auth/passwords.ts';
import { deleteExpiredTokens } from '../../../api/auth/refresh-tokens.ts';
import { isolatedDatabases } from '../database/isolated-databases.ts';
import {
  CHEAP,
  claimsOf,
  newEmail,
  newPerson,
  session,
  startAuthGateway,
  type AuthGateway,
  type SessionAnswer,
} from './auth-gateway.ts';
import { json, problem, type Answer } from './http-client.ts';

const { urls } = isolatedDatabases(['auth']);
let gateway: AuthGateway;
/** Another process of the same service. */
let second: AuthGateway;
beforeAll(async () => {
  gateway = await startAuthGateway({ url: urls.auth });
  second = await startAuthGateway({ url: urls.auth });
});
afterAll(async () => {
  await gateway[Symbol.asyncDispose]();
  await second[Symbol.asyncDispose]();
});

const refresh = (refreshToken: string, by: AuthGateway = gateway): Promise<Answer> =>
  by.call('POST', '/auth/refresh', { refreshToken });
const logout = (refreshToken: string): Promise<Answer> =>
  gateway.call('POST', '/auth/logout', { refreshToken });
const login = (email: string, password: string): Promise<Answer> =>
  gateway.call('POST', '/auth/login', { email, password }, undefined, randomUUID());
const me = (accessToken: string): Promise<Answer> => gateway.call('GET', '/auth/me', undefined, accessToken);
const expectEnded = (answer: Answer): void =>
  expect([answer.status, problem(answer).code]).toEqual([401, 'session_ended']);
const endings = async (userId: string): Promise<(string | null)[]> => {
  const { rows } = await gateway.pool.query<{ why: string | null }>(
    'SELECT revoked_for AS why FROM token_families WHERE user_id = $1 ORDER BY created_at',
    [userId],
  );
  return rows.map(({ why }) => why);
};

describe('refreshing', () => {
  test('gives another pair, again and again, and each token once', async () => {
    const ana = await newPerson(gateway);
    let { refreshToken } = ana;
    const seen = new Set([refreshToken]);
    for (let n = 1; n <= 5; n += 1) {
      const answer = await refresh(refreshToken, n % 2 === 0 ? second : gateway);
      expect(answer.status).toBe(200);
      expect(answer.headers['cache-control']).toBe('no-store');
      const next = json(answer) as SessionAnswer;
      expect(Object.keys(next).toSorted()).toEqual(
        ['accessToken', 'expiresIn', 'refreshExpiresIn', 'refreshToken', 'tokenType'].toSorted(),
      );
      expect((await me(next.accessToken)).status).toBe(200);
      ({ refreshToken } = next);
      seen.add(refreshToken);
    }
    expect(seen.size).toBe(6);
  });

  test('with a token that was used before ends the session, also for whoever has the newest one', async () => {
    const ana = await newPerson(gateway);
    const thief = session(await refresh(ana.refreshToken));
    expectEnded(await refresh(ana.refreshToken));
    expectEnded(await refresh(thief.refreshToken));
    expect(await endings(ana.user.id)).toEqual(['reuse']);
  });

  test('leaves the other sessions of the same person alone', async () => {
    const ana = await newPerson(gateway);
    const other = session(await login(ana.email, ana.password));
    await refresh(ana.refreshToken);
    expectEnded(await refresh(ana.refreshToken));
    expect((await refresh(other.refreshToken)).status).toBe(200);
    expect(await endings(ana.user.id)).toEqual(['reuse', null]);
  });

  test('50 times at once with one token, over two processes, succeeds once at most and ends the session', async () => {
    const ana = await newPerson(gateway);
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, n) => refresh(ana.refreshToken, n % 2 === 0 ? gateway : second)),
    );
    const winners = answers.filter(({ status }) => status === 200);
    expect(winners.length).toBeLessThanOrEqual(1);
    for (const answer of answers.filter(({ status }) => status !== 200)) expectEnded(answer);
    for (const winner of winners) expectEnded(await refresh(session(winner).refreshToken));
    expect(await endings(ana.user.id)).toEqual(['reuse']);
    const { rows } = await gateway.pool.query<{ unused: number }>(
      `SELECT count(*) AS unused FROM refresh_tokens t JOIN token_families f ON f.id = t.family_id
       WHERE f.user_id = $1 AND f.revoked_at IS NULL`,
      [ana.user.id],
    );
    expect(rows[0]?.unused).toBe(0);
  });

  test('a chain that goes on while an old token of it is shown is ended, whoever comes first', async () => {
    const ana = await newPerson(gateway);
    const next = session(await refresh(ana.refreshToken));
    const [onward, reuse] = await Promise.all([
      refresh(next.refreshToken),
      refresh(ana.refreshToken, second),
    ]);
    expectEnded(reuse);
    if (onward.status === 200) expectEnded(await refresh(session(onward).refreshToken));
    else expectEnded(onward);
    expect(await endings(ana.user.id)).toEqual(['reuse']);
  });

  test('with a token that has expired is no theft, and no session either', async () => {
    const brief = await startAuthGateway({ url: urls.auth, settings: { refreshTokenSeconds: 1 } });
    const ana = await newPerson(brief);
    await new Promise((resolve) => setTimeout(resolve, 1_100));
    expectEnded(await refresh(ana.refreshToken, brief));
    expect(await endings(ana.user.id)).toEqual([null]);
    expect(await deleteExpiredTokens(brief.pool)).toBeGreaterThanOrEqual(1);
    expect(await endings(ana.user.id)).toEqual([]);
    await brief[Symbol.asyncDispose]();
  });

  test.each([
    ['nobody knows', () => 'A'.repeat(43)],
    ['is an access token', (it: SessionAnswer) => it.accessToken.slice(0, 512)],
    ['is a device token', (it: SessionAnswer) => it.deviceToken],
    ['has a letter of another case', (it: SessionAnswer) => swapCase(it.refreshToken)],
  ])('with what %s is 401 and changes nothing', async (_, wrong) => {
    const ana = await newPerson(gateway);
    expectEnded(await refresh(wrong(ana)));
    expect((await refresh(ana.refreshToken)).status).toBe(200);
  });

  test('that goes on for long keeps no tokens that have expired', async () => {
    await using brief = await startAuthGateway({ url: urls.auth, settings: { refreshTokenSeconds: 1 } });
    const ana = await newPerson(brief);
    const { refreshToken } = session(await refresh(ana.refreshToken, gateway));
    await new Promise((resolve) => setTimeout(resolve, 1_100));
    await deleteExpiredTokens(gateway.pool);
    const { rowCount } = await gateway.pool.query(
      'SELECT FROM refresh_tokens t JOIN token_families f ON f.id = t.family_id WHERE f.user_id = $1',
      [ana.user.id],
    );
    expect(rowCount).toBe(1);
    expect((await refresh(refreshToken)).status).toBe(200);
  });

  test('while nothing can be signed uses no token up, nor an address for an account', async () => {
    let isAway = false;
    await using unsure = await startAuthGateway({
      url: urls.auth,
      keysAs: (keys) => ({
        ...keys,
        current: () => (isAway ? Promise.reject(new Error('no connection')) : keys.current()),
      }),
    });
    const ana = await newPerson(unsure);
    const registration = { email: newEmail(), password: ana.password };
    isAway = true;
    expect((await refresh(ana.refreshToken, unsure)).status).toBe(500);
    expect((await unsure.call('POST', '/auth/register', registration)).status).toBe(500);
    isAway = false;
    expect((await refresh(ana.refreshToken, unsure)).status).toBe(200);
    expect((await unsure.call('POST', '/auth/register', registration)).status).toBe(201);
  });

  test('takes the role that the account has by now', async () => {
    const ana = await newPerson(gateway);
    await gateway.pool.query(`UPDATE users SET role = 'organizer' WHERE id = $1`, [ana.user.id]);
    const next = session(await refresh(ana.refreshToken));
    expect(claimsOf(next.accessToken)['role']).toBe('organizer');
  });

  test('tokens do not stand in the database as they are', async () => {
    const ana = await newPerson(gateway);
    const { rows } = await gateway.pool.query<{ row: string }>('SELECT t::text AS row FROM refresh_tokens t');
    const bytes = Buffer.from(ana.refreshToken, 'base64url').toString('hex');
    expect(rows.length).toBeGreaterThan(0);
    for (const { row } of rows) for (const form of [ana.refreshToken, bytes]) expect(row).not.toContain(form);
  });
});

describe('signing out', () => {
  test('ends the session, and may be said again', async () => {
    const ana = await newPerson(gateway);
    for (let n = 0; n < 3; n += 1) {
      const answer = await logout(ana.refreshToken);
      expect([answer.status, answer.text]).toEqual([204, '']);
    }
    expectEnded(await refresh(ana.refreshToken));
    expect(await endings(ana.user.id)).toEqual(['logout']);
  });

  test('with an older token of the session ends all of it', async () => {
    const ana = await newPerson(gateway);
    const next = session(await refresh(ana.refreshToken));
    expect((await logout(ana.refreshToken)).status).toBe(204);
    expectEnded(await refresh(next.refreshToken));
  });

  test('with a token that nobody knows is 204 as well', async () => {
    expect((await logout('A'.repeat(43))).status).toBe(204);
  });
});

describe('a new password', () => {
  const change = (accessToken: string, currentPassword: string, newPassword: string): Promise<Answer> =>
    gateway.call('POST', '/auth/password', { currentPassword, newPassword }, accessToken);

  test('ends every session and begins a new one; the old password counts no more', async () => {
    const ana = await newPerson(gateway);
    const other = session(await login(ana.email, ana.password));
    const answer = await change(ana.accessToken, ana.password, 'a new one for the wells');
    expect(answer.status).toBe(200);
    const fresh = session(answer);
    expect(fresh.user).toEqual(ana.user);
    expectEnded(await refresh(ana.refreshToken));
    expectEnded(await refresh(other.refreshToken));
    expect((await refresh(fresh.refreshToken)).status).toBe(200);
    expect((await login(ana.email, ana.password)).status).toBe(401);
    expect((await login(ana.email, 'a new one for the wells')).status).toBe(200);
    expect((await endings(ana.user.id)).slice(0, 2)).toEqual(['password', 'password']);
  });

  test.each([
    ['the wrong old one', { currentPassword: 'not her password' }, '/currentPassword'],
    ['one that is too short', { newPassword: 'short' }, '/newPassword'],
    ['one that everybody tries', { newPassword: 'iloveyou123' }, '/newPassword'],
    ['a field more', { role: 'operator' }, '/role'],
  ])('with %s is refused, and nothing ends', async (_, fields, pointer) => {
    const ana = await newPerson(gateway);
    const body = { currentPassword: ana.password, newPassword: 'a new one for the wells', ...fields };
    const answer = await gateway.call('POST', '/auth/password', body, ana.accessToken);
    expect([answer.status, problem(answer).code]).toEqual([400, 'invalid_body']);
    expect(problem(answer).errors?.map((error) => error.pointer)).toEqual([pointer]);
    expect((await refresh(ana.refreshToken)).status).toBe(200);
    expect((await login(ana.email, ana.password)).status).toBe(200);
  });

  test('without a token is 401', async () => {
    expect((await change('', 'x', 'a new one for the wells')).status).toBe(401);
  });

  test('of two at once one is taken', async () => {
    const ana = await newPerson(gateway);
    const answers = await Promise.all(
      ['first of the new ones', 'second of the new ones'].map((it) =>
        change(ana.accessToken, ana.password, it),
      ),
    );
    expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([200, 400]);
  });

  test('leaves no session behind that the old one opens at the same moment', async () => {
    const ana = await newPerson(gateway);
    const [changed, ...logins] = await Promise.all([
      change(ana.accessToken, ana.password, 'a new one for the wells'),
      ...Array.from({ length: 10 }, () => login(ana.email, ana.password)),
    ]);
    expect(changed.status).toBe(200);
    for (const opened of logins) {
      if (opened.status === 200) expectEnded(await refresh(session(opened).refreshToken));
      else expect(opened.status).toBe(401);
    }
  });
});

describe('operators', () => {
  const find = (email: string, token: string): Promise<Answer> =>
    gateway.call('GET', `/admin/users?email=${encodeURIComponent(email)}`, undefined, token);
  const give = (id: string, role: unknown, token: string): Promise<Answer> =>
    gateway.call('PUT', `/admin/users/${id}/role`, { role }, token);

  test('find an account by its address and give it a role; its sessions end and the next one has it', async () => {
    const [op, ana] = [await newPerson(gateway, 'operator'), await newPerson(gateway)];
    const found = await find(ana.email.toUpperCase(), op.accessToken);
    expect(json(found)).toEqual({ data: [ana.user], nextCursor: null });
    expect(found.headers['cache-control']).toBe('no-store');
    expect(json(await find(newEmail(), op.accessToken))).toEqual({ data: [], nextCursor: null });

    const given = await give(ana.user.id.toUpperCase(), 'organizer', op.accessToken);
    expect([given.status, json(given)]).toEqual([200, { ...ana.user, role: 'organizer' }]);
    expectEnded(await refresh(ana.refreshToken));
    const next = session(await login(ana.email, ana.password));
    expect(claimsOf(next.accessToken)['role']).toBe('organizer');
    expect((await endings(ana.user.id))[0]).toBe('role');
  });

  test('changing a role while its owner signs in leave no session of the old one', async () => {
    const ana = await newPerson(gateway);
    await using slow = await startAuthGateway({
      url: urls.auth,
      passwords: createPasswords({
        cost: CHEAP,
        compute: async (parameters) => {
          await gateway.pool.query(`UPDATE users SET role = 'organizer' WHERE id = $1`, [ana.user.id]);
          return argon2Sync('argon2id', parameters);
        },
      }),
    });
    const { email, password } = ana;
    const signedIn = session(await slow.call('POST', '/auth/login', { email, password }));
    expect(claimsOf(signedIn.accessToken)['role']).toBe('organizer');
    expect(signedIn.user.role).toBe('organizer');
  });

  test('giving the role that it has changes nothing', async () => {
    const [op, ana] = [await newPerson(gateway, 'operator'), await newPerson(gateway)];
    expect((await give(ana.user.id, 'donor', op.accessToken)).status).toBe(200);
    expect((await refresh(ana.refreshToken)).status).toBe(200);
  });

  test.each(['donor', 'organizer'] as const)('alone may do so, no %s, and nobody unknown', async (role) => {
    const [somebody, ana] = [await newPerson(gateway, role), await newPerson(gateway)];
    for (const answer of [
      await find(ana.email, somebody.accessToken),
      await give(ana.user.id, 'operator', somebody.accessToken),
      await give(somebody.user.id, 'operator', somebody.accessToken),
    ])
      expect([answer.status, problem(answer).code]).toEqual([403, 'forbidden']);
    expect((await find(ana.email, 'nonsense')).status).toBe(401);
    expect(json(await me(ana.accessToken))).toMatchObject({ role: 'donor' });
  });

  test('who are none any more may not, although their token still says so', async () => {
    const [op, other, ana] = [
      await newPerson(gateway, 'operator'),
      await newPerson(gateway, 'operator'),
      await newPerson(gateway),
    ];
    expect((await give(op.user.id, 'donor', other.accessToken)).status).toBe(200);
    expect(claimsOf(op.accessToken)['role']).toBe('operator');
    expect((await give(op.user.id, 'operator', op.accessToken)).status).toBe(403);
    expect((await give(ana.user.id, 'operator', op.accessToken)).status).toBe(403);
  });

  test('of all of them who resign at the same moment, one has to stay', async () => {
    await gateway.pool.query(`UPDATE users SET role = 'operator' WHERE role = 'operator'`);
    const last = await newPerson(gateway, 'operator');
    await gateway.pool.query(`UPDATE users SET role = 'donor' WHERE role = 'operator' AND id <> $1`, [
      last.user.id,
    ]);
    const ops = [last, ...(await Promise.all([1, 2, 3].map(() => newPerson(gateway, 'operator'))))];
    const answers = await Promise.all(ops.map((op) => give(op.user.id, 'donor', op.accessToken)));
    expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([200, 200, 200, 409]);
    const refused = answers.find(({ status }) => status === 409);
    expect(refused && problem(refused).code).toBe('last_operator');
  });

  test.each([
    ['a role that nobody knows', 'root'],
    ['no role', null],
    ['a role in capitals', 'OPERATOR'],
  ])('cannot give %s', async (_, role) => {
    const [op, ana] = [await newPerson(gateway, 'operator'), await newPerson(gateway)];
    const answer = await give(ana.user.id, role, op.accessToken);
    expect([answer.status, problem(answer).errors?.[0]?.pointer]).toEqual([400, '/role']);
  });

  test('get 404 for an account that is not there, and 400 without an address to look for', async () => {
    const op = await newPerson(gateway, 'operator');
    expect((await give(randomUUID(), 'donor', op.accessToken)).status).toBe(404);
    expect((await give('me', 'donor', op.accessToken)).status).toBe(404);
    for (const query of ['', '?email=', '?email=ana', '?email=a@example.org&email=b@example.org']) {
      const answer = await gateway.call('GET', `/admin/users${query}`, undefined, op.accessToken);
      expect([answer.status, problem(answer).code]).toEqual([400, 'invalid_parameter']);
    }
  });
});

function swapCase(text: string): string {
  const at = text.search(/[a-z]/i);
  const letter = text.charAt(at);
  const other = letter === letter.toLowerCase() ? letter.toUpperCase() : letter.toLowerCase();
  return `${text.slice(0, at)}${other}${text.slice(at + 1)}`;
}
