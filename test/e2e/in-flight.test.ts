/** Donations in flight while the provider, or the database, has a bad moment: they wait, none fails, none is made twice. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { testComponents } from '../harness/components.ts';
import { eventually } from '../harness/eventually.ts';
import { startStack, type Stack } from '../harness/stack.ts';
import { expectBooksToBalance } from './books.ts';
import { createCampaign, giveMany } from './giving.ts';

let stack: Stack;
beforeAll(async () => {
  stack = await startStack({
    links: ['postgres'],
    restartOnCrash: true,
    policy: {
      quietAfterOperationMs: 100,
      retryInitialMs: 200,
      retryMaxMs: 1_000,
      sweepAfterMs: 500,
      leaseMs: 2_000,
    },
  });
});
afterAll(() => stack.stop());

test('while the provider answers 503 donations wait, none fails, and all complete afterwards', async () => {
  const campaignId = await createCampaign(stack);
  const before = await stack.simulator.fired();
  await stack.simulator.turn({ error503: 1 });
  const given = await giveMany(stack, campaignId, 10, 5);
  await eventually('each has been refused more than once', async () => {
    const { rows } = await stack.pools.payments.query<{ state: string }>(
      `SELECT p.state FROM payments p JOIN payment_operations o ON o.payment_id = p.id
       WHERE p.id = ANY($1::uuid[]) AND o.operation = 'create' AND o.attempts > 1 AND o.answered_at IS NULL`,
      [given.map(({ id }) => id)],
    );
    expect(rows).toEqual(given.map(() => ({ state: 'INITIATED' })));
  });
  expect((await stack.simulator.fired()).error503).toBeGreaterThan(before.error503 + given.length);
  await stack.simulator.reset();
  await expectBooksToBalance(stack, campaignId, given);
});

test('a database that refuses connections for a moment stops donations, and fails none of them', async () => {
  const campaignId = await createCampaign(stack);
  await using admin = await administrator();
  await admin.query(`ALTER ROLE "${stack.prefix}_payments" CONNECTION LIMIT 1`);
  stack.links.get('postgres').resetConnections();
  const given = await giveMany(stack, campaignId, 20, 5);
  await eventually('a payment in flight has met it', () => {
    const lines = readFileSync(join(stack.directory, 'workers-0.log'), 'utf8').split('\n');
    const met = lines.filter((line) => line.includes('too many connections') && line.includes('authorize'));
    expect(met).not.toEqual([]);
  });
  await admin.query(`ALTER ROLE "${stack.prefix}_payments" CONNECTION LIMIT -1`);
  await expectBooksToBalance(stack, campaignId, given);
});

test('a database that is gone for a moment loses none of the donations in flight', async () => {
  const campaignId = await createCampaign(stack);
  const given = await giveMany(stack, campaignId, 20, 5);
  const link = stack.links.get('postgres');
  await link.cut();
  const { rows } = await stack.pools.donations.query(
    `SELECT FROM donation_requests r LEFT JOIN pledges p ON p.id = r.id
     WHERE r.campaign_id = $1 AND coalesce(p.status, 'INITIATED') IN ('INITIATED', 'AUTHORIZED')`,
    [campaignId],
  );
  expect(rows.length).toBeGreaterThan(0);
  const refused = await fetch(`${stack.apiUrl}/campaigns/${campaignId}/total`);
  expect(refused.status).toBe(503);
  await link.heal();
  await expectBooksToBalance(stack, campaignId, given);
});

async function administrator(): Promise<AsyncDisposable & Pick<pg.Client, 'query'>> {
  const client = new pg.Client({ connectionString: testComponents().postgresUrl });
  await client.connect();
  return Object.assign(client, { [Symbol.asyncDispose]: () => client.end() });
}
