/** Services in processes of their own, each reaching nothing but its own database, do what one process does. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startStack, type Stack } from '../harness/stack.ts';
import { expectBooksToBalance } from './books.ts';
import { createCampaign, giveMany } from './giving.ts';

let stack: Stack;
beforeAll(async () => {
  stack = await startStack({
    apis: 1,
    apart: true,
    restartOnCrash: true,
    policy: { retryInitialMs: 200, sweepAfterMs: 500, leaseMs: 2_000 },
  });
});
afterAll(() => stack.stop());

test('ten donations through three separate workers, declines among them, end as they should', async () => {
  const campaignId = await createCampaign(stack);
  await expectBooksToBalance(stack, campaignId, await giveMany(stack, campaignId, 10, 4));
});

test('while one service after the other is killed, ten donations end as they should', async () => {
  const campaignId = await createCampaign(stack);
  const given = await giveMany(stack, campaignId, 10, 4);
  await stack.kill9('payments-worker');
  await stack.kill9('campaigns-worker');
  await expectBooksToBalance(stack, campaignId, given);
  expect(stack.ended.map(({ role }) => role)).toEqual(['payments-worker', 'campaigns-worker']);
});
