import { z } from 'zod';
import type { ProviderPayment } from '../port.ts';

const minor = z.int().nonnegative();

/** The fields of Stripe's PaymentIntent that we rely on; anything else in it may change freely. */
const paymentIntent = z.object({
  object: z.literal('payment_intent'),
  id: z.string().regex(/^pi_[A-Za-z0-9_]{1,250}$/),
  status: z.enum([
    'requires_payment_method',
    'requires_confirmation',
    'requires_action',
    'processing',
    'requires_capture',
    'canceled',
    'succeeded',
  ]),
  amount: minor,
  currency: z.string().regex(/^[A-Za-z]{3}$/),
  amount_capturable: minor,
  amount_received: minor,
  metadata: z.record(z.string(), z.string()),
  last_payment_error: z.object({ code: z.string().nullish(), decline_code: z.string().nullish() }).nullable(),
  cancellation_reason: z.string().nullable(),
  livemode: z.boolean(),
  created: z.int().positive(),
});

const list = z.object({ data: z.array(z.unknown()), has_more: z.boolean() });

/** Null when it is not a PaymentIntent as we know it: such an answer proves nothing. */
export function toProviderPayment(value: unknown): ProviderPayment | null {
  const parsed = paymentIntent.safeParse(value);
  if (!parsed.success) return null;
  const intent = parsed.data;
  return {
    id: intent.id,
    status: intent.status,
    amountMinor: intent.amount,
    currency: intent.currency.toUpperCase(),
    amountCapturableMinor: intent.amount_capturable,
    amountReceivedMinor: intent.amount_received,
    donationId: intent.metadata['donation_id'] ?? null,
    campaignId: intent.metadata['campaign_id'] ?? null,
    lastErrorCode: intent.last_payment_error?.decline_code ?? intent.last_payment_error?.code ?? null,
    cancellationReason: intent.cancellation_reason,
    livemode: intent.livemode,
    createdAt: new Date(intent.created * 1000),
  };
}

/** Null when one entry is unreadable: a page with a hole in it would hide a payment. */
export function toProviderPage(value: unknown): { payments: ProviderPayment[]; hasMore: boolean } | null {
  const parsed = list.safeParse(value);
  if (!parsed.success) return null;
  const payments: ProviderPayment[] = [];
  for (const entry of parsed.data.data) {
    const payment = toProviderPayment(entry);
    if (payment === null) return null;
    payments.push(payment);
  }
  return { payments, hasMore: parsed.data.has_more };
}
