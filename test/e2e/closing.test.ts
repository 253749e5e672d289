/** A campaign that ends while donations to it are in flight: what was accepted is carried through, and counted. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually } from '../harness/eventually.ts';
import { startStack, type Stack } from '../harness/stack.ts';
import { expectBooksToBalance } from './books.ts';
import { giveMany, post, type Given } from './giving.ts';

let stack: Stack;
beforeAll(async () => {
  stack = await startStack({
    policy: { quietAfterOperationMs: 100, retryInitialMs: 200, retryMaxMs: 1_000, sweepAfterMs: 500 },
  });
});
afterAll(() => stack.stop());

async function operate(path: string, body: unknown = {}): Promise<{ id: string; status: string }> {
  const answer = await fetch(`${stack.apiUrl}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${stack.operatorToken}` },
    body: JSON.stringify(body),
  });
  if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
  return (await answer.json()) as { id: string; status: string };
}

/** Accepted, and held before their capture. */
async function giveAndHold(campaignId: string): Promise<Given[]> {
  await stack.simulator.turn({ error503: 1 });
  const given = await giveMany(stack, campaignId, 6);
  await eventually('each is under way', async () => {
    const { rows } = await stack.pools.payments.query<{ count: number }>(
      'SELECT count(*)::int AS count FROM payments WHERE donation_id = ANY($1::uuid[])',
      [given.map(({ id }) => id)],
    );
    expect(rows).toEqual([{ count: given.length }]);
  });
  return given;
}

async function expectRefusal(campaignId: string): Promise<void> {
  await eventually('a new donation is refused', async () => {
    const answer = await post(stack.apiUrl, { campaignId, amount: 5_000, key: randomUUID() });
    expect([answer.status, (answer.body as unknown as { code: string }).code]).toEqual([
      422,
      'campaign_closed',
    ]);
  });
}

async function expectNothingCaptured(given: readonly Given[]): Promise<void> {
  const { rows } = await stack.pools.donations.query<{ count: number }>(
    `SELECT count(*)::int AS count FROM pledges WHERE id = ANY($1::uuid[]) AND status = 'CAPTURED'`,
    [given.map(({ id }) => id)],
  );
  expect(rows).toEqual([{ count: 0 }]);
}

test('closed between the acceptance and the capture, it keeps what was accepted, and the books balance', async () => {
  const { id } = await operate('/campaigns', { title: 'Closing', currency: 'USD' });
  const given = await giveAndHold(id);
  expect(await operate(`/campaigns/${id}/close`)).toMatchObject({ status: 'closed' });
  await eventually('donations knows', async () => {
    const { rows } = await stack.pools.donations.query(
      'SELECT status FROM campaign_snapshots WHERE id = $1',
      [id],
    );
    expect(rows).toEqual([{ status: 'closed' }]);
  });
  await expectRefusal(id);
  await expectNothingCaptured(given);
  await stack.simulator.reset();
  await expectBooksToBalance(stack, id, given);
});

test('ended by its deadline, it is closed by itself, and keeps what was accepted', async () => {
  const deadline = new Date(Date.now() + 10_000);
  const { id } = await operate('/campaigns', {
    title: 'Ending',
    currency: 'USD',
    deadline: deadline.toISOString(),
  });
  const given = await giveAndHold(id);
  await new Promise((resolve) => {
    setTimeout(resolve, Math.max(0, deadline.getTime() - Date.now()));
  });
  await expectRefusal(id);
  await eventually('it is closed', async () => {
    const { rows } = await stack.pools.campaigns.query(
      'SELECT status, closed_reason AS reason, version FROM campaigns WHERE id = $1',
      [id],
    );
    expect(rows).toEqual([{ status: 'closed', reason: 'deadline', version: 2 }]);
  });
  await expectRefusal(id);
  await expectNothingCaptured(given);
  await stack.simulator.reset();
  await expectBooksToBalance(stack, id, given);
});
