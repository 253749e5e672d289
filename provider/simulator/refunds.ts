import type { z } from 'zod';
import { executedError, invalidParameter, missingParameter, noSuch } from './errors.ts';
import type { Answer } from './errors.ts';
import type { refundParams } from './params.ts';
import { newId } from './records.ts';
import type { RefundRecord } from './records.ts';
import type { Work } from './work.ts';

/** https://docs.stripe.com/refunds: at most what was captured and not yet refunded. */
export function createRefund(work: Work, params: z.output<typeof refundParams>): Answer {
  const { store } = work;
  const chargeId = params.charge ?? store.intents.get(params.payment_intent ?? '')?.latestCharge;
  if (params.charge === undefined && params.payment_intent === undefined)
    return missingParameter('payment_intent');
  const charge = store.charges.get(chargeId ?? '');
  const intent = store.intents.get(charge?.intentId ?? '');
  if (charge === undefined || intent === undefined) {
    const asked = params.charge ?? params.payment_intent ?? '';
    return noSuch(params.charge ? 'charge' : 'payment_intent', asked, {
      status: 404,
      param: 'payment_intent',
    });
  }
  const left = charge.amountCaptured - charge.amountRefunded;
  if (left === 0) {
    return executedError(400, {
      type: 'invalid_request_error',
      code: charge.captured ? 'charge_already_refunded' : 'charge_not_refundable',
      message: `Charge ${charge.id} has nothing left to refund.`,
    });
  }
  const amount = params.amount ?? left;
  if (amount < 1) return invalidParameter('amount', 'Invalid positive integer', 'parameter_invalid_integer');
  if (amount > left) {
    return executedError(400, {
      type: 'invalid_request_error',
      message: `Refund amount (${amount}) is greater than unrefunded amount on charge (${left})`,
      param: 'amount',
    });
  }
  const refund: RefundRecord = {
    id: newId('re'),
    created: work.nowSeconds,
    intentId: intent.id,
    chargeId: charge.id,
    status: 'succeeded',
    amount,
    currency: charge.currency,
    reason: params.reason ?? null,
    metadata: params.metadata ?? {},
  };
  work.effect('refunded', intent, { amount, chargeId: charge.id, refundId: refund.id });
  const rendered = work.saveRefund(refund, 'refund.created');
  work.saveCharge({ ...charge, amountRefunded: charge.amountRefunded + amount }, 'charge.refunded');
  return { status: 200, body: rendered, executed: true };
}

/** The donor's bank sent it back: the money is ours again. */
export function failRefund(work: Work, refund: RefundRecord): Answer {
  const intent = work.store.intents.get(refund.intentId);
  const charge = work.store.charges.get(refund.chargeId);
  if (refund.status === 'failed' || intent === undefined || charge === undefined) {
    return invalidParameter('refund', 'This refund cannot fail any more.');
  }
  work.effect('refund_failed', intent, { amount: refund.amount, chargeId: charge.id, refundId: refund.id });
  work.saveCharge({ ...charge, amountRefunded: charge.amountRefunded - refund.amount });
  const rendered = work.saveRefund({ ...refund, status: 'failed' }, 'refund.failed', 'charge.refund.updated');
  return { status: 200, body: rendered, executed: true };
}
