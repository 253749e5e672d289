/** Both sides of a comparison, read from where they are. */
import type { ClientBase, Pool } from 'pg';
import { isUuid } from '../../../domain/ids.ts';
import type { CurrencyCode } from '../../../domain/money.ts';
import type { PaymentFacts } from '../../../domain/payment.ts';
import type { LocalSide, ProviderSide } from '../../../domain/reconciliation.ts';
import type { ProviderPayment } from '../../../provider/port.ts';
import { eventsProvenBy } from '../observation.ts';
import { REFUND_STATUS, type Reversals } from '../truth.ts';

export type LocalPayment = LocalSide & { readonly updatedAtMs: number };

type Row = {
  id: string;
  provider_payment_id: string | null;
  amount: number;
  currency: CurrencyCode;
  authorized: boolean;
  closed_as: 'FAILED' | 'EXPIRED' | null;
  closed_code: string | null;
  captured: number;
  late_money: string | null;
  fee: number | null;
  fee_currency: string | null;
  updated_at_ms: number;
  refunds: LocalSide['refunds'];
  disputes: LocalSide['disputes'];
};

const COLUMNS = `p.id, provider_payment_id, p.amount, currency, authorized, closed_as, closed_code, captured, late_money, fee, fee_currency,
  extract(epoch FROM p.updated_at)::float8 * 1000 AS updated_at_ms,
  (SELECT coalesce(jsonb_agg(jsonb_build_object('id', id, 'providerRefundId', provider_refund_id, 'amountMinor', amount, 'status', status,
     'createdAtMs', extract(epoch FROM created_at) * 1000)), '[]') FROM refunds WHERE payment_id = p.id) AS refunds,
  (SELECT coalesce(jsonb_agg(jsonb_build_object('id', id, 'providerDisputeId', provider_dispute_id, 'amountMinor', amount, 'status', status)), '[]')
   FROM disputes WHERE payment_id = p.id) AS disputes`;

/** Payments that these ids name, in any order: those that have the provider's, and those of the donations. */
export async function readLocal(
  pool: Pool,
  providerPaymentIds: readonly string[],
  donationIds: readonly string[],
): Promise<LocalPayment[]> {
  const { rows } = await pool.query<Row>(
    `SELECT ${COLUMNS} FROM payments p WHERE provider_payment_id = ANY($1) OR id = ANY($2::uuid[])`,
    [providerPaymentIds, donationIds],
  );
  return rows.map(toLocal);
}

/** The payment that is the provider's, else the one that it names; locked, so that nothing changes while they are compared. */
export async function lockLocal(
  client: ClientBase,
  { id, donationId }: { readonly id: string; readonly donationId: string | null },
): Promise<LocalPayment | null> {
  const { rows } = await client.query<Row>(
    `SELECT ${COLUMNS} FROM payments p WHERE id = (
       SELECT id FROM payments WHERE provider_payment_id = $1 OR id = $2::uuid
       ORDER BY provider_payment_id IS NOT DISTINCT FROM $1 DESC LIMIT 1)
     FOR NO KEY UPDATE OF p`,
    [id, isUuid(donationId) ? donationId : null],
  );
  return rows[0] === undefined ? null : toLocal(rows[0]);
}

function toLocal(row: Row): LocalPayment {
  const facts: PaymentFacts = {
    amountMinor: row.amount,
    currency: row.currency,
    authorized: row.authorized,
    capturedMinor: row.captured,
    closed: row.closed_as === null ? null : { as: row.closed_as, code: row.closed_code ?? 'unknown' },
    refunds: Object.fromEntries(
      row.refunds.map(({ id, amountMinor, status }) => [id, { amountMinor, status }]),
    ),
    disputes: Object.fromEntries(
      row.disputes.map(({ id, amountMinor, status }) => [id, { amountMinor, status }]),
    ),
  };
  return {
    donationId: row.id,
    providerPaymentId: row.provider_payment_id,
    facts,
    fee:
      row.fee === null || row.fee_currency === null
        ? null
        : { amountMinor: row.fee, currency: row.fee_currency },
    undecided: row.late_money === 'undecided',
    refunds: row.refunds,
    disputes: row.disputes,
    updatedAtMs: row.updated_at_ms,
  };
}

const HOLDS = { succeeded: 'money', requires_capture: 'authorization' } as const;
const ENDED: ReadonlySet<ProviderPayment['status']> = new Set(['succeeded', 'canceled']);

export function providerSide(payment: ProviderPayment, reversals: Reversals | null): ProviderSide {
  const { id, donationId, amountMinor, currency, status, fee, amountReceivedMinor } = payment;
  return {
    id,
    donationId,
    amountMinor,
    currency,
    status,
    fee,
    holds: status === 'succeeded' || status === 'requires_capture' ? HOLDS[status] : 'nothing',
    receivedMinor: amountReceivedMinor,
    isEnded: ENDED.has(status),
    proves: eventsProvenBy(payment),
    refunds: (reversals?.refunds ?? []).map((refund) => ({
      id: refund.id,
      refundId: refund.refundId,
      amountMinor: refund.amountMinor,
      currency: refund.currency,
      status: REFUND_STATUS[refund.status],
      createdAtMs: refund.createdAt.getTime(),
    })),
    disputes: (reversals?.disputes ?? []).flatMap((dispute) =>
      dispute.status === 'inquiry'
        ? []
        : [
            {
              id: dispute.id,
              amountMinor: dispute.amountMinor,
              currency: dispute.currency,
              status: dispute.status,
              createdAtMs: dispute.createdAt.getTime(),
            },
          ],
    ),
  };
}
