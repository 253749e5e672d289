import type { CardError, ChargeRecord, IntentRecord, StripeObject } from './records.ts';

/** Stripe's own shapes, https://docs.stripe.com/api, as of this version. */
export const API_VERSION = '2026-10-28.endive';

export function renderIntent(intent: IntentRecord, livemode: boolean): StripeObject {
  return {
    id: intent.id,
    object: 'payment_intent',
    allowed_payment_method_types: ['card'],
    amount: intent.amount,
    amount_capturable: intent.amountCapturable,
    amount_details: { tip: {} },
    amount_received: intent.amountReceived,
    application: null,
    application_fee_amount: null,
    automatic_payment_methods: null,
    canceled_at: intent.canceledAt,
    cancellation_reason: intent.cancellationReason,
    capture_method: intent.captureMethod,
    client_secret: intent.clientSecret,
    confirmation_method: 'automatic',
    created: intent.created,
    currency: intent.currency,
    customer: null,
    description: intent.description,
    last_payment_error: intent.lastError && renderCardError(intent.lastError),
    latest_charge: intent.latestCharge,
    livemode,
    metadata: intent.metadata,
    next_action: intent.status === 'requires_action' ? nextActionOf(intent) : null,
    on_behalf_of: null,
    payment_method: intent.paymentMethod,
    payment_method_options: {
      card: { installments: null, mandate_options: null, network: null, request_three_d_secure: 'automatic' },
    },
    payment_method_types: ['card'],
    processing: null,
    receipt_email: null,
    review: null,
    setup_future_usage: null,
    shipping: null,
    source: null,
    statement_descriptor: null,
    statement_descriptor_suffix: null,
    status: intent.status,
    transfer_data: null,
    transfer_group: null,
  };
}

/** https://docs.stripe.com/payments/3d-secure: a browser goes on from here, with the client secret. */
function nextActionOf({ id }: IntentRecord): StripeObject {
  const source = id.replace(/^pi_/, 'src_');
  return { type: 'use_stripe_sdk', use_stripe_sdk: { type: 'three_d_secure_redirect', source } };
}

export function renderCardError(error: CardError): StripeObject {
  return {
    ...(error.charge === null ? {} : { charge: error.charge }),
    code: error.code,
    ...(error.declineCode === null ? {} : { decline_code: error.declineCode }),
    doc_url: `https://stripe.com/docs/error-codes/${error.code.replaceAll('_', '-')}`,
    message: error.message,
    payment_method: { id: error.paymentMethod, object: 'payment_method', type: 'card' },
    type: 'card_error',
  };
}

export function renderCharge(charge: ChargeRecord, livemode: boolean): StripeObject {
  const failed = charge.status === 'failed';
  return {
    id: charge.id,
    object: 'charge',
    amount: charge.amount,
    amount_captured: charge.amountCaptured,
    amount_refunded: charge.amountRefunded,
    balance_transaction: charge.balanceTransaction,
    captured: charge.captured,
    created: charge.created,
    currency: charge.currency,
    disputed: charge.disputed,
    failure_code: charge.failureCode,
    failure_message: charge.failureMessage,
    livemode,
    metadata: charge.metadata,
    outcome: {
      network_status: failed ? 'declined_by_network' : 'approved_by_network',
      type: failed ? 'issuer_declined' : 'authorized',
    },
    paid: !failed,
    payment_intent: charge.intentId,
    payment_method: charge.paymentMethod,
    refunded: charge.amountRefunded > 0 && charge.amountRefunded === charge.amountCaptured,
    status: charge.status,
  };
}

export function renderEvent(
  event: {
    id: string;
    type: string;
    created: number;
    object: StripeObject;
    /** What `*.updated` events say of the values before. */
    previous: StripeObject | null;
    requestId: string | null;
    idempotencyKey: string | null;
  },
  livemode: boolean,
): StripeObject {
  return {
    id: event.id,
    object: 'event',
    api_version: API_VERSION,
    created: event.created,
    data: {
      object: event.object,
      ...(event.previous === null ? {} : { previous_attributes: event.previous }),
    },
    livemode,
    pending_webhooks: 1,
    request: { id: event.requestId, idempotency_key: event.idempotencyKey },
    type: event.type,
  };
}

export function renderList(url: string, data: readonly StripeObject[], hasMore: boolean): StripeObject {
  return { object: 'list', data, has_more: hasMore, url };
}
