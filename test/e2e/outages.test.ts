/**
 * Each thing that may be down, cut off and silent, while donations and webhooks arrive: all are taken, reads go on, and
 * when it is back everything drains by itself, each donation charged once. Without PostgreSQL: 503, and nothing lost.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { eventually } from '../harness/eventually.ts';
import type { LinkName } from '../harness/stack-links.ts';
import { startStack, type Stack } from '../harness/stack.ts';
import { expectChargedOnce, expectCleanAudit, untilAtRest, untilEnded } from './books.ts';
import { createCampaign, give, giveMany, readTotals, type Given } from './giving.ts';
import { sendTraffic, type Answered, type Traffic } from './traffic.ts';

/** Of every answer while anything but PostgreSQL is down; docs/architecture promises it. */
const ANSWER_LIMIT_MS = 3_000;
/** Of the 503 while PostgreSQL is silent; promised there, too. */
const UNAVAILABLE_LIMIT_MS = 10_000;
const OUTAGE_MS = 3_000;
/** Longer than its limits: shorter ones are waited out. */
const DATABASE_OUTAGE_MS = 7_000;
/** A workflow task that was under way when Temporal went is given out again after 10 s. */
const DRAIN_LIMIT_MS = 60_000;

/** About two seconds, on a machine with nothing else to do. */
const START_LIMIT_MS = 10_000;

const POLICY = {
  quietAfterOperationMs: 100,
  providerCallTimeoutMs: 2_000,
  retryInitialMs: 200,
  retryMaxMs: 1_000,
  sweepAfterMs: 1_000,
  leaseMs: 5_000,
} as const;

type How = 'cut off' | 'silent';
const HOWS: readonly How[] = ['cut off', 'silent'];

function table(outages: readonly (readonly [string, readonly LinkName[]])[]) {
  return outages.flatMap(([what, links]) => HOWS.map((how) => ({ what, how, links })));
}

let stack: Stack;
const given: Given[] = [];
const events: string[] = [];
function startsWith(links: readonly LinkName[]): void {
  beforeAll(async () => {
    given.length = 0;
    events.length = 0;
    stack = await startStack({ links, policy: POLICY });
  });
  // A cell that failed must not take the next ones with it.
  afterEach(() => Promise.all(links.map((link) => stack.links.get(link).heal())));
  afterAll(() => stack.stop());
}

/** Donations that were under way when the links broke, and those that came meanwhile. */
async function outage(
  campaignId: string,
  how: How,
  links: readonly LinkName[],
  durationMs = OUTAGE_MS,
): Promise<Traffic & { readonly before: readonly Given[] }> {
  const before = await giveMany(stack, campaignId, 4);
  const [known] = before;
  if (known === undefined) throw new Error('nothing was given');
  const proxies = links.map((link) => stack.links.get(link));
  for (const proxy of proxies) {
    if (how === 'silent') proxy.blackHole();
    else await proxy.cut();
  }
  const traffic = sendTraffic(stack, campaignId, known, pause(durationMs));
  await pause(durationMs);
  await Promise.all(proxies.map((proxy) => proxy.heal()));
  const { accepted, ...rest } = await traffic;
  given.push(...before, ...accepted);
  events.push(...rest.events);
  return { ...rest, before, accepted };
}

async function untilCounted(campaignId: string, gifts: readonly Given[]): Promise<void> {
  await untilEnded(stack, gifts, DRAIN_LIMIT_MS);
  const sum = gifts.reduce((total, { amount }) => total + amount, 0);
  expect(await readTotals(stack.apiUrl, campaignId)).toMatchObject({
    raised: sum,
    totalPledged: sum,
    donationCount: gifts.length,
  });
}

async function expectAllInOrder(): Promise<void> {
  await untilAtRest(stack, DRAIN_LIMIT_MS);
  const { rows } = await stack.pools.payments.query<{ id: string }>(
    'SELECT event_id AS id FROM webhook_events WHERE event_id = ANY($1::text[]) AND processed_at IS NOT NULL',
    [events],
  );
  expect(rows.map(({ id }) => id).toSorted()).toEqual(events.toSorted());
  expect(stack.ended).toEqual([]);
  await expectChargedOnce(stack, given);
  await expectCleanAudit(stack);
}

async function breakerOf(api: string): Promise<unknown> {
  const answer = await fetch(`${api}/livez?verbose`);
  return ((await answer.json()) as { breakers: Record<string, string> }).breakers['temporal'];
}

async function requestsOf(gifts: readonly Given[]): Promise<{ attempts: number; started: boolean }[]> {
  const { rows } = await stack.pools.donations.query<{ attempts: number; started: boolean }>(
    'SELECT attempts, started_at IS NOT NULL AS started FROM donation_requests WHERE id = ANY($1::uuid[])',
    [gifts.map(({ id }) => id)],
  );
  return rows;
}

function slowest(answers: readonly Answered[]): number {
  return Math.max(...answers.map(({ ms }) => ms));
}

describe('with PostgreSQL there', () => {
  const LINKS = ['redis', 'rabbitmq', 'temporal', 'provider'] as const;
  startsWith(LINKS);

  test.each(
    table([
      ['Redis', ['redis']],
      ['RabbitMQ', ['rabbitmq']],
      ['Temporal', ['temporal']],
      ['the provider', ['provider']],
      ['all four', LINKS],
    ]),
  )(
    '$what $how: every donation, webhook and read is answered, and all of it drains',
    async ({ how, links }) => {
      const campaignId = await createCampaign(stack);
      const { before, accepted, answers } = await outage(campaignId, how, links);
      const expected = { donation: 202, replay: 202, webhook: 200, read: 200, liveness: 200 } as const;
      expect(answers.filter(({ what, status }) => status !== expected[what])).toEqual([]);
      expect(slowest(answers)).toBeLessThan(ANSWER_LIMIT_MS);
      expect(accepted.length).toBeGreaterThan(5);
      await untilCounted(campaignId, [...before, ...accepted]);
    },
  );

  test('a Temporal that is away costs no attempts, and soon after it is back what waits is started', async () => {
    const campaignId = await createCampaign(stack);
    const temporal = stack.links.get('temporal');
    await temporal.cut();
    const first = await giveMany(stack, campaignId, 16);
    for (const api of stack.apiUrls)
      await eventually('nobody asks it', async () => expect(await breakerOf(api)).not.toBe('closed'));
    const meanwhile = await giveMany(stack, campaignId, 16);
    const gifts = [...first, ...meanwhile];
    given.push(...gifts);
    await eventually('all wait, but for one that each of the three processes may be trying', async () => {
      const waiting = await requestsOf(gifts);
      expect(waiting.filter(({ started }) => started)).toEqual([]);
      expect(waiting.filter(({ attempts }) => attempts > 0).length).toBeLessThanOrEqual(3);
    });
    await temporal.heal();
    await eventually(
      'all are started',
      async () => expect((await requestsOf(gifts)).filter(({ started }) => !started)).toEqual([]),
      { withinMs: START_LIMIT_MS },
    );
    await untilCounted(campaignId, gifts);
  });

  test('in the end each donation is charged once, every webhook is applied, and the books balance', async () => {
    await expectAllInOrder();
  });
});

describe('without PostgreSQL', () => {
  startsWith(['postgres']);

  test.each(HOWS)(
    '%s: 503 with Retry-After in time, and what was accepted completes afterwards',
    async (how) => {
      const campaignId = await createCampaign(stack);
      const { before, accepted, refused, answers } = await outage(
        campaignId,
        how,
        ['postgres'],
        DATABASE_OUTAGE_MS,
      );
      expect(answers.filter(({ what, status }) => what === 'liveness' && status !== 200)).toEqual([]);
      const refusals = answers.filter(({ status }) => status >= 300 || status === 0);
      expect(refusals.filter(({ status, retryAfter }) => status !== 503 || retryAfter === null)).toEqual([]);
      expect(refusals.length).toBeGreaterThan(5);
      expect(slowest(answers)).toBeLessThan(UNAVAILABLE_LIMIT_MS);
      // The same keys work now, whether or not the first try left something behind.
      await eventually('PostgreSQL is used again', () => readTotals(stack.apiUrl, campaignId));
      const retried = await Promise.all(refused.map((gift) => give(stack, { ...gift, campaignId })));
      given.push(...retried);
      await untilCounted(campaignId, [...before, ...accepted, ...retried]);
    },
  );

  test('in the end each donation is charged once, every webhook is applied, and the books balance', async () => {
    await expectAllInOrder();
  });
});
