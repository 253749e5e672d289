import type { Pool } from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createPool, transaction } from '../../../platform/postgres.ts';
import { isolatedDatabases } from './isolated-databases.ts';
import { PAYMENT, paymentAt, refund } from './payment-moves.ts';

const { urls } = isolatedDatabases(['donations', 'payments']);
let donations: Pool;
let payments: Pool;
beforeAll(() => {
  donations = createPool({ url: urls.donations, max: 10, name: 'test' });
  payments = createPool({ url: urls.payments, max: 10, name: 'test' });
});
afterAll(async () => {
  await Promise.all([donations.end(), payments.end()]);
});

async function acceptRequest(key: string): Promise<number> {
  const { rowCount } = await donations.query(
    `insert into donation_requests (id, scope, idempotency_key, fingerprint, campaign_id, amount, currency, payment_method, body)
     values (gen_random_uuid(), 'guest', $1, sha256('body'), gen_random_uuid(), 2500, 'USD', 'pm_card_visa', '{}')
     on conflict (scope, idempotency_key) do nothing`,
    [key],
  );
  return rowCount ?? 0;
}

test('fifty concurrent requests under one key leave one row', async () => {
  const inserted = await Promise.all(
    Array.from({ length: 50 }, async () => acceptRequest('fifty-at-the-same-time')),
  );
  expect(inserted.filter((rows) => rows === 1)).toHaveLength(1);
});

test('of a cancel and a capture at the same moment exactly one wins, a hundred times', async () => {
  for (let round = 0; round < 100; round++) {
    const key = `cancel-or-capture-${round}`;
    await acceptRequest(key);
    const [cancelled, started] = await Promise.all([
      donations.query(
        'update donation_requests set cancel_requested_at = now() where idempotency_key = $1 and capture_started_at is null',
        [key],
      ),
      donations.query(
        'update donation_requests set capture_started_at = now() where idempotency_key = $1 and cancel_requested_at is null',
        [key],
      ),
    ]);
    expect((cancelled.rowCount ?? 0) + (started.rowCount ?? 0)).toBe(1);
  }
});

test('of twenty concurrent refunds of 5.00 on a capture of 25.00 five are accepted, even by code that checks nothing', async () => {
  await transaction(payments, async (client) => {
    for (const sql of paymentAt('CAPTURED')) await client.query(sql);
  });
  const outcomes = await Promise.allSettled(
    Array.from({ length: 20 }, async (_, index) =>
      transaction(payments, async (client) => {
        for (const sql of refund(`r${index}`, 500)) await client.query(sql);
      }),
    ),
  );
  expect(outcomes.filter((outcome) => outcome.status === 'fulfilled')).toHaveLength(5);
  const { rows } = await payments.query(
    'select reserved, (select count(*) from refunds where payment_id = $1) as refunds from payments where id = $1',
    [PAYMENT],
  );
  expect(rows).toEqual([{ reserved: 2500, refunds: 5 }]);
});
