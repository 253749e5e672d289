import { z } from 'zod';
import type { ProviderFee, ProviderPayment } from '../port.ts';
import { currency, identifier, minor, reference, seconds } from './shapes.ts';

/** A bare id unless the request expanded it, and not even then by every server that speaks this API. */
const latestCharge = z.union([
  identifier,
  z.object({
    id: identifier,
    balance_transaction: z.union([z.string(), z.object({ fee: minor, currency })]).nullish(),
  }),
]);

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
  currency,
  amount_capturable: minor,
  amount_received: minor,
  metadata: z.record(z.string(), z.string()),
  last_payment_error: z.object({ code: z.string().nullish(), decline_code: z.string().nullish() }).nullable(),
  cancellation_reason: z.string().nullable(),
  livemode: z.boolean(),
  latest_charge: latestCharge.nullish(),
  created: seconds,
});

const clientSecret = z.object({
  object: z.literal('payment_intent'),
  id: z.string(),
  client_secret: z.string().min(1).nullish(),
});

/** Null when it is not a PaymentIntent as we know it: such an answer proves nothing. */
export function toProviderPayment(value: unknown): ProviderPayment | null {
  const parsed = paymentIntent.safeParse(value);
  if (!parsed.success) return null;
  const intent = parsed.data;
  return {
    id: intent.id,
    status: intent.status,
    amountMinor: intent.amount,
    currency: intent.currency,
    amountCapturableMinor: intent.amount_capturable,
    amountReceivedMinor: intent.amount_received,
    donationId: intent.metadata['donation_id'] ?? null,
    campaignId: intent.metadata['campaign_id'] ?? null,
    lastErrorCode: intent.last_payment_error?.decline_code ?? intent.last_payment_error?.code ?? null,
    cancellationReason: intent.cancellation_reason,
    chargeId: reference(intent.latest_charge),
    fee: feeOf(intent.latest_charge),
    livemode: intent.livemode,
    createdAt: intent.created,
  };
}

function feeOf(charge: z.output<typeof latestCharge> | null | undefined): ProviderFee | null {
  const transaction = typeof charge === 'object' ? charge?.balance_transaction : null;
  if (typeof transaction !== 'object' || transaction === null) return null;
  return { amountMinor: transaction.fee, currency: transaction.currency };
}

/** Undefined when it is not the payment that was asked for. */
export function toClientSecret(value: unknown, paymentId: string): string | null | undefined {
  const parsed = clientSecret.safeParse(value);
  if (!parsed.success || parsed.data.id !== paymentId) return undefined;
  return parsed.data.client_secret ?? null;
}
