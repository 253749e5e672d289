import type { ClientBase, Pool } from 'pg';
import { statusOf } from '../../../domain/payment.ts';
import type { TotalsEntry } from '../../../domain/totals.ts';
import { transaction } from '../../../platform/postgres.ts';
import type { PaymentView } from '../../../workflows/ports.ts';
import { lockPayment, type Payment } from './payment.ts';

/** What a workflow may know of the payment. */
export async function viewOf(client: ClientBase, payment: Payment): Promise<PaymentView> {
  const { donationId, facts, version, providerPaymentId } = payment;
  const { rows } = await client.query<{ entries: TotalsEntry[]; released: boolean }>({
    name: 'payment-view',
    text: `SELECT coalesce((SELECT jsonb_agg(entry ORDER BY version) FROM payment_transitions, jsonb_array_elements(entries) AS entry
                            WHERE payment_id = $1), '[]') AS entries,
                  EXISTS (SELECT FROM payment_operations WHERE payment_id = $1 AND operation = 'release' AND answered_at IS NOT NULL) AS released`,
    values: [donationId],
  });
  const { entries, released } = rows[0] ?? { entries: [], released: false };
  const closedWithoutMoney = facts.closed !== null && facts.capturedMinor === 0;
  const pending = payment.refunds.filter(({ status }) => status === 'pending');
  return {
    status: statusOf(facts),
    version,
    failureCode: closedWithoutMoney ? facts.closed.code : null,
    needsRelease: closedWithoutMoney && providerPaymentId !== null && !released,
    lateMoneyUndecided: payment.lateMoney === 'undecided',
    refundsToMake: pending.filter((refund) => refund.providerRefundId === null).map(({ id }) => id),
    refundsUnderWay: pending.filter((refund) => refund.providerRefundId !== null).length,
    entries,
  };
}

/** The payment as it is now, without changing it. */
export async function currentView(pool: Pool, donationId: string): Promise<PaymentView> {
  return await transaction(pool, async (client) => {
    const payment = await lockPayment(client, donationId);
    if (payment === null) throw new Error(`payment ${donationId} does not exist`);
    return await viewOf(client, payment);
  });
}
