import { randomUUID } from 'node:crypto';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connectRedis } from '../../../platform/redis.ts';
import { createLogger } from '../../../platform/log.ts';
import { isolatedDatabases, randomPrefix } from '../database/isolated-databases.ts';
import {
  newEmail,
  newPerson,
  session,
  startAuthGateway,
  type AuthGateway,
  type Person,
  type SessionAnswer,
} from './auth-gateway.ts';
import { problem, type Answer } from './http-client.ts';

const { urls } = isolatedDatabases(['auth']);
// oxlint-disable-next-line node/no-process-env -- which server to use is the tester's choice
const REDIS_URL = process.env['REDIS_URL'] ?? 'redis://127.0.0.1:6379';
const prefix = randomPrefix();
let redis: Redis;
const opened: AuthGateway[] = [];
beforeAll(async () => {
  // Patient: on a busy machine production's 50 ms would have some failures counted by the process instead.
  redis = new Redis(REDIS_URL, { keyPrefix: `${prefix}:` });
  await new Promise((resolve) => redis.once('ready', resolve));
});
afterAll(async () => {
  for (const gateway of opened) await gateway[Symbol.asyncDispose]();
  const tidy = new Redis(REDIS_URL);
  const names = await tidy.keys(`${prefix}:*`);
  if (names.length > 0) await tidy.del(...names);
  tidy.disconnect();
  redis.disconnect();
});

type Kind = 'Redis' | 'memory';
const LIMITS = {
  failuresPerAccountAndAddress: 3,
  failuresPerAddress: 8,
  failuresPerAccount: 6,
  failuresPerDevice: 4,
};

async function start(kind: Kind, settings: object = {}): Promise<AuthGateway> {
  const gateway = await startAuthGateway({
    url: urls.auth,
    settings: { ...LIMITS, ...settings },
    redis: kind === 'Redis' ? redis : null,
  });
  opened.push(gateway);
  return gateway;
}

type Try = { readonly from: string; readonly password?: string; readonly deviceToken?: string };
const tries = (gateway: AuthGateway, email: string, { from, password = 'a wrong guess', ...rest }: Try) =>
  gateway.call('POST', '/auth/login', { email, password, ...rest }, undefined, from);
const address = (): string => `address-${randomUUID()}`;
/** Changes the password, or guesses at the current one. */
const changes = (
  gateway: AuthGateway,
  { accessToken }: SessionAnswer,
  { from, password = 'a wrong guess' }: { from: string; password?: string },
): Promise<Answer> =>
  gateway.call(
    'POST',
    '/auth/password',
    { currentPassword: password, newPassword: 'a new one for the wells' },
    accessToken,
    from,
  );
const codeOf = (answer: Answer): number | string => (answer.status === 200 ? 200 : problem(answer).code);
const times = async (n: number, one: () => Promise<Answer>): Promise<(number | string)[]> => {
  const codes: (number | string)[] = [];
  for (let turn = 0; turn < n; turn += 1) codes.push(codeOf(await one()));
  return codes;
};
const WRONG = 'invalid_credentials';
const LIMITED = 'rate_limited';

/** From so many addresses that only the limit of the account can stop it. */
async function attack(gateway: AuthGateway, ana: Person): Promise<void> {
  for (let n = 0; n < LIMITS.failuresPerAccount; n += 1)
    expect(codeOf(await tries(gateway, ana.email, { from: address() }))).toBe(WRONG);
  expect(codeOf(await tries(gateway, ana.email, { from: address() }))).toBe(LIMITED);
}

describe.each<Kind>(['memory', 'Redis'])('with the failures counted in %s', (kind) => {
  let gateway: AuthGateway;
  beforeAll(async () => {
    gateway = await start(kind);
  });

  test('one address gets so many guesses at one account, then 429 with a Retry-After, also for the right one', async () => {
    const ana = await newPerson(gateway);
    const from = address();
    const guesses = await times(4, () => tries(gateway, ana.email, { from }));
    expect(guesses).toEqual([WRONG, WRONG, WRONG, LIMITED]);
    const right = await tries(gateway, ana.email, { from, password: ana.password });
    expect([right.status, problem(right).code]).toEqual([429, LIMITED]);
    const seconds = Number(right.headers['retry-after']);
    expect(seconds).toBeGreaterThan(0);
    expect(seconds).toBeLessThanOrEqual(900);
    expect(codeOf(await tries(gateway, ana.email, { from: address(), password: ana.password }))).toBe(200);
  });

  test('an account that is not there is limited as one that is', async () => {
    const from = address();
    const email = newEmail();
    expect(await times(5, () => tries(gateway, email, { from }))).toEqual([
      WRONG,
      WRONG,
      WRONG,
      LIMITED,
      LIMITED,
    ]);
  });

  test('one address gets so many guesses at all accounts together', async () => {
    const from = address();
    expect(await times(9, () => tries(gateway, newEmail(), { from }))).toEqual([
      ...Array.from({ length: 8 }, () => WRONG),
      LIMITED,
    ]);
  });

  test('during an attack from everywhere strangers are refused, and the owner still gets in with a device token', async () => {
    const ana = await newPerson(gateway);
    await attack(gateway, ana);
    const { password, deviceToken } = ana;
    expect(codeOf(await tries(gateway, ana.email, { from: address(), password }))).toBe(LIMITED);
    const owner = await tries(gateway, ana.email, { from: address(), password, deviceToken });
    expect(owner.status).toBe(200);
    const again = session(owner).deviceToken;
    expect(codeOf(await tries(gateway, ana.email, { from: address(), password, deviceToken: again }))).toBe(
      200,
    );
  });

  test('a device token is no licence: it has a limit of its own', async () => {
    const ana = await newPerson(gateway);
    const { deviceToken } = ana;
    const guess = (): Promise<Answer> => tries(gateway, ana.email, { from: address(), deviceToken });
    expect(await times(5, guess)).toEqual([WRONG, WRONG, WRONG, WRONG, LIMITED]);
    // Nor does it use up what others have.
    expect(codeOf(await tries(gateway, ana.email, { from: address(), password: ana.password }))).toBe(200);
  });

  test.each([
    ['of somebody else', async () => (await newPerson(gateway)).deviceToken],
    ['that was altered', (ana: Person) => Promise.resolve(flipped(ana.deviceToken))],
    ['that is nonsense', () => Promise.resolve('nonsense')],
  ])('a device token %s is as good as none', async (_, wrong) => {
    const ana = await newPerson(gateway);
    await attack(gateway, ana);
    const deviceToken = await wrong(ana);
    const { password } = ana;
    expect(codeOf(await tries(gateway, ana.email, { from: address(), password, deviceToken }))).toBe(LIMITED);
  });

  test('a success does not count, however often', async () => {
    const ana = await newPerson(gateway);
    const from = address();
    const { password } = ana;
    expect(new Set(await times(12, () => tries(gateway, ana.email, { from, password })))).toEqual(
      new Set([200]),
    );
  });

  test('guesses that come all at once get no more than those one after the other', async () => {
    const ana = await newPerson(gateway);
    const from = address();
    const answers = await Promise.all(Array.from({ length: 20 }, () => tries(gateway, ana.email, { from })));
    expect(answers.filter((answer) => codeOf(answer) === WRONG).length).toBe(3);
  });

  test('the password of one who is signed in cannot be guessed for ever, and they can sign in all the same', async () => {
    const ana = await newPerson(gateway);
    const from = address();
    expect(await times(5, () => changes(gateway, ana, { from }))).toEqual([
      ...Array.from({ length: 4 }, () => 'invalid_body'),
      LIMITED,
    ]);
    expect(codeOf(await tries(gateway, ana.email, { from: address(), password: ana.password }))).toBe(200);
  });

  test('whoever has stolen a session cannot keep its owner from changing the password', async () => {
    const ana = await newPerson(gateway);
    const [thief, owner] = [address(), address()];
    expect(await times(5, () => changes(gateway, ana, { from: thief }))).toContain(LIMITED);
    expect((await changes(gateway, ana, { from: owner, password: ana.password })).status).toBe(200);
  });

  test('whoever guesses with a stolen session from address to address ends every session, and the owner signs in anew', async () => {
    const ana = await newPerson(gateway);
    const guess = (): Promise<Answer> => changes(gateway, ana, { from: address() });
    const refresh = (refreshToken: string): Promise<Answer> =>
      gateway.call('POST', '/auth/refresh', { refreshToken });
    expect(await times(6, guess)).toEqual(Array.from({ length: 6 }, () => 'invalid_body'));
    const { refreshToken } = session(await refresh(ana.refreshToken));
    expect(await times(2, guess)).toEqual([LIMITED, LIMITED]);
    expect(codeOf(await refresh(refreshToken))).toBe('session_ended');
    const again = await tries(gateway, ana.email, { from: address(), password: ana.password });
    expect(codeOf(again)).toBe(200);
    // Only the first that is refused ends sessions.
    expect(codeOf(await guess())).toBe(LIMITED);
    expect(codeOf(await refresh(session(again).refreshToken))).toBe(200);
  });

  test('asking which addresses have an account is limited as guessing is', async () => {
    const ana = await newPerson(gateway);
    const from = address();
    const ask = (): Promise<Answer> =>
      gateway.call(
        'POST',
        '/auth/register',
        { email: ana.email, password: 'a password to try' },
        undefined,
        from,
      );
    expect(await times(4, ask)).toEqual(['email_taken', 'email_taken', 'email_taken', LIMITED]);
  });
});

test('over several processes they are counted together in Redis', async () => {
  const [first, second] = [await start('Redis'), await start('Redis')];
  const ana = await newPerson(first);
  const from = address();
  expect(codeOf(await tries(first, ana.email, { from }))).toBe(WRONG);
  expect(codeOf(await tries(second, ana.email, { from }))).toBe(WRONG);
  expect(codeOf(await tries(first, ana.email, { from }))).toBe(WRONG);
  expect(codeOf(await tries(second, ana.email, { from }))).toBe(LIMITED);
});

test('no e-mail address and no network address stands in Redis', async () => {
  const gateway = await start('Redis');
  const ana = await newPerson(gateway);
  const from = address();
  await tries(gateway, ana.email, { from });
  const names = await redis.keys(`${prefix}:*`);
  expect(names.length).toBeGreaterThan(0);
  for (const part of [ana.email, ana.email.split('@')[0] ?? '', from, ana.user.id])
    expect(names.join('\n')).not.toContain(part);
});

test('while Redis is away each process counts for itself', async () => {
  const away = connectRedis('redis://127.0.0.1:1', prefix, createLogger('test', 'silent'));
  const gateway = await startAuthGateway({ url: urls.auth, settings: LIMITS, redis: away });
  opened.push(gateway);
  const ana = await newPerson(gateway);
  const from = address();
  expect(await times(4, () => tries(gateway, ana.email, { from }))).toEqual([WRONG, WRONG, WRONG, LIMITED]);
  expect(codeOf(await tries(gateway, ana.email, { from: address(), password: ana.password }))).toBe(200);
  away.disconnect();
});

test('when the time is over there are new guesses', async () => {
  const gateway = await start('memory', { failuresWindowSeconds: 1 });
  const ana = await newPerson(gateway);
  const from = address();
  expect(await times(4, () => tries(gateway, ana.email, { from }))).toEqual([WRONG, WRONG, WRONG, LIMITED]);
  await new Promise((resolve) => setTimeout(resolve, 1_100));
  expect(codeOf(await tries(gateway, ana.email, { from, password: ana.password }))).toBe(200);
});

function flipped(token: string): string {
  return `${token.startsWith('A') ? 'B' : 'A'}${token.slice(1)}`;
}
