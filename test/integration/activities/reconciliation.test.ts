import { randomUUID } from 'node:crypto';
import { afterEach, expect, test } from 'vitest';
import {
  createReconciliationActivities,
  type Progress,
  type ReconciliationDeps,
} from '../../../activities/payments/reconciliation/index.ts';
import { createReconciliationReports } from '../../../api/payments/reconciliation.ts';
import { DEFAULT_RECONCILIATION_POLICY, type ReconciliationKind } from '../../../domain/reconciliation.ts';
import type { PaymentProvider } from '../../../provider/port.ts';
import { createStripeProvider } from '../../../provider/stripe/adapter.ts';
import type { ReconciliationPaymentActivities, ReconciliationRun } from '../../../workflows/ports.ts';
import { SECRET_KEY } from '../../contract/start-simulator.ts';
import { failureOf } from './as-temporal.ts';
import { dieAt, newOrder, paymentBench } from './payment-bench.ts';

const bench = paymentBench();
const POLICY = { ...DEFAULT_RECONCILIATION_POLICY, freshMs: 0 };

/** Waits as long as a real one does: here nothing times out. */
const patient = (): PaymentProvider =>
  createStripeProvider({ apiBase: bench.simulator.base, secretKey: SECRET_KEY, timeoutMs: 10_000 });

const begun = new Set<string>();
afterEach(async () => {
  for (const runId of begun) await activities().failReconciliation(runId);
});

const activities = (change: Partial<ReconciliationDeps> = {}): ReconciliationPaymentActivities =>
  createReconciliationActivities({
    pool: bench.pool,
    provider: patient(),
    livemode: false,
    failpoint: () => undefined,
    signal: () => new AbortController().signal,
    heartbeat: () => undefined,
    progress: () => undefined,
    ...change,
  });

async function begin(kind: ReconciliationKind = 'full', policy = POLICY): Promise<ReconciliationRun> {
  const runId = randomUUID();
  const answer = await activities().beginReconciliation({
    runId,
    kind,
    dryRun: false,
    sinceMs: null,
    policy,
  });
  if (answer.kind !== 'begun') throw new Error(`run ${answer.runId} is at work`);
  begun.add(runId);
  return answer.run;
}

const finish = (run: ReconciliationRun) => activities().finishReconciliation({ run, examined: 0 });

test('one run is at work at a time, invariants apart; one that nobody touches any more is abandoned', async () => {
  const run = await begin();
  const ask = {
    runId: randomUUID(),
    kind: 'delta',
    dryRun: false,
    sinceMs: null,
    policy: POLICY,
  } as const;
  expect(await activities().beginReconciliation(ask)).toEqual({ kind: 'busy', runId: run.runId });
  await finish(await begin('invariants'));
  // Asked again, as after a lost answer, the run itself is no other.
  expect(await activities().beginReconciliation({ ...ask, kind: 'full', runId: run.runId })).toMatchObject({
    kind: 'begun',
    run,
  });
  const impatient = { ...ask, policy: { ...POLICY, abandonAfterMs: 1 } };
  const next = await activities().beginReconciliation(impatient);
  expect(next).toMatchObject({ kind: 'begun', run: { runId: ask.runId } });
  const { rows } = await bench.pool.query('SELECT status FROM reconciliation_runs WHERE id = $1', [
    run.runId,
  ]);
  expect(rows).toEqual([{ status: 'abandoned' }]);
  if (next.kind === 'begun') await finish(next.run);
});

test('a delta begins before the start of the last run that was finished and no rehearsal', async () => {
  const first = await begin();
  await finish(first);
  const { rows } = await bench.pool.query<{ started_at: Date }>(
    'SELECT started_at FROM reconciliation_runs WHERE id = $1',
    [first.runId],
  );
  const rehearsal = await activities().beginReconciliation({
    runId: randomUUID(),
    kind: 'delta',
    dryRun: true,
    sinceMs: null,
    policy: POLICY,
  });
  if (rehearsal.kind === 'begun') await finish(rehearsal.run);
  const second = await begin('delta', { ...POLICY, freshMs: 60_000 });
  expect(second.fromMs).toBe((rows[0]?.started_at.getTime() ?? 0) - POLICY.overlapMs - 60_000);
  await finish(second);
});

/** Hundreds of calls to the provider, on a machine that may be busy. */
const LONG = { timeout: 240_000 };

test(
  'more payments than a page holds are all seen, and a worker that dies is followed where it was',
  LONG,
  async () => {
    const COUNT = 120;
    for (let n = 0; n < COUNT; n += 1)
      await bench.simulator.payByHand({ amountMinor: 1_000 + n, currency: 'USD' });
    const run = await begin();
    const told: Progress[] = [];
    const pages: (string | undefined)[] = [];
    const asked = patient();
    const counting: ReconciliationDeps['provider'] = {
      ...asked,
      listPayments: async (page, signal) => {
        pages.push(page.startingAfter);
        return await asked.listPayments(page, signal);
      },
    };
    const heartbeat = (progress: Progress): void => void told.push(progress);
    const page = { run, source: 'payments', cursor: null } as const;
    const dying = activities({ provider: counting, heartbeat, failpoint: dieAt('reconciliation.page') });
    await expect(dying.examine(page)).rejects.toThrow('died at');
    let all = 0;
    const unmatched: string[] = [];
    let progress = told.at(-1);
    for (let cursor: string | null = page.cursor; ;) {
      const given = progress;
      const heir = activities({ provider: counting, heartbeat, progress: () => given });
      const examined = await heir.examine({ ...page, cursor });
      progress = undefined;
      all += examined.count;
      unmatched.push(...examined.unmatched.map(({ providerPaymentId }) => providerPaymentId));
      cursor = examined.cursor;
      if (cursor === null) break;
    }
    expect(all).toBe(COUNT);
    expect(new Set(unmatched).size).toBe(COUNT);
    expect(pages, 'no page was asked for twice').toHaveLength(new Set(pages).size);
    expect(pages).toHaveLength(2);

    const stored = (): Promise<{ rows: { suspense: string; reviews: number }[] }> =>
      bench.pool.query(
        `SELECT (SELECT sum(amount) FROM ledger_entries WHERE account = 'suspense') AS suspense,
              (SELECT count(*)::int FROM review_items WHERE resolved_at IS NULL) AS reviews`,
      );
    const found = unmatched.map((providerPaymentId) => ({ providerPaymentId, donationId: null }));
    await activities().placeUnmatched({ run, unmatched: found, orders: [] });
    const once = (await stored()).rows;
    expect(once).toEqual([
      { suspense: String(-(1_000 * COUNT + (COUNT * (COUNT - 1)) / 2)), reviews: COUNT },
    ]);
    // An answer that was lost, and the whole batch again.
    await activities().placeUnmatched({ run, unmatched: found, orders: [] });
    expect((await stored()).rows).toEqual(once);
    expect(await finish(run)).toMatchObject({ findings: COUNT, openReviews: COUNT });
  },
);

test.each([
  ['rateLimit429', 'list'],
  ['error503', 'list'],
  ['error500Before', 'list'],
  ['error500Before', 'listRefunds'],
  ['malformed', 'list'],
])('a provider that answers %s to %s is asked again, and nothing is concluded', async (fault, operation) => {
  const run = await begin();
  await bench.simulator.arm({ operation, fault });
  const source = operation === 'list' ? 'payments' : 'refunds';
  const failure = await failureOf(activities().examine({ run, source, cursor: null }));
  expect(failure).toMatchObject({ type: 'provider_unknown', nonRetryable: false });
  expect(await activities().examine({ run, source, cursor: null })).toHaveProperty('count');
  expect(await finish(run)).toMatchObject({ findings: 0 });
});

test('money of the provider’s other mode is none of our business', async () => {
  const run = await begin();
  const pi = await bench.simulator.payByHand({ amountMinor: 777, currency: 'USD' });
  const live = activities({ livemode: true });
  expect(await live.examine({ run, source: 'payments', cursor: null })).toMatchObject({
    count: 0,
    unmatched: [],
  });
  await live.placeUnmatched({ run, unmatched: [{ providerPaymentId: pi, donationId: null }], orders: [] });
  const { rows } = await bench.pool.query('SELECT FROM ledger_entries WHERE provider_payment_id = $1', [pi]);
  expect(rows).toEqual([]);
  await finish(run);
});

test('what is younger than the margin is under way, and its review stays as it was', async () => {
  const pi = await bench.simulator.payByHand({ amountMinor: 888, currency: 'USD' });
  const run = await begin('full', { ...POLICY, freshMs: 60_000 });
  const { unmatched } = await activities().examine({ run, source: 'payments', cursor: null });
  expect(unmatched.filter(({ providerPaymentId }) => providerPaymentId === pi)).toEqual([]);
  await finish(run);
});

test('a repair that was asked for in vain is for people, and what they have accepted stays closed until it changes', async () => {
  const order = newOrder();
  await bench.activities({ provider: patient() }).authorize(order);
  await bench.activities({ provider: patient() }).capture(order.donationId);
  const { rows: payments } = await bench.pool.query<{ id: string }>(
    'SELECT provider_payment_id AS id FROM payments WHERE id = $1',
    [order.donationId],
  );
  const pi = payments[0]?.id ?? '';
  await bench.simulator.changeFee(pi, 321);
  /** A run over the provider's payments alone; what it found of this one. */
  const found = async (): Promise<unknown[]> => {
    const run = await begin();
    await activities().examine({ run, source: 'payments', cursor: null });
    await finish(run);
    const { rows } = await bench.pool.query<Record<string, unknown>>(
      'SELECT class, action FROM reconciliation_findings WHERE run_id = $1 AND subject = $2',
      [run.runId, pi],
    );
    return rows;
  };
  const commands = async (): Promise<unknown[]> => {
    const { rows } = await bench.pool.query<Record<string, unknown>>(
      'SELECT type FROM workflow_commands WHERE payment_id = $1',
      [order.donationId],
    );
    return rows;
  };
  const reports = createReconciliationReports(bench.pool);
  const items = async () => (await reports.reviews()).filter(({ subject }) => subject === pi);

  // No relay runs here, so nobody is told.
  expect(await found()).toEqual([{ class: 'FEE_DRIFT', action: 'look' }]);
  expect(await commands()).toEqual([{ type: 'look' }]);
  expect(await items()).toEqual([]);
  expect(await found()).toEqual([{ class: 'FEE_DRIFT', action: 'review' }]);
  expect(await commands()).toEqual([{ type: 'look' }]);
  const [item] = await items();
  expect(item).toMatchObject({ class: 'FEE_DRIFT', donationId: order.donationId });
  expect(await reports.resolve(item?.id ?? '', 'operator', 'agreed with the provider')).toBe(true);
  expect(await found()).toEqual([]);
  expect(await items()).toEqual([]);
  await bench.simulator.changeFee(pi, 322);
  expect(await found()).toEqual([{ class: 'FEE_DRIFT', action: 'look' }]);
});

test('rules of the database that are broken, and what is stuck, are for people', async () => {
  const donationId = randomUUID();
  await bench.pool.query(
    `INSERT INTO payments (id, donation_id, campaign_id, provider, payment_method, amount, currency)
     VALUES ($1, $1, $1, 'stripe', 'pm_card_visa', 2500, 'USD')`,
    [donationId],
  );
  await bench.pool.query(
    `INSERT INTO ledger_entries (posting_id, payment_id, account, amount, currency)
     VALUES ('by-hand', $1, 'campaign_payable', -5, 'USD'), ('by-hand', $1, 'provider_balance', 5, 'USD')`,
    [donationId],
  );
  const waiting = randomUUID();
  await bench.pool.query(
    `INSERT INTO payments (id, donation_id, campaign_id, provider, payment_method, amount, currency, waiting_for)
     VALUES ($1, $1, $1, 'stripe', 'pm_card_visa', 2500, 'USD', 'action')`,
    [waiting],
  );
  const stuck = (id: string) =>
    ({ class: 'STUCK', subject: id, donationId: id, expected: null, found: null }) as const;
  const violations = [stuck(donationId), stuck(waiting)];
  const items = async (): Promise<unknown[]> => {
    const { rows } = await bench.pool.query<Record<string, unknown>>(
      `SELECT class, subject, first_seen_at FROM review_items
       WHERE class IN ('STUCK', 'LEDGER') AND resolved_at IS NULL ORDER BY class`,
    );
    return rows;
  };
  const run = await begin('invariants');
  await activities().recordViolations({ run, stuckAfterMs: 1_000, violations });
  await finish(run);
  const seen = await items();
  expect(seen).toMatchObject([
    { class: 'LEDGER', subject: donationId },
    { class: 'STUCK', subject: donationId },
  ]);
  // Seen again, it is the same item, as old as it is; gone, it is closed.
  const again = await begin('invariants');
  await activities().recordViolations({ run: again, stuckAfterMs: 1_000, violations });
  expect(await finish(again)).toMatchObject({ findings: 0 });
  expect(await items()).toEqual(seen);
  const mended = await begin('invariants');
  await activities().recordViolations({ run: mended, stuckAfterMs: 1_000, violations: [] });
  await finish(mended);
  expect(await items()).toEqual(seen.slice(0, 1));
});
