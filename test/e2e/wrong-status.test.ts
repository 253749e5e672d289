/** Whatever order and number the provider's webhooks come in, a payment only moves forward. */
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { RANK, type PaymentStatus } from '../../domain/payment.ts';
import { eventually } from '../harness/eventually.ts';
import { startStack, type Stack } from '../harness/stack.ts';
import { expectBooksToBalance } from './books.ts';
import { createCampaign, give, giveMany, readDonation, type Given } from './giving.ts';

let stack: Stack;
beforeAll(async () => {
  // Every event that may prove something goes to its workflow at once, in the middle of what that is doing.
  stack = await startStack({ policy: { quietAfterOperationMs: 0, retryInitialMs: 200 }, seed: 7 });
});
afterAll(() => stack.stop());
beforeEach(() => stack.simulator.reset());

test('forty donations whose webhooks come early, late, twice and in any order end as they should, step by step', async () => {
  await stack.simulator.turn({
    webhookReorder: 0.5,
    webhookDuplicate: 0.5,
    webhookEarly: 0.4,
    webhookDelayMs: { min: 0, max: 800 },
  });
  const before = await stack.simulator.fired();
  const campaignId = await createCampaign(stack);
  const given = await giveMany(stack, campaignId, 40, 4);
  const observed = await observeUntilEnded(given);
  await expectBooksToBalance(stack, campaignId, given);

  for (const statuses of observed.values()) expectForward(statuses);
  await expectForwardTransitions(given);
  const fired = await stack.simulator.fired();
  for (const fault of ['webhookReorder', 'webhookDuplicate', 'webhookEarly', 'webhookDelay'] as const)
    expect(fired[fault], fault).toBeGreaterThan(before[fault]);
});

test('a payment whose capture is told before its authorization, with our own answer lost, is captured once', async () => {
  const campaignId = await createCampaign(stack);
  await stack.simulator.arm(
    // Every event of the confirmation.
    { operation: 'confirm', fault: 'webhookDelay', delayMs: 2_500, times: 2 },
    { operation: 'capture', fault: 'loseWriteAnswers' },
  );
  const given = [await give(stack, { campaignId, amount: 4_200 })];
  await eventually('both events are stored', async () => {
    expect(await eventTypes(given)).toHaveLength(2);
  });
  expect(await eventTypes(given)).toEqual([
    'payment_intent.succeeded',
    'payment_intent.amount_capturable_updated',
  ]);
  await expectBooksToBalance(stack, campaignId, given);
  await expectForwardTransitions(given);
});

test('a decline that is told late and twice changes nothing any more, and nobody is charged', async () => {
  const campaignId = await createCampaign(stack);
  await stack.simulator.turn({ webhookDuplicate: 1, webhookDelayMs: { min: 500, max: 1_500 } });
  const given = await giveMany(stack, campaignId, 5, 1);
  await expectBooksToBalance(stack, campaignId, given);
  await expectForwardTransitions(given);
});

/** Looks as the donors do, all the time, until each sees an end. */
async function observeUntilEnded(given: readonly Given[]): Promise<Map<string, string[]>> {
  const observed = new Map(given.map(({ id }) => [id, [] as string[]]));
  await eventually(
    'every donor has seen the end',
    async () => {
      for (const [index, gift] of given.entries()) {
        const apiUrl = stack.apiUrls[index % stack.apiUrls.length] ?? stack.apiUrl;
        observed.get(gift.id)?.push((await readDonation(apiUrl, gift)).status);
      }
      const open = [...observed.values()].filter((statuses) => rankOf(statuses.at(-1)) < RANK.FAILED);
      if (open.length > 0) throw new Error(`${open.length} see none`);
    },
    { withinMs: 60_000 },
  );
  return observed;
}

function rankOf(status: string | undefined): number {
  return RANK[(status ?? 'INITIATED') as PaymentStatus];
}

function expectForward(statuses: readonly string[]): void {
  const ranks = statuses.map(rankOf);
  expect(ranks, statuses.join(' → ')).toEqual(ranks.toSorted((a, b) => a - b));
}

/** Version by version, each from where the one before it ended, never to a lower rank. */
async function expectForwardTransitions(given: readonly Given[]): Promise<void> {
  const { rows } = await stack.pools.payments.query<{
    payment_id: string;
    version: number;
    from_state: string;
    to_state: string;
  }>(
    'SELECT payment_id, version, from_state, to_state FROM payment_transitions WHERE payment_id = ANY($1::uuid[]) ORDER BY payment_id, version',
    [given.map(({ id }) => id)],
  );
  const byPayment = Map.groupBy(rows, ({ payment_id: id }) => id);
  expect(byPayment.size).toBe(given.length);
  for (const transitions of byPayment.values()) {
    expect(transitions.map(({ version }) => version)).toEqual(transitions.map((_, index) => index + 1));
    expectForward(['INITIATED', ...transitions.map(({ to_state: to }) => to)]);
    expect(transitions.map(({ from_state: from }) => from)).toEqual([
      'INITIATED',
      ...transitions.slice(0, -1).map(({ to_state: to }) => to),
    ]);
  }
}

/** What was told of the card, in the order of its coming. */
async function eventTypes(given: readonly Given[]): Promise<string[]> {
  const { rows } = await stack.pools.payments.query<{ type: string }>(
    `SELECT type FROM webhook_events WHERE donation_id = ANY($1::uuid[])
       AND type IN ('payment_intent.succeeded', 'payment_intent.amount_capturable_updated') ORDER BY received_at`,
    [given.map(({ id }) => id)],
  );
  return rows.map(({ type }) => type);
}
