/** Who asks for too much is told so, is told until when, and loses nothing by it; nobody else notices. */
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connectRedis } from '../../../platform/redis.ts';
import { eventually } from '../../harness/eventually.ts';
import { startPrivateRedis, type PrivateServer } from '../../harness/private-servers.ts';
import { startProxy, targetOf, through, type Proxy } from '../../harness/proxy.ts';
import { createRunDirectory } from '../../harness/run-directory.ts';
import { isolatedDatabases } from '../database/isolated-databases.ts';
import {
  donationBody,
  newCampaign,
  newKey,
  OPERATOR_TOKEN,
  rowsOf,
  silent,
  startGateway,
  type Gateway,
} from './gateway.ts';
import { problem, send, type Answer } from './http-client.ts';

const { urls } = isolatedDatabases(['donations', 'payments', 'campaigns']);
const PREFIX = `cfa_test_${randomBytes(5).toString('hex')}`;
/** Long enough that five requests fit on a slow machine; it begins with the first of them. */
const WINDOW_SECONDS = 4;

const LIMITS = JSON.stringify({
  donate: { address: { requests: 5, seconds: WINDOW_SECONDS }, account: { requests: 3, seconds: 60 } },
  write: { address: { requests: 4, seconds: 60 } },
  read: { address: { requests: 6, seconds: 60 }, account: { requests: 2, seconds: 60 } },
  ownNetworks: ['127.0.0.0/8', '::1'],
});
const env = { LIMITS, TRUSTED_PROXIES: '127.0.0.1' };

/** An address that no other test uses. */
let last = 0;
function newAddress(): string {
  last += 1;
  return `198.51.100.${last}`;
}

function give(
  gateway: Gateway,
  campaignId: string,
  from: string,
  { key = newKey(), token }: { key?: string; token?: string } = {},
): Promise<Answer> {
  return gateway.send({
    method: 'POST',
    path: '/donate',
    headers: [
      ['Content-Type', 'application/json'],
      ['Idempotency-Key', key],
      ['X-Forwarded-For', from],
      ...(token === undefined ? [] : [['Authorization', `Bearer ${token}`] as const]),
    ],
    body: JSON.stringify(donationBody(campaignId)),
  });
}

/** As many as the limit lets through, one after the other. */
async function giveAll(gateway: Gateway, campaignId: string, from: string): Promise<void> {
  for (let count = 0; count < 5; count += 1) {
    const answer = await give(gateway, campaignId, from);
    expect([answer.status, answer.headers['ratelimit-remaining']]).toEqual([202, String(4 - count)]);
  }
}

async function ready(redis: Redis): Promise<void> {
  await eventually('Redis is there', () => expect(redis.status).toBe('ready'));
}

describe('with Redis', () => {
  // How exactly it is counted is the question here, not how long a busy machine takes for it.
  const redisTimeoutMs = 10_000;
  let server: PrivateServer;
  let connections: Redis[];
  let gateway: Gateway;
  let other: Gateway;
  let campaignId: string;
  beforeAll(async () => {
    server = await startPrivateRedis(createRunDirectory('rate-limits'));
    connections = [0, 1].map(() => connectRedis(server.url, PREFIX, silent));
    const [first, second] = connections as [Redis, Redis];
    for (const redis of connections) {
      redis.options.commandTimeout = redisTimeoutMs;
      await ready(redis);
    }
    gateway = await startGateway({ urls, redis: first, redisTimeoutMs, env });
    other = await startGateway({ urls, redis: second, redisTimeoutMs, env });
    campaignId = await newCampaign(gateway);
  });
  afterAll(async () => {
    await gateway[Symbol.asyncDispose]();
    await other[Symbol.asyncDispose]();
    for (const redis of connections) redis.disconnect();
    await server.stop();
  });

  test('every answer says what is left, and the one too many is a 429 that stores nothing: its key works afterwards', async () => {
    const [from, key] = [newAddress(), newKey()];
    await giveAll(gateway, campaignId, from);
    const refused = await give(gateway, campaignId, from, { key });
    expect([refused.status, problem(refused).code]).toEqual([429, 'rate_limited']);
    expect(refused.headers).toMatchObject({
      'ratelimit-limit': '5',
      'ratelimit-remaining': '0',
      'ratelimit-policy': `5;w=${WINDOW_SECONDS}`,
      'cache-control': 'no-store',
    });
    const waitSeconds = Number(refused.headers['retry-after']);
    expect(refused.headers['ratelimit-reset']).toBe(String(waitSeconds));
    expect(waitSeconds).toBeGreaterThanOrEqual(1);
    expect(waitSeconds).toBeLessThanOrEqual(WINDOW_SECONDS);
    expect(await rowsOf(gateway.pools.donations, key)).toBe(0);
    await sleep(waitSeconds * 1_000);
    const again = await give(gateway, campaignId, from, { key });
    expect([again.status, again.headers['idempotent-replayed']]).toEqual([202, undefined]);
  });

  test('all processes count together, and nobody else is refused', async () => {
    const from = newAddress();
    await giveAll(gateway, campaignId, from);
    expect((await give(other, campaignId, from)).status).toBe(429);
    expect((await give(other, campaignId, newAddress())).status).toBe(202);
  });

  test('the addresses of one IPv6 subscriber count together', async () => {
    await giveAll(gateway, campaignId, '2001:db8:1:2::1');
    expect((await give(gateway, campaignId, '2001:db8:1:2:ffff::9')).status).toBe(429);
    expect((await give(gateway, campaignId, '2001:db8:1:3::1')).status).toBe(202);
  });

  test('an address that the client makes up changes nothing: only the last hop is believed', async () => {
    const from = newAddress();
    await giveAll(gateway, campaignId, from);
    expect((await give(gateway, campaignId, `203.0.113.7, ${from}`)).status).toBe(429);
    // And whom somebody pretends to be is not refused for it.
    expect((await give(gateway, campaignId, '203.0.113.7')).status).toBe(202);
  });

  test('an account is counted wherever it comes from, and other accounts’ addresses are not', async () => {
    const answers = [];
    for (let count = 0; count < 4; count += 1)
      answers.push(await give(gateway, campaignId, newAddress(), { token: OPERATOR_TOKEN }));
    expect(answers.map(({ status }) => status)).toEqual([202, 202, 202, 429]);
    expect(answers[0]?.headers).toMatchObject({
      'ratelimit-limit': '3',
      'ratelimit-remaining': '2',
      'ratelimit-policy': `5;w=${WINDOW_SECONDS}, 3;w=60`,
    });
    expect((await give(gateway, campaignId, newAddress())).status).toBe(202);
  });
});

describe('with a Redis that goes away', () => {
  let server: PrivateServer;
  let proxy: Proxy;
  let redis: Redis;
  let gateway: Gateway;
  let campaignId: string;
  beforeAll(async () => {
    server = await startPrivateRedis(createRunDirectory('rate-limits-away'));
    proxy = await startProxy(targetOf(server.url, 6379));
    redis = connectRedis(through(server.url, proxy), PREFIX, silent);
    await ready(redis);
    gateway = await startGateway({ urls, redis, env });
    campaignId = await newCampaign(gateway);
  });
  afterAll(async () => {
    await gateway[Symbol.asyncDispose]();
    redis.disconnect();
    await proxy[Symbol.asyncDispose]();
    await server.stop();
  });

  test.each([
    ['silent', () => Promise.resolve(proxy.blackHole())],
    ['cut off', () => proxy.cut()],
  ])('while it is %s the process counts for itself, and no answer waits for it', async (_name, fail) => {
    const from = newAddress();
    await fail();
    try {
      const startedAt = performance.now();
      const statuses = [];
      for (let count = 0; count < 6; count += 1)
        statuses.push((await give(gateway, campaignId, from)).status);
      expect(statuses).toEqual([202, 202, 202, 202, 202, 429]);
      expect(performance.now() - startedAt).toBeLessThan(2_000);
    } finally {
      await proxy.heal();
    }
    await ready(redis);
    await eventually('counted in Redis again', async () => {
      const next = newAddress();
      await give(gateway, campaignId, next);
      expect(await redis.exists(`limit:donate:address:${next}`)).toBe(1);
    });
  });
});

describe('without Redis', () => {
  let gateway: Gateway;
  let campaignId: string;
  beforeAll(async () => {
    gateway = await startGateway({ urls, env });
    campaignId = await newCampaign(gateway);
  });
  afterAll(async () => {
    await gateway[Symbol.asyncDispose]();
  });

  const many = async (count: number, path: string, from: string, method = 'GET'): Promise<Answer[]> => {
    const answers = [];
    for (let index = 0; index < count; index += 1)
      // In any spelling of the path, which the description of the API has no word for.
      answers.push(await send(gateway.port, { method, path, headers: [['X-Forwarded-For', from]] }));
    return answers;
  };
  const refusals = (answers: readonly Answer[]): number =>
    answers.filter(({ status }) => status === 429).length;

  test('reads have a limit of their own', async () => {
    const from = newAddress();
    const reads = await many(7, `/campaigns/${campaignId}/total`, from);
    expect(reads.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200, 200, 429]);
    expect(reads[0]?.headers).toMatchObject({ 'ratelimit-limit': '6', 'ratelimit-remaining': '5' });
    expect((await give(gateway, campaignId, from)).status).toBe(202);
  });

  test('who reads with an account is counted wherever it comes from', async () => {
    const given = await give(gateway, campaignId, newAddress(), { token: OPERATOR_TOKEN });
    const read = (): Promise<Answer> =>
      gateway.send({
        path: String(given.headers['location']),
        headers: [
          ['Authorization', `Bearer ${OPERATOR_TOKEN}`],
          ['X-Forwarded-For', newAddress()],
        ],
      });
    expect([await read(), await read(), await read()].map(({ status }) => status)).toEqual([200, 200, 429]);
  });

  test('what is refused for another reason counts too: who guesses is slowed down', async () => {
    const guesses = await many(5, '/campaigns', newAddress(), 'POST');
    expect(guesses.map(({ status }) => status)).toEqual([401, 401, 401, 401, 429]);
  });

  test.each(['/donate/', '/DONATE'])('%s is the same as /donate', async (path) => {
    const from = newAddress();
    await many(5, path, from, 'POST');
    expect((await give(gateway, campaignId, from)).status).toBe(429);
  });

  test.each(['/livez', '/readyz'])('%s is never refused and says nothing of limits', async (path) => {
    const answers = await many(10, path, newAddress());
    expect(refusals(answers)).toBe(0);
    expect(answers[0]?.headers['ratelimit-limit']).toBeUndefined();
  });

  test('webhooks are never refused for their number: the provider has few addresses', async () => {
    const answers = await many(10, '/webhooks/stripe', newAddress(), 'POST');
    expect(new Set(answers.map((answer) => problem(answer).code))).toEqual(new Set(['invalid_signature']));
  });

  test('networks of our own have many times the limit', async () => {
    const [first, ...more] = await many(10, '/campaigns', '127.0.0.9');
    expect(first?.headers['ratelimit-limit']).toBe('6000');
    expect(refusals(more)).toBe(0);
  });
});

test('outside production nobody on this machine meets a limit: more donations in a burst than any client may make are taken', async () => {
  await using gateway = await startGateway({ urls });
  const campaignId = await newCampaign(gateway);
  const statuses = new Set<number>();
  let limit: string | undefined;
  for (let round = 0; round < 14; round += 1) {
    const burst = Array.from({ length: 50 }, () => give(gateway, campaignId, '198.51.100.250'));
    for (const answer of await Promise.all(burst)) {
      statuses.add(answer.status);
      limit = answer.headers['ratelimit-limit'];
    }
  }
  expect(statuses).toEqual(new Set([202]));
  // Without a trusted proxy the header says nothing: all came from here.
  expect(limit).toBe('600000');
}, 60_000);
