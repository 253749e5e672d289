import { z } from 'zod';
import type { ProviderDispute, ProviderDisputeStatus } from '../port.ts';
import { currency, identifier, minor, reference, referenced, seconds } from './shapes.ts';

/** The fields of Stripe's Dispute that we rely on, https://docs.stripe.com/api/disputes/object. */
const dispute = z.object({
  object: z.literal('dispute'),
  id: identifier,
  status: z.enum([
    'warning_needs_response',
    'warning_under_review',
    'warning_closed',
    'needs_response',
    'under_review',
    'appeal_needs_response',
    'appeal_under_review',
    'prevented',
    'won',
    'lost',
  ]),
  amount: minor,
  currency,
  payment_intent: referenced,
  charge: referenced,
  reason: z.string().nullish(),
  balance_transactions: z.array(z.object({ amount: z.int() })).nullish(),
  created: seconds,
});

/** Null when it is not a Dispute as we know it: such an answer proves nothing. */
export function toProviderDispute(value: unknown): ProviderDispute | null {
  const parsed = dispute.safeParse(value);
  if (!parsed.success) return null;
  const { data } = parsed;
  const status = statusOf(data);
  if (status === null) return null;
  return {
    id: data.id,
    status,
    amountMinor: data.amount,
    currency: data.currency,
    paymentId: reference(data.payment_intent),
    chargeId: reference(data.charge),
    reason: data.reason ?? null,
    createdAt: data.created,
  };
}

function statusOf({
  status,
  balance_transactions: movements,
}: z.output<typeof dispute>): ProviderDisputeStatus | null {
  switch (status) {
    case 'warning_needs_response':
    case 'warning_under_review':
    case 'warning_closed':
      return 'inquiry';
    case 'needs_response':
    case 'under_review':
    case 'appeal_needs_response':
    case 'appeal_under_review':
      return 'opened';
    case 'prevented':
      // Blocked, and the money stays; or resolved by giving it back. Only the movements on our balance tell which.
      if (!movements) return null;
      return movements.reduce((sum, { amount }) => sum + amount, 0) < 0 ? 'lost' : 'won';
    case 'won':
    case 'lost':
      return status;
    default:
      return status satisfies never;
  }
}
