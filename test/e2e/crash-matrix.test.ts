/** kill -9 at every place where it could hurt: each donation is captured, charged once, counted once, told once. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { FailpointName } from '../../platform/failpoint.ts';
import type { Fault, Operation } from '../../provider/simulator/dials.ts';
import type { EffectType } from '../../provider/simulator/records.ts';
import { eventually } from '../harness/eventually.ts';
import type { Role } from '../harness/stack-processes.ts';
import { startStack, type Stack } from '../harness/stack.ts';
import { expectBooksToBalance } from './books.ts';
import { createCampaign, DECLINED_CARD, give, type Given } from './giving.ts';

/**
 * Every failpoint there is, and who may be the first to reach it. The workers' first: what was in their hands waits for
 * ten seconds, in which the others get their turn.
 */
const REACHED_BY = {
  'pledge.before-commit': ['workers'],
  'pledge.committed': ['workers'],
  'provider.before-call': ['workers'],
  'provider.answer-read': ['workers'],
  'payment.recorded': ['workers'],
  'totals.before-commit': ['workers'],
  'totals.committed': ['workers'],
  'event.applied': ['workers'],
  'outcome.committed': ['workers'],
  'outbox.published': ['workers', 'background'],
  'accept.stored': ['api'],
  'start.claimed': ['api', 'background'],
  'start.started': ['api', 'background'],
  'webhook.stored': ['api'],
  'webhook.claimed': ['api', 'background'],
  'webhook.delivered': ['api', 'background'],
} as const satisfies Record<DonationPoint, readonly Role[]>;
/** A donation never reaches the others; test/e2e/reconciliation.test.ts does. */
type DonationPoint = Exclude<FailpointName, 'reconciliation.page'>;
const POINTS = Object.keys(REACHED_BY) as DonationPoint[];

/** Takes over soon what a dead process had claimed, and gives events to workflows that are busy. */
const IMPATIENT = {
  quietAfterOperationMs: 0,
  sweepAfterMs: 500,
  leaseMs: 2_000,
  redeliverAfterMs: 3_000,
  retryInitialMs: 200,
  // A call that hangs is still a local one when its worker is killed.
  localProviderCallTimeoutMs: 8_000,
};
const TOLD_BY_EVENTS: ReadonlySet<FailpointName> = new Set(['webhook.delivered', 'event.applied']);
/** A worker that died holds its workflow tasks for ten seconds, and may have been followed by others. */
const ENDED_WITHIN_MS = 90_000;

describe('where every process is started again when it dies', () => {
  let stack: Stack;
  beforeAll(async () => {
    stack = await startStack({ restartOnCrash: true, policy: IMPATIENT, seed: 3 });
  });
  afterAll(() => stack.stop());

  describe('at each failpoint', () => {
    const given: Given[] = [];
    let campaignId: string;
    beforeAll(async () => {
      campaignId = await createCampaign(stack);
      await untilTold(stack);
      // Events come before the provider's answer, so that they have something to tell.
      await stack.simulator.turn({ webhookEarly: 1 });
    });

    test.each(POINTS)('the process that reaches %s is killed there', async (point) => {
      const deaths = stack.ended.length;
      // Here the answer never comes, so that it is the event that tells: nothing else reaches these points for certain.
      if (TOLD_BY_EVENTS.has(point))
        await stack.simulator.arm({ operation: 'confirm', fault: 'timeoutAfter' });
      stack.failpoints.arm(point);
      given.push(await give(stack, { campaignId, amount: 1_000 + given.length }));
      await untilFired(stack, point);
      await eventually('its death is noticed', () => expect(stack.ended.length).toBeGreaterThan(deaths));
      const died = stack.ended.slice(deaths).map(({ role }) => role);
      const roles: readonly Role[] = REACHED_BY[point];
      expect(roles, died.join()).toContain(died[0]);
      expect(died).toHaveLength(1);
    });

    test('all of them come back, and every donation given meanwhile is captured, charged once and counted once', async () => {
      await stack.simulator.reset();
      expect(given).toHaveLength(POINTS.length);
      expect(stack.ended.filter(({ how }) => !how.includes('SIGKILL'))).toEqual([]);
      await untilAllRun(stack);
      await expectBooksToBalance(stack, campaignId, given, ENDED_WITHIN_MS);
    });
  });

  test('a worker that dies after the provider acted and before it read the answer charges nobody twice', async () => {
    const campaignId = await createCampaign(stack);
    // Nothing but asking can tell what happened.
    await stack.simulator.turn({ noWebhooks: 1 });
    const before = await stack.simulator.fired();
    const given: Given[] = [];
    const hang = async (operation: Operation, effect: EffectType): Promise<void> => {
      await stack.simulator.arm({ operation, fault: 'timeoutAfter' satisfies Fault });
      const gift = await give(stack, { campaignId, amount: 2_000 + given.length });
      given.push(gift);
      await eventually(`the provider has ${effect} it`, async () => {
        const effects = (await stack.simulator.ledger()).filter(({ donationId }) => donationId === gift.id);
        expect(effects.map(({ type }) => type)).toContain(effect);
      });
    };
    await hang('create', 'created');
    await hang('confirm', 'authorized');
    await hang('capture', 'captured');
    expect(await unanswered(given)).toEqual(['capture', 'confirm', 'create']);
    await stack.kill9('workers');

    await expectBooksToBalance(stack, campaignId, given, ENDED_WITHIN_MS);
    expect((await stack.simulator.fired()).timeoutAfter).toBe(before.timeoutAfter + 3);
    await stack.simulator.reset();
  });

  test('sixty donations, declines among them, survive six kills at random', async () => {
    const campaignId = await createCampaign(stack);
    await stack.simulator.turn({ webhookDuplicate: 0.2, webhookReorder: 0.2, resetAfter: 0.05 });
    const random = seeded(20_261_122);
    const victims = [
      ['workers', 0],
      ['api', 0],
      ['background', 0],
      ['workers', 0],
      ['api', 1],
      ['background', 0],
    ] as const;
    const deaths = stack.ended.length;
    const gifts: Promise<Given>[] = [];
    for (const [role, index] of shuffled(victims, random)) {
      await eventually(`${role} ${index} runs`, () => expect(stack.isRunning(role, index)).toBe(true), {
        withinMs: 30_000,
      });
      const wave = Array.from({ length: 10 }, (_, nth) => {
        const declined = random() < 0.15;
        const amount = 3_000 + gifts.length + nth;
        return give(stack, { campaignId, amount, ...(declined ? { paymentMethod: DECLINED_CARD } : {}) });
      });
      gifts.push(...wave);
      // Somewhere in the middle of them.
      await wave[Math.floor(random() * wave.length)];
      await stack.kill9(role, index);
    }
    const given = await Promise.all(gifts);
    await stack.simulator.reset();
    await expectBooksToBalance(stack, campaignId, given, ENDED_WITHIN_MS);
    expect(stack.ended.length - deaths).toBe(6);
  });

  /** Operations that were begun and whose answer was not recorded. */
  async function unanswered(given: readonly Given[]): Promise<string[]> {
    const { rows } = await stack.pools.payments.query<{ operation: string }>(
      'SELECT operation FROM payment_operations WHERE payment_id = ANY($1::uuid[]) AND answered_at IS NULL ORDER BY operation',
      [given.map(({ id }) => id)],
    );
    return rows.map(({ operation }) => operation);
  }
});

describe('where the background process has to take over, because the one that died stays down', () => {
  let stack: Stack;
  beforeAll(async () => {
    stack = await startStack({ apis: 1, policy: IMPATIENT });
  });
  afterAll(() => stack.stop());

  test.each<[point: FailpointName, first: FailpointName, dead: 'api' | 'workers']>([
    ['start.claimed', 'accept.stored', 'api'],
    ['start.started', 'start.claimed', 'api'],
    ['webhook.claimed', 'webhook.stored', 'api'],
    ['webhook.delivered', 'webhook.claimed', 'api'],
    ['outbox.published', 'outbox.published', 'workers'],
  ])(
    'it is killed at %s itself, after a death at %s of the %s, and nothing is lost',
    async (point, first, dead) => {
      const campaignId = await createCampaign(stack);
      await untilTold(stack);
      // Webhooks only where they are what it is about, and there the answers are lost, so that they have something to tell.
      await stack.simulator.turn(point.startsWith('webhook') ? { loseAllAnswers: 1 } : { noWebhooks: 1 });
      stack.failpoints.arm(first);
      const giving = give(stack, { campaignId, amount: 5_000 });
      giving.catch(() => undefined);
      await untilFired(stack, first);
      await eventually(`${dead} is down`, () => expect(stack.isRunning(dead)).toBe(false));

      stack.failpoints.arm(point);
      await untilFired(stack, point);
      await eventually('so is the background', () => expect(stack.isRunning('background')).toBe(false));

      await stack.simulator.reset();
      await Promise.all([stack.restart('background'), stack.restart(dead)]);
      await expectBooksToBalance(stack, campaignId, [await giving], ENDED_WITHIN_MS);
    },
  );

  test('an API is killed after it published the news of a campaign, which is then told again', async () => {
    const deaths = stack.ended.length;
    stack.failpoints.arm('outbox.published');
    await createCampaign(stack).catch(() => undefined);
    await untilFired(stack, 'outbox.published');
    await eventually('the API is down', () => expect(stack.isRunning('api')).toBe(false));
    expect(stack.ended.slice(deaths).map(({ role }) => role)).toEqual(['api']);
    // Again, and by the background: nobody else is there.
    await untilTold(stack);
    await stack.restart('api');
    const campaignId = await createCampaign(stack);
    await expectBooksToBalance(stack, campaignId, [await give(stack, { campaignId, amount: 100 })]);
  });
});

async function untilFired(stack: Stack, point: FailpointName): Promise<void> {
  await eventually(`a process died at ${point}`, () => expect(stack.failpoints.fired(point)).toBe(true), {
    withinMs: 45_000,
  });
}

/** No news of a campaign waits to be published. */
async function untilTold(stack: Stack): Promise<void> {
  await eventually('the news of campaigns are published', async () => {
    const { rows } = await stack.pools.campaigns.query('SELECT FROM outbox_events WHERE NOT processed');
    expect(rows).toHaveLength(0);
  });
}

async function untilAllRun(stack: Stack): Promise<void> {
  await eventually(
    'every process runs again',
    () => {
      const down = (['api', 'workers', 'background'] as const).filter((role) => !stack.isRunning(role));
      expect(down).toEqual([]);
      expect(stack.isRunning('api', 1)).toBe(true);
    },
    { withinMs: 30_000 },
  );
}

function shuffled<T>(items: readonly T[], random: () => number): T[] {
  return items
    .map((item) => ({ item, at: random() }))
    .toSorted((a, b) => a.at - b.at)
    .map(({ item }) => item);
}

/** The same run every time, as far as processes allow it. */
function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 4_294_967_296;
  };
}
