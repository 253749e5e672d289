import { Stripe } from 'stripe';
import type {
  OurFaultAnswer,
  ProviderAnswer,
  ProviderRefundAnswer,
  UnknownAnswer,
  UnknownReason,
} from '../port.ts';
import type { CallContext } from './http-client.ts';
import { toProviderPayment } from './translate.ts';

const MAX_RETRY_AFTER_MS = 3_600_000;

/** https://docs.stripe.com/error-codes: the object is in another state than the operation needs. */
const WRONG_STATE_CODES: ReadonlySet<string> = new Set([
  'payment_intent_unexpected_state',
  'intent_invalid_state',
  'charge_already_captured',
  'charge_expired_for_capture',
]);

const OUR_FAULT_STATUSES: ReadonlySet<number> = new Set([400, 401, 403, 404]);

export function unknown(reason: UnknownReason, context: CallContext): UnknownAnswer {
  return {
    kind: 'unknown',
    reason,
    retryAfterMs: retryAfterMs(context.headers['retry-after']),
    replayed: isReplayed(context),
  };
}

/** The charge as it is cannot be refunded, or not by that much. */
const REFUSED_REFUND_CODES: ReadonlySet<string> = new Set([
  'charge_already_refunded',
  'charge_disputed',
  'charge_not_refundable',
  'refund_disputed_payment',
  'amount_too_large',
]);

/** Two refusals that Stripe sends without a code; reworded, they would be our fault, which a person looks at. */
const REFUSED_REFUND_MESSAGES = [
  { param: 'amount', pattern: /^Refund amount .* is greater than /, code: 'amount_too_large' },
  { param: 'payment_intent', pattern: /successful charge to refund/, code: 'charge_not_refundable' },
] as const;

/** What an error of the SDK proves about a refund. */
export function answerOfRefundError(
  error: unknown,
  context: CallContext,
): Exclude<ProviderRefundAnswer, { kind: 'yes' }> {
  if (error instanceof Stripe.errors.StripeError && error.statusCode === 400) {
    const code = refusalOfRefund(error);
    if (code !== null) return { kind: 'refused', code, message: error.message };
    if (error.code !== 'rate_limit') return ourFault(400, error, context);
  }
  return withoutPayment(answerOfError(error, context), context);
}

function refusalOfRefund(error: InstanceType<typeof Stripe.errors.StripeError>): string | null {
  const { code, param, message } = error;
  if (code) return REFUSED_REFUND_CODES.has(code) ? code : null;
  const refusal = REFUSED_REFUND_MESSAGES.find(
    (known) => known.param === param && known.pattern.test(message),
  );
  return refusal?.code ?? null;
}

/** For calls that know no decline and no state of a payment: such an answer is not one to them. */
export function withoutPayment(
  answer: Exclude<ProviderAnswer, { kind: 'yes' }>,
  context: CallContext,
): OurFaultAnswer | UnknownAnswer {
  return answer.kind === 'our_fault' || answer.kind === 'unknown' ? answer : unknown('garbage', context);
}

/** What an error of the SDK proves. A status or code that nobody documented proves nothing. */
export function answerOfError(
  error: unknown,
  context: CallContext,
): Exclude<ProviderAnswer, { kind: 'yes' }> {
  if (!(error instanceof Stripe.errors.StripeError)) throw error;
  if (error instanceof Stripe.errors.StripeConnectionError) {
    return unknown(context.timedOut ? 'timeout' : 'connection', context);
  }
  const status = error.statusCode;
  if (status === undefined) return unknown('garbage', context);
  if (status >= 500) return unknown('server_error', context);
  if (status === 409) return unknown('in_use', context);
  if (status === 429 || error.code === 'rate_limit') return unknown('rate_limited', context);
  if (status === 402) return answerOfDecline(error, context);
  if (error.code !== undefined && status === 400 && WRONG_STATE_CODES.has(error.code)) {
    return { kind: 'wrong_state', payment: toProviderPayment(error.payment_intent) };
  }
  if (OUR_FAULT_STATUSES.has(status)) return ourFault(status, error, context);
  return unknown('garbage', context);
}

function answerOfDecline(
  error: InstanceType<typeof Stripe.errors.StripeError>,
  context: CallContext,
): Exclude<ProviderAnswer, { kind: 'yes' }> {
  const code = error.decline_code || error.code;
  if (error.rawType !== 'card_error' || !code) return unknown('garbage', context);
  return { kind: 'declined', code, payment: toProviderPayment(error.payment_intent) };
}

function ourFault(
  status: number,
  error: InstanceType<typeof Stripe.errors.StripeError>,
  context: CallContext,
): OurFaultAnswer {
  return {
    kind: 'our_fault',
    status,
    code: error.code ?? error.rawType ?? `http_${status}`,
    message: error.message,
    replayed: isReplayed(context),
  };
}

function isReplayed({ headers }: CallContext): boolean {
  return headers['idempotent-replayed'] === 'true';
}

/** Seconds or an HTTP date (RFC 9110, 10.2.3); at most an hour. */
function retryAfterMs(header: string | undefined): number | null {
  if (header === undefined) return null;
  const ms = /^\d+$/.test(header) ? Number(header) * 1000 : Date.parse(header) - Date.now();
  return Number.isNaN(ms) ? null : Math.min(Math.max(ms, 0), MAX_RETRY_AFTER_MS);
}
