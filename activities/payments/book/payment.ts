/** One payment as its database tells it: the facts, and what is still to be done about them. */
import type { ClientBase } from 'pg';
import type { CurrencyCode } from '../../../domain/money.ts';
import type { PaymentFacts } from '../../../domain/payment.ts';

export type Payment = {
  readonly donationId: string;
  readonly campaignId: string;
  readonly providerPaymentId: string | null;
  readonly providerChargeId: string | null;
  readonly version: number;
  readonly needsReview: string | null;
  /** Why we cancel it at the provider; null while we don't. */
  readonly releaseCode: string | null;
  readonly lateMoney: 'undecided' | 'kept' | 'refunded' | null;
  readonly waitingFor: 'action' | 'processing' | null;
  readonly fee: { readonly amountMinor: number; readonly currency: string } | null;
  readonly facts: PaymentFacts;
  readonly refunds: readonly RefundRow[];
  readonly disputes: readonly DisputeRow[];
};

export type RefundRow = {
  /** Ours; the key in `facts.refunds`. */
  readonly id: string;
  /** Null until the provider has taken it. */
  readonly providerRefundId: string | null;
  readonly amountMinor: number;
  readonly status: PaymentFacts['refunds'][string]['status'];
};

export type DisputeRow = {
  /** Ours; the key in `facts.disputes`. */
  readonly id: string;
  readonly providerDisputeId: string;
  readonly amountMinor: number;
  readonly status: PaymentFacts['disputes'][string]['status'];
};

type PaymentRow = {
  id: string;
  campaign_id: string;
  provider_payment_id: string | null;
  provider_charge_id: string | null;
  amount: number;
  currency: CurrencyCode;
  authorized: boolean;
  closed_as: 'FAILED' | 'EXPIRED' | null;
  closed_code: string | null;
  captured: number;
  version: number;
  needs_review: string | null;
  release_code: string | null;
  late_money: Payment['lateMoney'];
  waiting_for: Payment['waitingFor'];
  fee: number | null;
  fee_currency: string | null;
};

const PAYMENT_COLUMNS = `id, campaign_id, provider_payment_id, provider_charge_id, amount, currency, authorized, closed_as, closed_code,
  captured, version, needs_review, release_code, late_money, waiting_for, fee, fee_currency`;

/**
 * Reads the payment and keeps its row locked until the transaction ends: changes of one payment queue up here. NO KEY,
 * because a new operation's foreign key holds KEY SHARE on the same row, and the two would deadlock.
 */
export async function lockPayment(client: ClientBase, donationId: string): Promise<Payment | null> {
  const { rows } = await client.query<PaymentRow>({
    name: 'payment-lock',
    text: `SELECT ${PAYMENT_COLUMNS} FROM payments WHERE id = $1 FOR NO KEY UPDATE`,
    values: [donationId],
  });
  const row = rows[0];
  return row === undefined ? null : toPayment(row, await readReversals(client, row));
}

type Reversals = Pick<Payment, 'refunds' | 'disputes'>;

async function readReversals(client: ClientBase, row: PaymentRow): Promise<Reversals> {
  // Nothing can be given back before it was captured, which spares the happy path two reads.
  if (row.captured === 0) return { refunds: [], disputes: [] };
  const refunds = await client.query<RefundRow>({
    name: 'payment-refunds',
    text: `SELECT id, provider_refund_id AS "providerRefundId", amount AS "amountMinor", status
           FROM refunds WHERE payment_id = $1 ORDER BY created_at, id`,
    values: [row.id],
  });
  const disputes = await client.query<DisputeRow>({
    name: 'payment-disputes',
    text: `SELECT id, provider_dispute_id AS "providerDisputeId", amount AS "amountMinor", status
           FROM disputes WHERE payment_id = $1 ORDER BY created_at, id`,
    values: [row.id],
  });
  return { refunds: refunds.rows, disputes: disputes.rows };
}

function toPayment(row: PaymentRow, { refunds, disputes }: Reversals): Payment {
  const closed = row.closed_as === null ? null : { as: row.closed_as, code: row.closed_code ?? 'unknown' };
  return {
    donationId: row.id,
    campaignId: row.campaign_id,
    providerPaymentId: row.provider_payment_id,
    providerChargeId: row.provider_charge_id,
    version: row.version,
    needsReview: row.needs_review,
    releaseCode: row.release_code,
    lateMoney: row.late_money,
    waitingFor: row.waiting_for,
    fee:
      row.fee === null || row.fee_currency === null
        ? null
        : { amountMinor: row.fee, currency: row.fee_currency },
    facts: {
      amountMinor: row.amount,
      currency: row.currency,
      authorized: row.authorized,
      capturedMinor: row.captured,
      closed,
      refunds: byId(refunds),
      disputes: byId(disputes),
    },
    refunds,
    disputes,
  };
}

function byId<Status>(
  rows: readonly { readonly id: string; readonly amountMinor: number; readonly status: Status }[],
): Readonly<Record<string, { readonly amountMinor: number; readonly status: Status }>> {
  return Object.fromEntries(rows.map(({ id, amountMinor, status }) => [id, { amountMinor, status }]));
}
