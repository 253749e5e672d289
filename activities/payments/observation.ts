/** From the provider's object to what it proves, and to whether it is the payment we asked for. */
import type { PaymentEvent } from '../../domain/payment.ts';
import type { ProviderPayment } from '../../provider/port.ts';
import type { Payment } from './book/payment.ts';

/** Reasons by which Stripe itself ends an authorization that nobody captured. */
const EXPIRY_REASONS: ReadonlySet<string> = new Set(['automatic', 'expired']);

/** `releaseCode` is why we cancelled, where it was us. https://docs.stripe.com/payments/paymentintents/lifecycle */
export function eventsProvenBy(object: ProviderPayment, releaseCode: string | null = null): PaymentEvent[] {
  switch (object.status) {
    case 'requires_capture':
      return [{ type: 'authorized' }];
    case 'succeeded':
      return [{ type: 'captured', amountMinor: object.amountReceivedMinor }];
    case 'canceled':
      if (object.cancellationReason !== null && EXPIRY_REASONS.has(object.cancellationReason))
        return [{ type: 'expired' }];
      if (releaseCode === 'abandoned') return [{ type: 'expired', code: 'abandoned' }];
      return [
        {
          type: 'released',
          code: releaseCode ?? object.lastErrorCode ?? object.cancellationReason ?? 'released',
        },
      ];
    case 'requires_payment_method':
      return object.lastErrorCode === null ? [] : [{ type: 'declined', code: object.lastErrorCode }];
    case 'requires_confirmation':
    case 'requires_action':
    case 'processing':
      return [];
    default:
      return object.status satisfies never;
  }
}

/** Null when the object is ours in every respect; else what differs. */
export function mismatchOf(payment: Payment, object: ProviderPayment): string | null {
  const { facts } = payment;
  if (object.donationId !== payment.donationId)
    return `belongs to donation ${object.donationId ?? 'unknown'}`;
  if (payment.providerPaymentId !== null && object.id !== payment.providerPaymentId)
    return `is another payment (${object.id})`;
  if (object.currency !== facts.currency) return `currency ${object.currency}, pledged ${facts.currency}`;
  if (object.amountMinor !== facts.amountMinor)
    return `amount ${object.amountMinor}, pledged ${facts.amountMinor}`;
  if (object.status === 'succeeded' && object.amountReceivedMinor !== facts.amountMinor) {
    return `received ${object.amountReceivedMinor}, pledged ${facts.amountMinor}`;
  }
  return null;
}
