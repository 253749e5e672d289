/** Refunds made at the provider by hand take the room that refunds asked for here had reserved. */
import { ApplicationFailure } from '@temporalio/common';
import type { ClientBase } from 'pg';
import type { FailureCode } from '../../../domain/failures.ts';
import { refundedMinor, reservedMinor } from '../../../domain/payment.ts';
import { applyEvents, type Cause } from './facts.ts';
import type { Payment, RefundRow } from './payment.ts';

/**
 * Makes room for a refund of this amount that the provider proves: what was asked for here and never sent gives way,
 * the newest first. Throws `refund_in_flight` (retry) while one that was sent has no answer: it may be what took the room.
 */
export async function makeRoom(
  client: ClientBase,
  locked: Payment,
  amountMinor: number,
  cause: Cause,
): Promise<Payment> {
  let payment = locked;
  if (amountMinor <= roomMinor(payment)) return payment;
  const unsent = payment.refunds.filter(
    ({ status, providerRefundId }) => status === 'pending' && providerRefundId === null,
  );
  const sent = await sentOnes(client, payment.donationId);
  for (const refund of unsent.toReversed()) {
    if (amountMinor <= roomMinor(payment)) return payment;
    if (!sent.has(refund.id)) payment = await giveWay(client, payment, refund, cause);
  }
  if (amountMinor > roomMinor(payment) && unsent.some(({ id }) => sent.has(id)))
    throw ApplicationFailure.create({
      type: 'refund_in_flight' satisfies FailureCode,
      message: `a refund of ${payment.donationId} waits for the answer to another one`,
    });
  // What still does not fit exceeds the capture; the caller's own check says so.
  return payment;
}

function roomMinor({ facts }: Payment): number {
  return facts.capturedMinor - refundedMinor(facts) - reservedMinor(facts);
}

async function sentOnes(client: ClientBase, paymentId: string): Promise<ReadonlySet<string>> {
  const { rows } = await client.query<{ refund_id: string }>(
    `SELECT DISTINCT refund_id FROM payment_operations WHERE payment_id = $1 AND refund_id IS NOT NULL AND answered_at IS NULL`,
    [paymentId],
  );
  return new Set(rows.map((row) => row.refund_id));
}

async function giveWay(
  client: ClientBase,
  payment: Payment,
  { id, amountMinor }: RefundRow,
  cause: Cause,
): Promise<Payment> {
  await client.query(`UPDATE refunds SET failure_code = 'superseded' WHERE id = $1`, [id]);
  return await applyEvents(
    client,
    payment,
    [{ type: 'refund', refundId: id, amountMinor, status: 'failed' }],
    cause,
  );
}
