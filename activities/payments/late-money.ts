/** Money that came although nobody waits for it any more: kept, or on its way back; decided once, and told. */
import { createHash } from 'node:crypto';
import type { ClientBase, Pool } from 'pg';
import { uuidV8 } from '../../domain/ids.ts';
import { refundableMinor } from '../../domain/payment.ts';
import { insertOutboxEvents } from '../../events/outbox.ts';
import { transaction } from '../../platform/postgres.ts';
import type { PaymentView } from '../../workflows/ports.ts';
import { lockPayment, type Payment } from './book/payment.ts';
import { requestRefund } from './book/refund-requests.ts';
import { viewOf } from './book/view.ts';

/** Who cancelled wants nothing taken, whatever the campaign says. */
const CANCELLED: ReadonlySet<string> = new Set(['cancelled_by_donor', 'cancelled_by_operator']);

/**
 * `keep`: the campaign is open and nobody has cancelled. A capture that was not late is decided here, too, when the
 * donor's cancel had won over it. Repeating changes nothing.
 */
export async function settleLateMoney(
  pool: Pool,
  {
    donationId,
    keep,
    reason,
  }: { readonly donationId: string; readonly keep: boolean; readonly reason: string },
): Promise<PaymentView> {
  return await transaction(pool, async (client) => {
    const payment = await lockPayment(client, donationId);
    if (payment === null) throw new Error(`payment ${donationId} does not exist`);
    const open = payment.lateMoney === 'undecided' || (payment.lateMoney === null && !keep);
    if (!open || payment.facts.capturedMinor === 0) return await viewOf(client, payment);
    const kept = keep && !CANCELLED.has(payment.facts.closed?.code ?? '');
    return await viewOf(
      client,
      kept ? await keepIt(client, payment) : await giveBack(client, payment, reason),
    );
  });
}

async function keepIt(client: ClientBase, payment: Payment): Promise<Payment> {
  return await decide(client, payment, 'kept', payment.facts.capturedMinor);
}

/** All that is left of it: what was given back meanwhile is not given back twice. */
async function giveBack(client: ClientBase, payment: Payment, reason: string): Promise<Payment> {
  const amountMinor = refundableMinor(payment.facts);
  if (amountMinor === 0) return await decide(client, payment, 'refunded', payment.facts.capturedMinor);
  const requested = await requestRefund(client, payment, {
    refundId: uuidV8(createHash('sha256').update(`late-money:${payment.donationId}`).digest()),
    amountMinor,
    requestedBy: `policy:${reason}`,
    reason: null,
    key: null,
  });
  // A bank is deciding about it; once it has, the question comes up again.
  if (requested.kind === 'refused') return payment;
  return await decide(client, requested.payment, 'refunded', amountMinor);
}

async function decide(
  client: ClientBase,
  payment: Payment,
  lateMoney: 'kept' | 'refunded',
  amount: number,
): Promise<Payment> {
  const { donationId, campaignId, version, facts } = payment;
  await client.query('UPDATE payments SET late_money = $2, updated_at = now() WHERE id = $1', [
    donationId,
    lateMoney,
  ]);
  await insertOutboxEvents(client, [
    {
      type: `late_capture.${lateMoney}.v1`,
      aggregateId: donationId,
      version,
      payload: { donationId, campaignId, amount, currency: facts.currency, version },
    },
  ]);
  return { ...payment, lateMoney };
}
