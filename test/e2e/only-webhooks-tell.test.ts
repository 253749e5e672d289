/** Either way of hearing from the provider is enough: its answers, or its webhooks. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startStack, type Stack } from '../harness/stack.ts';
import type { Fault } from '../../provider/simulator/dials.ts';
import { expectBooksToBalance, untilEnded } from './books.ts';
import { createCampaign, giveMany, type Given } from './giving.ts';

let stack: Stack;
beforeAll(async () => {
  stack = await startStack({
    policy: {
      quietAfterOperationMs: 100,
      retryInitialMs: 100,
      retryMaxMs: 500,
      redeliverAfterMs: 3_000,
    },
  });
});
afterAll(() => stack.stop());

test.each<[what: string, dial: Fault, declineEvery: number]>([
  ['the answer to every change is lost', 'loseWriteAnswers', 5],
  ['every answer is lost and only webhooks tell', 'loseAllAnswers', 0],
  ['no webhook comes and only answers tell', 'noWebhooks', 5],
  ['every second webhook is lost for good', 'webhookDrop', 5],
])(
  'while %s, ten donations come to their end and each is charged once',
  async (_what, dial, declineEvery) => {
    const before = await stack.simulator.fired();
    await stack.simulator.turn({ [dial]: dial === 'webhookDrop' ? 0.5 : 1 });
    const campaignId = await createCampaign(stack);
    let given: Given[];
    try {
      given = await giveMany(stack, campaignId, 10, declineEvery);
      await untilEnded(stack, given);
    } finally {
      await stack.simulator.reset();
    }
    expect((await stack.simulator.fired())[dial]).toBeGreaterThan(before[dial]);
    await expectBooksToBalance(stack, campaignId, given);
  },
);
