/** Refunds are decided here, under the payment's lock; the provider is asked afterwards, by aftercare. */
import { randomUUID } from 'node:crypto';
import type { ClientBase } from 'pg';
import { refusalOfRefund } from '../../../domain/payment.ts';
import { activeTraceparent } from '../../../platform/telemetry.ts';
import { applyEvents } from './facts.ts';
import type { Payment, RefundRow } from './payment.ts';

export type RefundRequest = {
  readonly refundId: string;
  readonly amountMinor: number;
  /** `operator:<id>`, `organizer:<id>`, or `policy:<why>`; `operator` alone before operators had accounts. */
  readonly requestedBy: string;
  readonly reason: string | null;
  /** Of the HTTP request; null for what a policy asks for. */
  readonly key: {
    readonly scope: string;
    readonly idempotencyKey: string;
    readonly fingerprint: Buffer;
  } | null;
};

export type RefundDecision =
  | { readonly kind: 'requested'; readonly payment: Payment }
  | { readonly kind: 'refused'; readonly code: NonNullable<ReturnType<typeof refusalOfRefund>> };

/** Reserves the amount and leaves the command for aftercare, all within the caller's transaction. */
export async function requestRefund(
  client: ClientBase,
  locked: Payment,
  request: RefundRequest,
): Promise<RefundDecision> {
  const { refundId, amountMinor, requestedBy, reason, key } = request;
  const refusal = refusalOfRefund(locked.facts, amountMinor);
  if (refusal !== null) return { kind: 'refused', code: refusal };
  await client.query(
    `INSERT INTO refunds (id, payment_id, amount, status, requested_by, reason, scope, idempotency_key, fingerprint)
     VALUES ($1, $2, $3, 'pending', $4, $5, $6, $7, $8)`,
    [
      refundId,
      locked.donationId,
      amountMinor,
      requestedBy,
      reason,
      key?.scope ?? null,
      key?.idempotencyKey ?? null,
      key?.fingerprint ?? null,
    ],
  );
  const row: RefundRow = { id: refundId, providerRefundId: null, amountMinor, status: 'pending' };
  const payment = await applyEvents(
    client,
    { ...locked, refunds: [...locked.refunds, row] },
    [{ type: 'refund', refundId, amountMinor, status: 'pending' }],
    { text: `request:${requestedBy}` },
  );
  await insertCommand(client, locked.donationId, 'refund');
  return { kind: 'requested', payment };
}

/** Tells the payment's aftercare that there is something to do. */
export async function insertCommand(
  client: ClientBase,
  paymentId: string,
  type: 'refund' | 'look',
): Promise<void> {
  await client.query(
    'INSERT INTO workflow_commands (id, payment_id, type, traceparent) VALUES ($1, $2, $3, $4)',
    [randomUUID(), paymentId, type, activeTraceparent()],
  );
}
