import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createReconciliationReports } from '../../../api/payments/reconciliation.ts';
import { createPool } from '../../../platform/postgres.ts';
import { isolatedDatabases } from '../database/isolated-databases.ts';
import { OPERATOR_TOKEN, startGateway, type Gateway } from './gateway.ts';

const { urls } = isolatedDatabases();
let gateway: Gateway;
beforeAll(async () => {
  gateway = await startGateway({ urls });
});
afterAll(async () => {
  await gateway[Symbol.asyncDispose]();
});

const ask = (path: string, headers: Record<string, string> = {}): Promise<Response> =>
  fetch(`http://127.0.0.1:${gateway.port}${path}`, { headers });
const operator = { authorization: `Bearer ${OPERATOR_TOKEN}` };

test('the report of reconciliation is the operator’s, as JSON and as CSV, and there is none before the first run', async () => {
  for (const path of ['/admin/reconciliation', '/admin/reviews']) {
    expect((await ask(path)).status).toBe(401);
    expect((await ask(path, { authorization: 'Bearer somebody-else-entirely' })).status).toBe(401);
    expect(
      (await fetch(`http://127.0.0.1:${gateway.port}${path}`, { method: 'POST', headers: operator })).status,
    ).toBe(405);
  }
  expect((await ask('/admin/reconciliation', operator)).status).toBe(404);

  const runId = randomUUID();
  const itemId = randomUUID();
  const pool = createPool({ url: urls.payments, max: 1, name: 'test' });
  try {
    await pool.query(
      `INSERT INTO reconciliation_runs (id, kind, lane, dry_run, window_from, finished_at, status, counts)
       VALUES ($1, 'full', 'books', false, now() - interval '1 day', now(), 'finished', '{"findings":1}')`,
      [runId],
    );
    await pool.query(
      `INSERT INTO reconciliation_findings (run_id, class, subject, provider_payment_id, expected, found, action)
       VALUES ($1, 'MISSING_LOCAL', '=cmd', '=cmd', 'null', '{"amount":1}', 'suspense')`,
      [runId],
    );
    await pool.query(
      `INSERT INTO review_items (id, class, subject, expected, found, last_run_id, first_seen_at)
       VALUES ($1, 'AMOUNT', 'pi_known', '1', '2', $2, now() - interval '2 hours')`,
      [itemId, runId],
    );

    const json = await ask('/admin/reconciliation', operator);
    expect(json.headers.get('content-type')).toMatch('application/json');
    expect(await json.json()).toMatchObject({
      schema: 'careforall.reconciliation.v1',
      run: { id: runId, kind: 'full', status: 'finished', counts: { findings: 1 } },
      classes: { MISSING_LOCAL: 1 },
      findings: [{ class: 'MISSING_LOCAL', subject: '=cmd', found: { amount: 1 }, repairedAt: null }],
      reviews: [{ id: itemId, class: 'AMOUNT', subject: 'pi_known' }],
    });
    const csv = await ask('/admin/reconciliation', { ...operator, accept: 'text/csv' });
    expect(csv.headers.get('content-type')).toMatch('text/csv');
    const lines = (await csv.text()).split('\r\n');
    expect(lines).toHaveLength(4);
    expect(lines[0]).toMatch(/^run_id,class,action,subject,/);
    // A spreadsheet must not run what somebody has named a payment.
    expect(lines[1]).toMatch(`${runId},MISSING_LOCAL,suspense,'=cmd,,'=cmd,,,"{""amount"":1}",`);
    expect(lines[2]).toMatch(`${runId},AMOUNT,review,pi_known,`);

    const reviews = (await (await ask('/admin/reviews', operator)).json()) as {
      data: { ageSeconds: number }[];
    };
    expect(reviews.data).toHaveLength(1);
    expect(reviews.data[0]?.ageSeconds).toBeGreaterThanOrEqual(7_200);

    const reports = createReconciliationReports(pool);
    expect(await reports.resolve(itemId, 'operator', 'counted by hand')).toBe(true);
    expect(await reports.resolve(itemId, 'operator', 'again')).toBe(false);
    expect(await (await ask('/admin/reviews', operator)).json()).toEqual({ data: [], nextCursor: null });
  } finally {
    await pool.end();
  }
});
