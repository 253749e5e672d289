/** A donation that was accepted is never lost, and nobody misses hearing of it: whenever the process dies. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { FailpointName } from '../../platform/failpoint.ts';
import { eventually } from '../harness/eventually.ts';
import { startStack, type Stack } from '../harness/stack.ts';
import { expectBooksToBalance } from './books.ts';
import { createCampaign, give, type Given } from './giving.ts';
import { listen, writtenEvents, type Listener } from './listener.ts';

let stack: Stack;
let listener: Listener;
let campaignId: string;
const given: Given[] = [];
beforeAll(async () => {
  stack = await startStack({
    apis: 2,
    restartOnCrash: true,
    policy: { sweepAfterMs: 500, leaseMs: 2_000, retryInitialMs: 200 },
  });
  listener = await listen(stack);
  campaignId = await createCampaign(stack);
});
afterAll(async () => {
  await listener[Symbol.asyncDispose]();
  await stack.stop();
});

test.each<[moment: string, point: FailpointName]>([
  ['after a donation was stored and before it was answered or its workflow started', 'accept.stored'],
  ['after a donation was claimed and before its workflow started', 'start.claimed'],
  ['after the workflow started and before that was noted', 'start.started'],
  ['before the pledge and its event were committed', 'pledge.before-commit'],
  ['after the pledge and its event were committed and before that was published', 'pledge.committed'],
  ['after the outcome and its event were committed and before that was published', 'outcome.committed'],
  ['after an event was published and before that was noted', 'outbox.published'],
])('a process dies %s, and another donation comes', async (_moment, point) => {
  stack.failpoints.arm(point);
  given.push(await give(stack, { campaignId, amount: 1_000 + given.length }));
  await eventually(`a process died at ${point}`, () => expect(stack.failpoints.fired(point)).toBe(true), {
    withinMs: 40_000,
  });
});

test('every one of them is captured, each event was published, and each donor got one receipt', async () => {
  // The last death may be so fresh that its end was not reported yet.
  await eventually('seven processes have died', () => expect(stack.ended.length).toBeGreaterThanOrEqual(7));
  await expectBooksToBalance(stack, campaignId, given);
  const written = await writtenEvents(stack);
  expect(written.length).toBeGreaterThan(given.length * 4);
  await eventually('each event was heard', () => {
    expect(written.filter((id) => !listener.heard.has(id))).toEqual([]);
  });
  expect([...listener.heard.keys()].filter((id) => !written.includes(id))).toEqual([]);
  // Published twice at least once, which is why consumers must not count messages.
  expect(Math.max(...listener.heard.values())).toBeGreaterThan(1);
  const { rows } = await stack.pools.notifications.query<{ donation_id: string; amount: number }>(
    'SELECT donation_id, amount FROM receipts',
  );
  const receipts = rows.map(({ donation_id: id, amount }) => `${id} ${amount}`);
  expect(receipts.toSorted()).toEqual(given.map(({ id, amount }) => `${id} ${amount}`).toSorted());
});
