/** Real services apart behind the real Nginx, while replicas of donations are killed. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { expectBooksToBalance } from '../e2e/books.ts';
import { createCampaign, give, type Given } from '../e2e/giving.ts';
import { eventually } from '../harness/eventually.ts';
import { chooseDoorPorts, startDoor, type Door } from '../harness/nginx.ts';
import { startStack, type Stack } from '../harness/stack.ts';
import { send } from '../integration/api/http-client.ts';
import { addressesOf, donateCall } from './fronts.ts';

let stack: Stack;
let door: Door;
beforeAll(async () => {
  const ports = await chooseDoorPorts();
  stack = await startStack({
    apis: { donations: 2 },
    doorUrl: `http://127.0.0.1:${ports.public}`,
    policy: { retryInitialMs: 200, sweepAfterMs: 500, leaseMs: 2_000 },
  });
  const { donations, payments, campaigns } = stack.serviceUrls;
  door = await startDoor({
    directory: stack.directory,
    ports,
    upstreams: {
      donations: addressesOf(donations),
      payments: addressesOf(payments),
      campaigns: addressesOf(campaigns),
    },
  });
});
afterAll(async () => {
  await door.stop();
  await stack.stop();
});

/** How many donation requests each replica has answered with success, by the door's log. */
function answeredBy(index: number): number {
  const [address = ''] = addressesOf([stack.serviceUrls.donations[index] ?? '']);
  const lines = door.log().split('\n');
  return lines.filter((line) => line.includes('"path":"/donate"') && line.includes(`"upstream":"${address}"`))
    .length;
}

async function burst(campaignId: string, count: number, meanwhile: () => Promise<void>): Promise<Given[]> {
  const gifts = Array.from({ length: count }, (_, index) => ({
    campaignId,
    amount: 100 + index,
    key: randomUUID(),
  }));
  const giving = gifts.map(async (gift, index) => {
    await new Promise((resolve) => setTimeout(resolve, index * 10));
    return await give(stack, gift);
  });
  const [given] = await Promise.all([Promise.all(giving), meanwhile()]);
  return given;
}

test('a replica killed in the middle of a burst loses nothing and doubles nothing, and works again once it is back', async () => {
  const campaignId = await createCampaign(stack);
  const given = await burst(campaignId, 40, async () => {
    await new Promise((resolve) => setTimeout(resolve, 400));
    await stack.kill9('donations-api', 1);
  });
  expect(stack.ended.map(({ role, index }) => `${role} ${index}`)).toEqual(['donations-api 1']);
  const { rows } = await stack.pools.donations.query<{ key: string }>(
    'SELECT idempotency_key AS key FROM donation_requests WHERE campaign_id = $1',
    [campaignId],
  );
  expect(rows.map(({ key }) => key).toSorted()).toEqual(given.map(({ key }) => key ?? '').toSorted());
  await expectBooksToBalance(stack, campaignId, given);

  const before = answeredBy(1);
  expect(before).toBeGreaterThan(0);
  await stack.restart('donations-api', 1);
  await eventually('the replica is asked again', async () => {
    await send(door.ports.public, donateCall(campaignId, 'short'));
    expect(answeredBy(1)).toBeGreaterThan(before);
  });
});

test('an event of a donation is at the donor’s within a second of being written, through the door', async () => {
  const { id, donorToken } = await give(stack, { campaignId: await createCampaign(stack), amount: 700 });
  const answer = await fetch(`${door.url}/donations/${id}/events`, {
    headers: { authorization: `Bearer ${donorToken}` },
    signal: AbortSignal.timeout(20_000),
  });
  expect(answer.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
  let text = '';
  let captured: number | undefined;
  for await (const chunk of answer.body ?? []) {
    text += Buffer.from(chunk).toString();
    if (text.includes('"CAPTURED"')) captured ??= Date.now();
  }
  const { rows } = await stack.pools.donations.query<{ at: Date }>(
    'SELECT updated_at AS at FROM pledges WHERE id = $1',
    [id],
  );
  const writtenAt = rows[0]?.at.getTime() ?? 0;
  expect(captured).toBeDefined();
  expect((captured ?? 0) - writtenAt).toBeLessThan(1_000);
});

test('while donations is gone altogether the rest works, and a donation made then is taken afterwards', async () => {
  const campaignId = await createCampaign(stack);
  await Promise.all([stack.kill9('donations-api', 0), stack.kill9('donations-api', 1)]);
  const key = randomUUID();
  const refused = await send(door.ports.public, donateCall(campaignId, key));
  expect(refused.status).toBe(502);
  expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0);
  expect((await send(door.ports.public, { path: `/campaigns/${campaignId}/total` })).status).toBe(200);
  expect((await stack.simulator.sendWebhook({ type: 'customer.created', signature: 'good' })).status).toBe(
    200,
  );
  await Promise.all([stack.restart('donations-api', 0), stack.restart('donations-api', 1)]);
  const given = await give(stack, { campaignId, amount: 900, key });
  await expectBooksToBalance(stack, campaignId, [given]);
});
