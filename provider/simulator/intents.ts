import type { z } from 'zod';
import { disputeByCard } from './disputes.ts';
import { executedError, invalidParameter, noSuch } from './errors.ts';
import type { Answer } from './errors.ts';
import { takeMoney } from './fees.ts';
import type { cancelParams, captureParams, confirmParams, createParams } from './params.ts';
import { GENERIC_DECLINE, behaviourOf } from './payment-methods.ts';
import type { CardBehaviour } from './payment-methods.ts';
import { newId } from './records.ts';
import type { CardError, ChargeRecord, IntentRecord, IntentStatus, StripeObject } from './records.ts';
import { renderCardError, renderIntent } from './render.ts';
import type { Work } from './work.ts';

/** The state machine of https://docs.stripe.com/payments/paymentintents/lifecycle for cards. */

const MAX_AMOUNT = 99_999_999;
const CONFIRMABLE = ['requires_payment_method', 'requires_confirmation', 'requires_action'] as const;
const CAPTURABLE = ['requires_capture'] as const;
const CANCELABLE = [...CONFIRMABLE, ...CAPTURABLE] as const;

export function createIntent(work: Work, params: z.output<typeof createParams>): Answer {
  if (params.amount < 1) {
    return invalidParameter(
      'amount',
      'This value must be greater than or equal to 1.',
      'parameter_invalid_integer',
    );
  }
  if (params.amount > MAX_AMOUNT) {
    return invalidParameter('amount', `Amount must be no more than ${MAX_AMOUNT}`, 'amount_too_large');
  }
  if (params.allowed_payment_method_types && params.automatic_payment_methods) {
    const message = 'allowed_payment_method_types and automatic_payment_methods are mutually exclusive.';
    return invalidParameter('allowed_payment_method_types', message, 'parameters_exclusive');
  }
  const paymentMethod = params.payment_method ?? null;
  if (paymentMethod !== null && behaviourOf(paymentMethod) === null)
    return noSuchPaymentMethod(paymentMethod);
  const amount = work.strikes('wrongAmount') ? params.amount + 1 : params.amount;
  const intent = newIntent(work, {
    amount,
    currency: params.currency,
    captureMethod: params.capture_method === 'manual' ? 'manual' : 'automatic',
    paymentMethod,
    metadata: params.metadata ?? {},
    description: params.description ?? null,
  });
  work.effect('created', intent);
  const created = work.saveIntent(intent, 'payment_intent.created');
  return params.confirm ? confirmIntent(work, intent, {}) : yes(created);
}

export function newIntent(
  work: Work,
  asked: Pick<
    IntentRecord,
    'amount' | 'currency' | 'captureMethod' | 'paymentMethod' | 'metadata' | 'description'
  >,
): IntentRecord {
  const id = newId('pi');
  return {
    ...asked,
    id,
    created: work.nowSeconds,
    status: asked.paymentMethod === null ? 'requires_payment_method' : 'requires_confirmation',
    amountCapturable: 0,
    amountReceived: 0,
    clientSecret: newId(`${id}_secret`),
    latestCharge: null,
    lastError: null,
    canceledAt: null,
    cancellationReason: null,
  };
}

export function confirmIntent(
  work: Work,
  intent: IntentRecord,
  params: z.output<typeof confirmParams>,
): Answer {
  if (!isOneOf(CONFIRMABLE, intent.status)) return unexpectedState(work, intent, 'confirmed', CONFIRMABLE);
  const paymentMethod = params.payment_method ?? intent.paymentMethod;
  if (paymentMethod === null) {
    return stateError(
      work,
      intent,
      "You cannot confirm this PaymentIntent because it's missing a payment method.",
    );
  }
  const behaviour = behaviourOf(paymentMethod);
  if (behaviour === null) return noSuchPaymentMethod(paymentMethod);
  if (behaviour.kind === 'decline') return decline(work, intent, paymentMethod, behaviour);
  if (work.strikes('decline')) return decline(work, intent, paymentMethod, GENERIC_DECLINE);
  if (behaviour.kind === 'authenticate') {
    const waiting: IntentRecord = { ...intent, paymentMethod, status: 'requires_action', lastError: null };
    work.effect('action_required', waiting);
    return yes(work.saveIntent(waiting, 'payment_intent.requires_action'));
  }
  if (work.strikes('processing')) {
    const waiting: IntentRecord = { ...intent, paymentMethod, status: 'processing', lastError: null };
    work.effect('processing', waiting);
    return yes(work.saveIntent(waiting, 'payment_intent.processing'));
  }
  return authorizeIntent(work, intent, paymentMethod);
}

/** The bank said yes: at confirm, or after the donor authenticated. */
export function authorizeIntent(work: Work, intent: IntentRecord, paymentMethod: string): Answer {
  const manual = intent.captureMethod === 'manual';
  const charge = newCharge(work, intent, paymentMethod, null);
  const paid: IntentRecord = {
    ...intent,
    paymentMethod,
    status: manual ? 'requires_capture' : 'succeeded',
    amountCapturable: manual ? intent.amount : 0,
    amountReceived: manual ? 0 : intent.amount,
    latestCharge: charge.id,
    lastError: null,
  };
  work.effect('authorized', paid);
  if (!manual) work.effect('captured', paid);
  work.saveCharge(manual ? charge : takeMoney(work, charge, charge.amount), 'charge.succeeded');
  const rendered = work.saveIntent(
    paid,
    manual ? 'payment_intent.amount_capturable_updated' : 'payment_intent.succeeded',
  );
  if (!manual) disputeByCard(work, paid);
  return yes(rendered);
}

export function decline(
  work: Work,
  intent: IntentRecord,
  paymentMethod: string,
  behaviour: Extract<CardBehaviour, { kind: 'decline' }>,
): Answer {
  const charge = newCharge(work, intent, paymentMethod, behaviour);
  const lastError: CardError = {
    charge: charge.id,
    code: behaviour.code,
    declineCode: behaviour.declineCode,
    message: behaviour.message,
    paymentMethod,
  };
  const declined: IntentRecord = {
    ...intent,
    status: 'requires_payment_method',
    paymentMethod: null,
    latestCharge: charge.id,
    lastError,
  };
  work.effect('declined', declined, { code: behaviour.declineCode ?? behaviour.code });
  work.saveCharge(charge, 'charge.failed');
  const rendered = work.saveIntent(declined, 'payment_intent.payment_failed');
  return executedError(402, {
    ...renderCardError(lastError),
    type: 'card_error',
    message: behaviour.message,
    payment_intent: rendered,
  });
}

export function captureIntent(
  work: Work,
  intent: IntentRecord,
  params: z.output<typeof captureParams>,
): Answer {
  if (!isOneOf(CAPTURABLE, intent.status)) return unexpectedState(work, intent, 'captured', CAPTURABLE);
  const asked = params.amount_to_capture ?? intent.amountCapturable;
  if (asked < 1 || asked > intent.amountCapturable) {
    return invalidParameter('amount_to_capture', 'The amount must be between 1 and amount_capturable.');
  }
  const amount = asked > 1 && work.strikes('wrongAmount') ? asked - 1 : asked;
  const captured: IntentRecord = {
    ...intent,
    status: 'succeeded',
    amountCapturable: 0,
    amountReceived: amount,
  };
  const charge = work.chargeOf(intent.latestCharge);
  if (charge) work.saveCharge(takeMoney(work, charge, amount), 'charge.captured');
  work.effect('captured', captured, { amount });
  const rendered = work.saveIntent(captured, 'payment_intent.succeeded');
  disputeByCard(work, captured);
  return yes(rendered);
}

export function cancelIntent(
  work: Work,
  intent: IntentRecord,
  params: z.output<typeof cancelParams>,
): Answer {
  if (!isOneOf(CANCELABLE, intent.status)) return unexpectedState(work, intent, 'canceled', CANCELABLE);
  const canceled = canceledIntent(work, intent, params.cancellation_reason ?? null);
  work.effect('canceled', canceled);
  return yes(work.saveIntent(canceled, 'payment_intent.canceled'));
}

/** What the network does to an authorization that nobody captured for seven days; Stripe knows two names for it. */
export function expireIntent(work: Work, intent: IntentRecord, reason: 'expired' | 'automatic'): Answer {
  if (!isOneOf(CAPTURABLE, intent.status)) return unexpectedState(work, intent, 'expired', CAPTURABLE);
  const expired = canceledIntent(work, intent, reason);
  const charge = work.chargeOf(intent.latestCharge);
  if (charge) work.saveCharge(charge, 'charge.expired');
  work.effect('expired', expired);
  return yes(work.saveIntent(expired, 'payment_intent.canceled'));
}

function canceledIntent(work: Work, intent: IntentRecord, cancellationReason: string | null): IntentRecord {
  return {
    ...intent,
    status: 'canceled',
    amountCapturable: 0,
    canceledAt: work.nowSeconds,
    cancellationReason,
  };
}

function newCharge(
  work: Work,
  intent: IntentRecord,
  paymentMethod: string,
  failure: Extract<CardBehaviour, { kind: 'decline' }> | null,
): ChargeRecord {
  return {
    id: newId('ch'),
    created: work.nowSeconds,
    intentId: intent.id,
    status: failure === null ? 'succeeded' : 'failed',
    amount: intent.amount,
    amountCaptured: 0,
    amountRefunded: 0,
    captured: false,
    disputed: false,
    fee: null,
    balanceTransaction: null,
    currency: intent.currency,
    paymentMethod,
    failureCode: failure?.code ?? null,
    failureMessage: failure?.message ?? null,
    metadata: intent.metadata,
  };
}

function yes(body: StripeObject): Answer {
  return { status: 200, body, executed: true };
}

function noSuchPaymentMethod(paymentMethod: string): Answer {
  return noSuch('PaymentMethod', paymentMethod, { status: 400, param: 'payment_method' });
}

function unexpectedState(
  work: Work,
  intent: IntentRecord,
  verb: string,
  allowed: readonly IntentStatus[],
): Answer {
  const message =
    `This PaymentIntent could not be ${verb} because it has a status of ${intent.status}. ` +
    `Only a PaymentIntent with one of the following statuses may be ${verb}: ${allowed.join(', ')}.`;
  return stateError(work, intent, message);
}

function stateError(work: Work, intent: IntentRecord, message: string): Answer {
  return executedError(400, {
    type: 'invalid_request_error',
    code: 'payment_intent_unexpected_state',
    message,
    payment_intent: renderIntent(intent, work.livemode),
  });
}

function isOneOf(statuses: readonly IntentStatus[], status: IntentStatus): boolean {
  return statuses.includes(status);
}
