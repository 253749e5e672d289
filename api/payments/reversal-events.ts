/** Which payment a refund's or dispute's event is about, and whether it can tell anything that we don't know. */
import type { Pool } from 'pg';
import type { PaymentProvider } from '../../provider/port.ts';
import { readReversalHint, type ReversalHint } from '../../provider/stripe/reversal-hint.ts';

const REVERSAL = /^(charge\.refunded$|charge\.refund\.|refund\.|charge\.dispute\.)/;

/** https://docs.stripe.com/api/events/types: money that goes back, or may. */
export function isReversal(eventType: string): boolean {
  return REVERSAL.test(eventType);
}

/** What the event claims; its payment is asked of the provider when it names neither payment nor charge. */
export async function readHint(
  pool: Pool,
  provider: Pick<PaymentProvider, 'retrieveRefund' | 'retrieveDispute'>,
  eventId: string,
): Promise<ReversalHint | null> {
  const { rows } = await pool.query<{ payload: string }>(
    'SELECT payload FROM webhook_events WHERE event_id = $1',
    [eventId],
  );
  const hint = readReversalHint(rows[0]?.payload ?? 'null');
  if (hint === null || hint.kind === 'charge' || hint.paymentId !== null || hint.chargeId !== null)
    return hint;
  return { ...hint, ...(await askPayment(provider, hint)) };
}

async function askPayment(
  provider: Pick<PaymentProvider, 'retrieveRefund' | 'retrieveDispute'>,
  { kind, objectId }: ReversalHint,
): Promise<Pick<ReversalHint, 'paymentId' | 'chargeId'>> {
  if (kind === 'refund') {
    const answer = await provider.retrieveRefund(objectId);
    if (answer.kind === 'yes') return answer.refund;
    if (answer.kind === 'unknown')
      throw new Error(`refund ${objectId} cannot be read yet (${answer.reason})`);
  } else {
    const answer = await provider.retrieveDispute(objectId);
    if (answer.kind === 'yes') return answer.dispute;
    if (answer.kind === 'unknown')
      throw new Error(`dispute ${objectId} cannot be read yet (${answer.reason})`);
  }
  return { paymentId: null, chargeId: null };
}

/** Spares a workflow for what our own refunds cause: the provider tells of each of them three or four times. */
export async function claimsNothingNew(pool: Pool, paymentId: string, hint: ReversalHint): Promise<boolean> {
  switch (hint.kind) {
    case 'refund':
      return await refundIsKnown(pool, hint);
    case 'dispute':
      return await disputeIsKnown(pool, hint);
    case 'charge': {
      const { rows } = await pool.query<{ refunded: number }>('SELECT refunded FROM payments WHERE id = $1', [
        paymentId,
      ]);
      return hint.refundedMinor !== null && rows[0]?.refunded === hint.refundedMinor;
    }
    default:
      return hint.kind satisfies never;
  }
}

async function refundIsKnown(pool: Pool, { objectId, status }: ReversalHint): Promise<boolean> {
  const { rows } = await pool.query<{ known: boolean }>(
    `SELECT refund_rank(status) >= refund_rank(CASE $2 WHEN 'requires_action' THEN 'pending' WHEN 'canceled' THEN 'failed' ELSE $2 END) AS known
     FROM refunds WHERE provider_refund_id = $1`,
    [objectId, status],
  );
  return rows[0]?.known === true;
}

const DISPUTE_CLAIMS: Readonly<Record<string, string>> = {
  needs_response: 'opened',
  under_review: 'opened',
  won: 'won',
  lost: 'lost',
};

async function disputeIsKnown(pool: Pool, { objectId, status }: ReversalHint): Promise<boolean> {
  const claims = DISPUTE_CLAIMS[status ?? ''];
  if (claims === undefined) return false;
  const { rowCount } = await pool.query(
    `SELECT FROM disputes WHERE provider_dispute_id = $1 AND (status = $2 OR $2 = 'opened')`,
    [objectId, claims],
  );
  return rowCount === 1;
}
