/** Pages of what may differ. A list is a hint: what looks wrong in it is asked for by its id, and only then believed. */
import type { Pool } from 'pg';
import { isUuid } from '../../../domain/ids.ts';
import { comparePayment, PROVIDER_CLASSES } from '../../../domain/reconciliation.ts';
import type { ProviderDispute, ProviderPayment, ProviderRefund } from '../../../provider/port.ts';
import type { ExamineSource, ReconciliationRun } from '../../../workflows/ports.ts';
import { REFUND_STATUS } from '../truth.ts';
import { unanswered, type ExamineDeps } from './examine.ts';
import { providerSide, readLocal } from './sides.ts';

export type Page = {
  readonly cursor: string | null;
  readonly count: number;
  /** The provider's payments to be examined. */
  readonly suspects: readonly string[];
};

type Ask = (deps: ExamineDeps, run: ReconciliationRun, cursor: string | null) => Promise<Page>;

const PAGE_SIZE = 100;
/** Our row is older than the provider's object, and its clock may be behind ours. */
const CLOCK_SKEW_MS = 300_000;

export const PAGES: Readonly<Record<ExamineSource, Ask>> = {
  payments: async ({ pool, provider, livemode, signal }, run, cursor) => {
    const page = await provider.listPayments({ ...windowOf(run), ...after(cursor) }, signal());
    if (page.kind !== 'yes') throw unanswered('the list of payments', page);
    await remember(pool, run, page.payments);
    const payments = page.payments.filter((payment) => payment.livemode === livemode);
    const suspects = await suspectPayments(pool, payments);
    return { cursor: page.nextCursor, count: payments.length, suspects };
  },

  refunds: async ({ pool, provider, signal }, run, cursor) => {
    const page = await provider.listRefunds({ ...windowOf(run), ...after(cursor) }, signal());
    if (page.kind !== 'yes') throw unanswered('the list of refunds', page);
    const suspects = await suspectReversals(pool, 'refunds', page.items);
    return { cursor: page.nextCursor, count: page.items.length, suspects };
  },

  disputes: async ({ pool, provider, signal }, run, cursor) => {
    const page = await provider.listDisputes({ ...windowOf(run), ...after(cursor) }, signal());
    if (page.kind !== 'yes') throw unanswered('the list of disputes', page);
    const withMoney = page.items.filter(({ status }) => status !== 'inquiry');
    const suspects = await suspectReversals(pool, 'disputes', withMoney);
    return { cursor: page.nextCursor, count: page.items.length, suspects };
  },

  // What the provider did not list, and what is open whatever its age: its news may have been lost.
  ours: async ({ pool }, run, cursor) => {
    const { rows } = await pool.query<{ id: string; provider_payment_id: string }>(
      `SELECT id, provider_payment_id FROM payments p
       WHERE provider_payment_id IS NOT NULL AND ($1::uuid IS NULL OR id > $1) AND updated_at <= to_timestamp($3 / 1000.0) AND (
         (created_at >= to_timestamp($2 / 1000.0) AND NOT EXISTS (
           SELECT FROM reconciliation_seen s WHERE s.run_id = $4 AND s.provider_payment_id = p.provider_payment_id))
         OR state IN ('INITIATED', 'AUTHORIZED') OR late_money = 'undecided'
         OR EXISTS (SELECT FROM refunds r WHERE r.payment_id = p.id
                    AND (r.status = 'pending' OR r.updated_at >= to_timestamp($2 / 1000.0)))
         OR EXISTS (SELECT FROM disputes d WHERE d.payment_id = p.id
                    AND (d.status = 'opened' OR d.updated_at >= to_timestamp($2 / 1000.0))))
       ORDER BY id LIMIT $5`,
      [cursor, run.fromMs, run.freshAfterMs, run.runId, PAGE_SIZE],
    );
    return {
      cursor: rows.length < PAGE_SIZE ? null : (rows.at(-1)?.id ?? null),
      count: rows.length,
      suspects: rows.map((row) => row.provider_payment_id),
    };
  },

  reviewed: async ({ pool }, run, cursor) => {
    const { rows } = await pool.query<{ provider_payment_id: string }>(
      `SELECT DISTINCT provider_payment_id FROM review_items
       WHERE resolved_at IS NULL AND class = ANY($1) AND last_run_id <> $2 AND provider_payment_id > coalesce($3, '')
       ORDER BY provider_payment_id LIMIT $4`,
      [PROVIDER_CLASSES, run.runId, cursor, PAGE_SIZE],
    );
    const suspects = rows.map((row) => row.provider_payment_id);
    return {
      cursor: rows.length < PAGE_SIZE ? null : (suspects.at(-1) ?? null),
      count: rows.length,
      suspects,
    };
  },
};

function windowOf({ fromMs }: ReconciliationRun): { readonly createdFrom: Date; readonly limit: number } {
  return { createdFrom: new Date(fromMs - CLOCK_SKEW_MS), limit: PAGE_SIZE };
}

function after(cursor: string | null): { readonly startingAfter?: string } {
  return cursor === null ? {} : { startingAfter: cursor };
}

async function remember(
  pool: Pool,
  { runId }: ReconciliationRun,
  payments: readonly ProviderPayment[],
): Promise<void> {
  await pool.query(
    `INSERT INTO reconciliation_seen (run_id, provider_payment_id) SELECT $1, unnest($2::text[]) ON CONFLICT DO NOTHING`,
    [runId, payments.map(({ id }) => id)],
  );
}

async function suspectPayments(pool: Pool, payments: readonly ProviderPayment[]): Promise<string[]> {
  const named = payments.flatMap(({ donationId }) => (isUuid(donationId) ? [donationId] : []));
  const ids = payments.map(({ id }) => id);
  const locals = await readLocal(pool, ids, named);
  const byProviderId = new Map(locals.map((local) => [local.providerPaymentId, local]));
  const byDonation = new Map(locals.map((local) => [local.donationId, local]));
  return payments
    .filter((payment) => {
      const local = byProviderId.get(payment.id) ?? byDonation.get(payment.donationId ?? '');
      const side = providerSide(payment, null);
      return local === undefined ? side.holds !== 'nothing' : comparePayment(local, side).length > 0;
    })
    .map(({ id }) => id);
}

type Reversal = (ProviderRefund | ProviderDispute) & { readonly paymentId: string | null };

const KNOWN = {
  refunds: 'SELECT provider_refund_id AS id, status, amount FROM refunds WHERE provider_refund_id = ANY($1)',
  disputes:
    'SELECT provider_dispute_id AS id, status, amount FROM disputes WHERE provider_dispute_id = ANY($1)',
} as const;

/** Payments of which a refund or dispute is not what we have of it. */
async function suspectReversals(
  pool: Pool,
  kind: keyof typeof KNOWN,
  items: readonly Reversal[],
): Promise<string[]> {
  const { rows } = await pool.query<{ id: string; status: string; amount: number }>(KNOWN[kind], [
    items.map(({ id }) => id),
  ]);
  const known = new Map(rows.map((row) => [row.id, row]));
  const differing = items.filter(({ id, status, amountMinor }) => {
    const ours = known.get(id);
    const theirs = Object.hasOwn(REFUND_STATUS, status)
      ? REFUND_STATUS[status as keyof typeof REFUND_STATUS]
      : status;
    return ours?.amount !== amountMinor || ours.status !== theirs;
  });
  const ofCharges = await paymentsOfCharges(
    pool,
    differing.flatMap(({ paymentId, chargeId }) =>
      paymentId === null && chargeId !== null ? [chargeId] : [],
    ),
  );
  const suspects = differing.flatMap(({ paymentId, chargeId }) => {
    const id = paymentId ?? ofCharges.get(chargeId ?? '');
    return id === undefined ? [] : [id];
  });
  return [...new Set(suspects)];
}

async function paymentsOfCharges(
  pool: Pool,
  chargeIds: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  if (chargeIds.length === 0) return new Map();
  const { rows } = await pool.query<{ provider_charge_id: string; provider_payment_id: string }>(
    `SELECT provider_charge_id, provider_payment_id FROM payments
     WHERE provider_charge_id = ANY($1) AND provider_payment_id IS NOT NULL`,
    [chargeIds],
  );
  return new Map(rows.map((row) => [row.provider_charge_id, row.provider_payment_id]));
}
