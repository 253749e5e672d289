/** Redis spares an INSERT and decides nothing: flushed, lying, slow or gone, every answer stays the same. */
import { randomBytes } from 'node:crypto';
import { Redis } from 'ioredis';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { serializedError } from '../../../platform/log.ts';
import { connectRedis } from '../../../platform/redis.ts';
import { eventually } from '../../harness/eventually.ts';
import { startPrivateRedis, type PrivateServer } from '../../harness/private-servers.ts';
import { startProxy, targetOf, through, type Proxy } from '../../harness/proxy.ts';
import { createRunDirectory } from '../../harness/run-directory.ts';
import { isolatedDatabases } from '../database/isolated-databases.ts';
import {
  donate,
  donation,
  donationBody,
  newCampaign,
  newKey,
  rowsOf,
  silent,
  startGateway,
  type Gateway,
} from './gateway.ts';
import type { Answer } from './http-client.ts';

// oxlint-disable-next-line node/no-process-env -- which server to use is the tester's choice
const SHARED_URL = process.env['REDIS_URL'] ?? 'redis://127.0.0.1:6379';
const PREFIX = `cfa_test_${randomBytes(5).toString('hex')}`;

const { urls } = isolatedDatabases(['donations', 'payments', 'campaigns']);

async function ready(redis: Redis): Promise<void> {
  await eventually('Redis is there', () => expect(redis.status).toBe('ready'));
}

function essence({ status, headers, text }: Answer): unknown {
  return { status, location: headers['location'], text };
}

/** How many INSERTs into donation_requests the work needs. */
async function insertsDuring(gateway: Gateway, work: () => Promise<unknown>): Promise<number> {
  const { donations } = gateway.pools;
  const original = donations.query.bind(donations);
  let inserts = 0;
  donations.query = ((config: { text?: string } | string, values?: unknown[]) => {
    const text = typeof config === 'string' ? config : (config.text ?? '');
    if (text.includes('INSERT INTO donation_requests')) inserts += 1;
    return (original as unknown as (a: unknown, b: unknown) => unknown)(config, values);
  }) as unknown as typeof donations.query;
  try {
    await work();
  } finally {
    donations.query = original;
  }
  return inserts;
}

describe('with a Redis that others use too', () => {
  let redis: Redis;
  /** With the time that it takes: the platform's own gives up after 50 ms. */
  let others: Redis;
  let gateway: Gateway;
  let campaignId: string;
  beforeAll(async () => {
    redis = connectRedis(SHARED_URL, PREFIX, silent);
    others = new Redis(SHARED_URL, { keyPrefix: `${PREFIX}:` });
    await Promise.all([ready(redis), ready(others)]);
    gateway = await startGateway({ urls, redis });
    campaignId = await newCampaign(gateway);
  });
  afterAll(async () => {
    await gateway[Symbol.asyncDispose]();
    const keys = await redis.keys(`${PREFIX}:*`);
    if (keys.length > 0) await redis.del(...keys.map((key) => key.slice(PREFIX.length + 1)));
    redis.disconnect();
    others.disconnect();
  });

  test('a key is remembered under the prefix, for a day, and its replay needs no INSERT', async () => {
    const key = newKey();
    const first = await donate(gateway, key, donationBody(campaignId));
    const seen = `seen:${donation(first).id}`;
    await eventually('remembered', async () => expect(await redis.exists(seen)).toBe(1));
    expect(await redis.keys(`${PREFIX}:*`)).toContain(`${PREFIX}:${seen}`);
    const ttl = await redis.ttl(seen);
    expect(ttl).toBeGreaterThan(86_000);
    expect(ttl).toBeLessThanOrEqual(86_400);
    let again: Answer | undefined;
    const inserts = await insertsDuring(gateway, async () => {
      again = await donate(gateway, key, donationBody(campaignId));
    });
    expect(inserts).toBe(0);
    expect(again && essence(again)).toEqual(essence(first));
    expect(again?.headers['idempotent-replayed']).toBe('true');
  });

  test('a key that Redis only claims to have seen is stored all the same', async () => {
    const key = newKey();
    // What the id of this key will be: asked for, and then forgotten by the database.
    const { id } = donation(await donate(gateway, key, donationBody(campaignId)));
    await gateway.pools.donations.query('TRUNCATE donation_requests CASCADE');
    await redis.set(`seen:${id}`, '1');
    const first = await donate(gateway, key, donationBody(campaignId));
    expect(first.headers['idempotent-replayed']).toBeUndefined();
    expect(donation(first).id).toBe(id);
    expect(await rowsOf(gateway.pools.donations, key)).toBe(1);
  });

  test('a remembered key with another request is refused, and nothing of the first is told', async () => {
    const key = newKey();
    const { id } = donation(await donate(gateway, key, donationBody(campaignId)));
    await eventually('remembered', async () => expect(await redis.exists(`seen:${id}`)).toBe(1));
    const refused = await donate(gateway, key, donationBody(campaignId, { amount: 1 }));
    expect(refused.status).toBe(422);
    expect(refused.text).not.toContain(id);
  });

  const lies: readonly (readonly [name: string, write: (name: string, other: string) => Promise<unknown>])[] =
    [
      ['nothing', (name) => others.set(name, '')],
      ['no', (name) => others.set(name, '0')],
      [
        'another donation',
        (name, other) => others.set(name, JSON.stringify({ id: other, status: 'CAPTURED' })),
      ],
      ['a megabyte', (name) => others.set(name, Buffer.alloc(1 << 20))],
      ['a list', (name) => others.lpush(name, 'x')],
      ['a hash', (name) => others.hset(name, 'status', 'FAILED')],
    ];
  test.each(lies)('that holds %s under a key changes no answer', async (_name, write) => {
    const [key, other] = [newKey(), donation(await donate(gateway, newKey(), donationBody(campaignId)))];
    const first = await donate(gateway, key, donationBody(campaignId));
    const name = `seen:${donation(first).id}`;
    await eventually('remembered', async () => expect(await others.exists(name)).toBe(1));
    await others.del(name);
    await write(name, other.id);
    const again = await donate(gateway, key, donationBody(campaignId));
    expect(essence(again)).toEqual(essence(first));
    expect(again.headers['idempotent-replayed']).toBe('true');
    expect((await donate(gateway, key, donationBody(campaignId, { amount: 1 }))).status).toBe(422);
    expect(await rowsOf(gateway.pools.donations, key)).toBe(1);
  });
});

describe('with a Redis of its own', () => {
  let server: PrivateServer;
  let proxy: Proxy;
  let redis: Redis;
  let gateway: Gateway;
  let campaignId: string;
  beforeAll(async () => {
    server = await startPrivateRedis(createRunDirectory('api-redis'));
    proxy = await startProxy(targetOf(server.url, 6379));
    redis = connectRedis(through(server.url, proxy), PREFIX, silent);
    await ready(redis);
    gateway = await startGateway({ urls, redis });
    campaignId = await newCampaign(gateway);
  });
  afterAll(async () => {
    await gateway[Symbol.asyncDispose]();
    redis.disconnect();
    await proxy[Symbol.asyncDispose]();
    await server.stop();
  });

  test('everything flushed between a post and its replays, the answer is the same', async () => {
    const key = newKey();
    const first = await donate(gateway, key, donationBody(campaignId));
    await redis.flushall();
    const answers = await Promise.all(
      Array.from({ length: 30 }, () => donate(gateway, key, donationBody(campaignId))),
    );
    for (const answer of answers) {
      expect(essence(answer)).toEqual(essence(first));
      expect(answer.headers['idempotent-replayed']).toBe('true');
    }
    expect(await rowsOf(gateway.pools.donations, key)).toBe(1);
  });

  test('flushed again and again while a hundred posts of one key arrive, there is one row and one answer', async () => {
    const key = newKey();
    const flushing = Array.from({ length: 20 }, () => redis.flushall().catch(() => 'busy'));
    const posts = Array.from({ length: 100 }, () => donate(gateway, key, donationBody(campaignId)));
    const answers = await Promise.all(posts);
    await Promise.all(flushing);
    expect(new Set(answers.map((answer) => JSON.stringify(essence(answer)))).size).toBe(1);
    expect(await rowsOf(gateway.pools.donations, key)).toBe(1);
  });

  test.each([
    ['silent', () => Promise.resolve(proxy.blackHole())],
    ['losing its answers', () => Promise.resolve(proxy.loseAnswers())],
    ['cut off', () => proxy.cut()],
    ['killed', () => server.kill()],
  ])('while Redis is %s, posts and replays are answered as ever and without delay', async (name, fail) => {
    const key = newKey();
    const first = await donate(gateway, key, donationBody(campaignId));
    await fail();
    try {
      const startedAt = performance.now();
      const again = await donate(gateway, key, donationBody(campaignId));
      const other = await donate(gateway, newKey(), donationBody(campaignId));
      expect(performance.now() - startedAt).toBeLessThan(2_000);
      expect(essence(again)).toEqual(essence(first));
      expect(other.status).toBe(202);
      expect((await donate(gateway, key, donationBody(campaignId, { amount: 1 }))).status).toBe(422);
    } finally {
      if (name === 'killed') await server.restart();
      await proxy.heal();
    }
    // And it is used again, without a restart of ours.
    await ready(redis);
    await eventually('used again', async () => {
      const { id } = donation(await donate(gateway, newKey(), donationBody(campaignId)));
      expect(await redis.exists(`seen:${id}`)).toBe(1);
    });
  });
});

test('a password that Redis refuses stands in no log', async () => {
  const server = await startPrivateRedis(createRunDirectory('redis-password'));
  const admin = new Redis(server.url);
  await admin.config('SET', 'requirepass', 'the-one-that-counts');
  const lines: string[] = [];
  const log = pino({ serializers: { err: serializedError } }, { write: (line) => void lines.push(line) });
  const guess = `guess${randomBytes(8).toString('hex')}`;
  const redis = connectRedis(server.url.replace('//', `//:${guess}@`), PREFIX, log);
  try {
    await eventually('it is told', () => expect(lines.join('')).toContain('WRONGPASS'));
    expect(lines.join('')).not.toContain(guess);
  } finally {
    redis.disconnect();
    admin.disconnect();
    await server.stop();
  }
});
