import type { z } from 'zod';
import { executedError, invalidParameter, missingParameter, noSuch } from './errors.ts';
import type { Answer } from './errors.ts';
import type { refundParams } from './params.ts';
import { afterwardsOf } from './payment-methods.ts';
import { newId } from './records.ts';
import type { ChargeRecord, IntentRecord, RefundRecord } from './records.ts';
import type { Work } from './work.ts';

/** https://docs.stripe.com/refunds: at most what was captured and not yet refunded, and nothing of a disputed charge. */
export function createRefund(work: Work, params: z.output<typeof refundParams>): Answer {
  if (params.charge === undefined && params.payment_intent === undefined)
    return missingParameter('payment_intent');
  const named = work.store.intents.get(params.payment_intent ?? '');
  const charge = work.chargeOf(params.charge ?? named?.latestCharge ?? null);
  const intent = named ?? work.store.intents.get(charge?.intentId ?? '');
  if (intent === undefined) {
    const [kind, id] = params.charge ? ['charge', params.charge] : ['payment_intent', params.payment_intent];
    return noSuch(kind ?? '', id ?? '', { status: 404, param: kind ?? '' });
  }
  if (charge === undefined || !charge.captured) {
    const message = `This PaymentIntent (${intent.id}) does not have a successful charge to refund.`;
    return executedError(400, { type: 'invalid_request_error', message, param: 'payment_intent' });
  }
  return refundCharge(work, { intent, charge }, { ...params, status: 'by_card' });
}

export type NewRefund = {
  readonly amount?: number | undefined;
  readonly reason?: string | undefined;
  readonly metadata?: Readonly<Record<string, string>> | undefined;
  /** `by_card` is as the test card of the payment says. */
  readonly status: 'by_card' | 'pending' | 'succeeded';
};

export function refundCharge(
  work: Work,
  { intent, charge }: { readonly intent: IntentRecord; readonly charge: ChargeRecord },
  asked: NewRefund,
): Answer {
  const left = charge.amountCaptured - charge.amountRefunded;
  const amount = asked.amount ?? left;
  const refused = refuseRefund(charge, amount, left);
  if (refused !== null) return refused;
  const afterwards = asked.status === 'by_card' ? afterwardsOf(charge.paymentMethod) : null;
  const pending = asked.status === 'pending' || afterwards === 'refund_pending';
  const refund: RefundRecord = {
    id: newId('re'),
    created: work.nowSeconds,
    intentId: intent.id,
    chargeId: charge.id,
    status: pending ? 'pending' : 'succeeded',
    settlesAs: settlingOf(afterwards),
    amount,
    currency: charge.currency,
    reason: asked.reason ?? null,
    failureReason: null,
    metadata: asked.metadata ?? {},
  };
  const details = { amount, chargeId: charge.id, refundId: refund.id };
  work.effect(pending ? 'refund_pending' : 'refunded', intent, details);
  const rendered = work.saveRefund(refund, 'refund.created');
  work.saveCharge({ ...charge, amountRefunded: charge.amountRefunded + amount }, 'charge.refunded');
  return { status: 200, body: rendered, executed: true };
}

function settlingOf(afterwards: ReturnType<typeof afterwardsOf>): RefundRecord['settlesAs'] {
  if (afterwards === 'refund_pending') return 'succeeded';
  return afterwards === 'refund_fails' ? 'failed' : null;
}

function refuseRefund(charge: ChargeRecord, amount: number, left: number): Answer | null {
  const refuse = (code: string, message: string): Answer =>
    executedError(400, { type: 'invalid_request_error', code, message });
  if (charge.disputed)
    return refuse('charge_disputed', `Charge ${charge.id} has been charged back; cannot issue a refund.`);
  if (left === 0) return refuse('charge_already_refunded', `Charge ${charge.id} has already been refunded.`);
  if (amount < 1) return invalidParameter('amount', 'Invalid positive integer', 'parameter_invalid_integer');
  if (amount <= left) return null;
  // Stripe sends no code with this one.
  return executedError(400, {
    type: 'invalid_request_error',
    message: `Refund amount (${amount}) is greater than unrefunded amount on charge (${left})`,
    param: 'amount',
  });
}

/** The donor's bank took it. */
export function succeedRefund(work: Work, refund: RefundRecord): Answer {
  const intent = work.store.intents.get(refund.intentId);
  if (refund.status !== 'pending' || intent === undefined)
    return invalidParameter('refund', 'This refund cannot succeed any more.');
  const { amount, chargeId, id: refundId } = refund;
  work.effect('refunded', intent, { amount, chargeId, refundId });
  const succeeded: RefundRecord = { ...refund, status: 'succeeded', settlesAs: null };
  const rendered = work.saveRefund(succeeded, 'refund.updated', 'charge.refund.updated');
  return { status: 200, body: rendered, executed: true };
}

/** The donor's bank sent it back, or never took it: the money is ours again. */
export function failRefund(work: Work, refund: RefundRecord, reason = 'expired_or_canceled_card'): Answer {
  const intent = work.store.intents.get(refund.intentId);
  const charge = work.chargeOf(refund.chargeId);
  const done = refund.status !== 'pending' && refund.status !== 'succeeded';
  if (done || intent === undefined || charge === undefined)
    return invalidParameter('refund', 'This refund cannot fail any more.');
  const { amount, chargeId, id: refundId } = refund;
  work.effect(refund.status === 'succeeded' ? 'refund_failed' : 'refund_dropped', intent, {
    amount,
    chargeId,
    refundId,
    code: reason,
  });
  work.saveCharge({ ...charge, amountRefunded: charge.amountRefunded - amount });
  const failed: RefundRecord = { ...refund, status: 'failed', settlesAs: null, failureReason: reason };
  const rendered = work.saveRefund(failed, 'refund.updated', 'refund.failed', 'charge.refund.updated');
  return { status: 200, body: rendered, executed: true };
}
