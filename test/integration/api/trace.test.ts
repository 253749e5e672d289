/** One donation is one trace from its POST on: the caller's, when it brings one. */
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startTelemetry, type Telemetry } from '../../../platform/telemetry.ts';
import { isolatedDatabases } from '../database/isolated-databases.ts';
import { donationBody, newCampaign, newKey, startGateway, type Gateway } from './gateway.ts';
import { problem } from './http-client.ts';

const { urls } = isolatedDatabases(['donations', 'payments', 'campaigns']);
let telemetry: Telemetry;
let gateway: Gateway;
let campaignId: string;
beforeAll(async () => {
  telemetry = startTelemetry('test', undefined);
  gateway = await startGateway({ urls });
  campaignId = await newCampaign(gateway);
});
afterAll(async () => {
  await gateway[Symbol.asyncDispose]();
  await telemetry.shutdown();
});

function newTrace(): { traceId: string; header: [string, string] } {
  const traceId = randomBytes(16).toString('hex');
  return { traceId, header: ['traceparent', `00-${traceId}-${randomBytes(8).toString('hex')}-01`] };
}

test('requests that share a batch keep their own traces, stored with each row', async () => {
  const posts = Array.from({ length: 25 }, () => ({ key: newKey(), ...newTrace() }));
  await Promise.all(
    posts.map(({ key, header }) =>
      gateway.send({
        method: 'POST',
        path: '/donate',
        headers: [['Content-Type', 'application/json'], ['Idempotency-Key', key], header],
        body: JSON.stringify(donationBody(campaignId)),
      }),
    ),
  );
  for (const { key, traceId } of posts) {
    const { rows } = await gateway.pools.donations.query<{ traceparent: string }>(
      'SELECT traceparent FROM donation_requests WHERE idempotency_key = $1',
      [key],
    );
    expect(rows[0]?.traceparent).toMatch(new RegExp(`^00-${traceId}-[0-9a-f]{16}-01$`));
  }
});

test('a problem names its trace, whether it is found before or after the body was read', async () => {
  for (const body of [
    '{',
    '{}',
    JSON.stringify(donationBody(campaignId, { currency: 'EUR' })),
    'x'.repeat(20_000),
  ]) {
    const { traceId, header } = newTrace();
    const answer = await gateway.send({
      method: 'POST',
      path: '/donate',
      headers: [['Content-Type', 'application/json'], ['Idempotency-Key', newKey()], header],
      body,
    });
    expect(problem(answer).traceId).toBe(traceId);
  }
});

test.each([
  ['none', []],
  ['a broken one', [['traceparent', '00-zz-zz-zz']]],
] as const)('a request with %s gets a trace of its own', async (_name, headers) => {
  const [first, second] = await Promise.all([1, 2].map(() => gateway.send({ path: '/nowhere', headers })));
  const ids = [first, second].map((answer) => answer && problem(answer).traceId);
  for (const id of ids) expect(id).toMatch(/^[0-9a-f]{32}$/);
  expect(ids[0]).not.toBe(ids[1]);
});
