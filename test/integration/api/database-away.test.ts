/** PostgreSQL cut off, silent or refusing: 503 in time, the process lives, and everything works again without a restart. */
import { createHmac, randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createPool } from '../../../platform/postgres.ts';
import { eventually } from '../../harness/eventually.ts';
import { startProxy, targetOf, through, type Proxy } from '../../harness/proxy.ts';
import { ADMIN_URL, isolatedDatabases } from '../database/isolated-databases.ts';
import {
  donate,
  donation,
  donationBody,
  getDonation,
  newCampaign,
  newKey,
  rowsOf,
  startGateway,
  WEBHOOK_SECRET,
  type DonationAnswer,
  type Gateway,
} from './gateway.ts';
import { problem, type Answer } from './http-client.ts';

const { prefix, urls } = isolatedDatabases(['donations', 'payments', 'campaigns']);
/** Another process, whose links are not cut. */
let healthy: Gateway;
let proxy: Proxy;
let gateway: Gateway;
let campaignId: string;
let made: DonationAnswer;

const STATEMENT_LIMIT_MS = 300;
/** The client's own limit comes 2 s after the server's, and a new connection may take 5 s; a read comes before a write. */
const ANSWER_LIMIT_MS = 2 * (STATEMENT_LIMIT_MS + 2_000) + 5_000;

beforeAll(async () => {
  healthy = await startGateway({ urls });
  campaignId = await newCampaign(healthy);
  made = donation(await donate(healthy, newKey(), donationBody(campaignId)));
});
afterAll(async () => {
  await healthy[Symbol.asyncDispose]();
});
beforeEach(async () => {
  proxy = await startProxy(targetOf(urls.donations, 5432));
  gateway = await startGateway({
    urls: {
      donations: through(urls.donations, proxy),
      payments: through(urls.payments, proxy),
      campaigns: through(urls.campaigns, proxy),
    },
    statementTimeoutMs: STATEMENT_LIMIT_MS,
  });
  // Connections are open and idle when trouble starts.
  await Promise.all(calls(newKey()).map(({ send }) => send()));
});
afterEach(async () => {
  await proxy[Symbol.asyncDispose]();
  await gateway[Symbol.asyncDispose]();
});

type NamedCall = { readonly name: string; readonly send: () => Promise<Answer> };

function webhook(): Promise<Answer> {
  const body = JSON.stringify({
    object: 'event',
    id: `evt_${randomUUID()}`,
    type: 'payment_intent.succeeded',
    created: 1,
    livemode: false,
    data: { object: { object: 'payment_intent', id: 'pi_1' } },
  });
  const at = Math.floor(Date.now() / 1_000);
  const signature = createHmac('sha256', WEBHOOK_SECRET).update(`${at}.${body}`).digest('hex');
  return gateway.send({
    method: 'POST',
    path: '/webhooks/stripe',
    headers: [['Stripe-Signature', `t=${at},v1=${signature}`]],
    body,
  });
}

function calls(key: string): readonly NamedCall[] {
  return [
    { name: 'a donation', send: () => donate(gateway, key, donationBody(campaignId)) },
    { name: 'a donation read', send: () => getDonation(gateway, made.id, made.donorToken) },
    { name: 'a webhook', send: webhook },
    { name: 'campaigns', send: () => gateway.send({ path: '/campaigns' }) },
    { name: 'a campaign', send: () => gateway.send({ path: `/campaigns/${campaignId}` }) },
    { name: 'a total', send: () => gateway.send({ path: `/campaigns/${campaignId}/total` }) },
    { name: 'readiness', send: () => gateway.send({ path: '/readyz' }) },
  ];
}

async function expectUnavailable(key: string): Promise<void> {
  const startedAt = performance.now();
  await Promise.all(
    calls(key).map(async ({ name, send }) => {
      const answer = await send();
      expect([name, answer.status, problem(answer).code]).toEqual([name, 503, 'database_unavailable']);
      expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0);
      // What failed inside is for the log.
      expect(answer.text).not.toMatch(/ECONN|postgres|terminated|timeout/i);
    }),
  );
  expect(performance.now() - startedAt).toBeLessThan(ANSWER_LIMIT_MS);
  expect((await gateway.send({ path: '/livez' })).status).toBe(200);
}

async function expectRecovery(key: string): Promise<void> {
  await eventually('it works again', async () => {
    for (const { name, send } of calls(key))
      expect([name, (await send()).status < 300]).toEqual([name, true]);
  });
  expect(await rowsOf(healthy.pools.donations, key)).toBe(1);
}

test('cut off: 503 with Retry-After on writes and reads; the same key works afterwards, once', async () => {
  const key = newKey();
  await proxy.cut();
  await expectUnavailable(key);
  await expectUnavailable(key);
  expect(await rowsOf(healthy.pools.donations, key)).toBe(0);
  await proxy.heal();
  await expectRecovery(key);
});

test('silent: every call is answered with 503 within its limit, and the same key works afterwards, once', async () => {
  const key = newKey();
  proxy.blackHole();
  await expectUnavailable(key);
  await proxy.heal();
  await expectRecovery(key);
});

test('answers lost after the commit: 503, and the retry finds the one donation', async () => {
  const key = newKey();
  proxy.loseAnswers();
  const lost = await donate(gateway, key, donationBody(campaignId));
  expect(lost.status).toBe(503);
  await proxy.heal();
  await expectRecovery(key);
  const own = await donate(healthy, key, donationBody(campaignId));
  expect(own.headers['idempotent-replayed']).toBe('true');
});

test('connections reset while requests are under way: each gets 202 or 503, and what got 202 is stored', async () => {
  const keys = Array.from({ length: 200 }, newKey);
  const posts = keys.map(async (key, index) => {
    const answer = await donate(gateway, key, donationBody(campaignId));
    if (index % 20 === 0) proxy.resetConnections();
    return { key, status: answer.status };
  });
  const answers = await Promise.all(posts);
  expect(new Set(answers.map(({ status }) => status)).isSubsetOf(new Set([202, 503]))).toBe(true);
  for (const { key, status } of answers) {
    if (status === 202) expect(await rowsOf(healthy.pools.donations, key)).toBe(1);
  }
  // Whatever got 503 is a retry away.
  const retried = await eventually('all are accepted', async () => {
    const again = await Promise.all(keys.map((key) => donate(gateway, key, donationBody(campaignId))));
    expect(again.every(({ status }) => status === 202)).toBe(true);
    return again;
  });
  expect(new Set(retried.map((answer) => donation(answer).id)).size).toBe(keys.length);
});

test.each(['cut off', 'silent'])(
  'the payments’ database alone, %s: a donation is taken and read, without what its donor would need to act',
  async (how) => {
    await using one = await startGateway({
      urls: { ...urls, payments: through(urls.payments, proxy) },
      statementTimeoutMs: STATEMENT_LIMIT_MS,
      provider: { retrieveClientSecret: () => Promise.resolve({ kind: 'yes', clientSecret: 'never asked' }) },
    });
    expect((await getDonation(one, made.id, made.donorToken)).status).toBe(200);
    if (how === 'silent') proxy.blackHole();
    else await proxy.cut();
    const given = donation(await donate(one, newKey(), donationBody(campaignId)));
    const read = await getDonation(one, given.id, given.donorToken);
    expect([read.status, read.text.includes('clientSecret')]).toEqual([200, false]);
  },
);

describe('a server that refuses', () => {
  test('connections: 503, and later it works', async () => {
    const { donations } = gateway.pools;
    const admin = createPool({ url: ADMIN_URL, max: 1, name: 'test-admin' });
    await admin.query(`ALTER ROLE "${prefix}_donations" CONNECTION LIMIT 0`);
    try {
      proxy.resetConnections();
      await eventually('no connection is left', () => expect(donations.idleCount).toBe(0));
      const answer = await donate(gateway, newKey(), donationBody(campaignId));
      expect([answer.status, problem(answer).code]).toEqual([503, 'database_unavailable']);
    } finally {
      await admin.query(`ALTER ROLE "${prefix}_donations" CONNECTION LIMIT -1`);
      await admin.end();
    }
    await expectRecovery(newKey());
  });

  test('a statement that takes longer than its limit: 503, and the next one works', async () => {
    const blocker = await healthy.pools.donations.connect();
    const key = newKey();
    try {
      await blocker.query('BEGIN');
      await blocker.query('LOCK TABLE donation_requests');
      const answer = await donate(gateway, key, donationBody(campaignId));
      expect([answer.status, problem(answer).code]).toEqual([503, 'database_unavailable']);
    } finally {
      await blocker.query('ROLLBACK');
      blocker.release();
    }
    await expectRecovery(key);
  });
});

test('silent while more arrives than can be tried in time: everybody is told soon, and the process lives', async () => {
  const keys = Array.from({ length: 1_200 }, newKey);
  proxy.blackHole();
  const startedAt = performance.now();
  const answers = await Promise.all(keys.map((key) => donate(gateway, key, donationBody(campaignId))));
  expect(performance.now() - startedAt).toBeLessThan(1.5 * ANSWER_LIMIT_MS);
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([503]));
  expect(answers.every(({ headers }) => Number(headers['retry-after']) > 0)).toBe(true);
  await proxy.heal();
  await expectRecovery(keys.at(-1) ?? '');
});
