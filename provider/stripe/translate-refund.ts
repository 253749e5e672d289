import { z } from 'zod';
import type { ProviderRefund } from '../port.ts';
import { currency, identifier, minor, reference, referenced, seconds } from './shapes.ts';

/** The fields of Stripe's Refund that we rely on, https://docs.stripe.com/api/refunds/object. */
const refund = z.object({
  object: z.literal('refund'),
  id: identifier,
  status: z.enum(['pending', 'requires_action', 'succeeded', 'failed', 'canceled']),
  amount: minor,
  currency,
  payment_intent: referenced,
  charge: referenced,
  metadata: z.record(z.string(), z.string()).nullish(),
  failure_reason: z.string().nullish(),
  created: seconds,
});

/** Null when it is not a Refund as we know it: such an answer proves nothing. */
export function toProviderRefund(value: unknown): ProviderRefund | null {
  const parsed = refund.safeParse(value);
  if (!parsed.success) return null;
  const { data } = parsed;
  return {
    id: data.id,
    status: data.status,
    amountMinor: data.amount,
    currency: data.currency,
    paymentId: reference(data.payment_intent),
    chargeId: reference(data.charge),
    donationId: data.metadata?.['donation_id'] ?? null,
    refundId: data.metadata?.['refund_id'] ?? null,
    failureReason: data.failure_reason ?? null,
    createdAt: data.created,
  };
}
