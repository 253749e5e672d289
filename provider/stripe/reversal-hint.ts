/** What a stored, verified event of a refund or dispute claims: enough to find its payment and to see that it is no news. */
import { z } from 'zod';

export type ReversalHint = {
  readonly kind: 'refund' | 'dispute' | 'charge';
  readonly objectId: string;
  readonly paymentId: string | null;
  readonly chargeId: string | null;
  /** As the provider spells it; of a charge, null. */
  readonly status: string | null;
  /** Of a charge: all of its refunds. Minor units. */
  readonly refundedMinor: number | null;
};

/** A hint may be wrong in every field: only what names the object is insisted on. */
const eventBody = z.object({
  data: z.object({
    object: z.object({
      object: z.enum(['refund', 'dispute', 'charge']),
      id: z.string(),
      payment_intent: z.unknown().optional(),
      charge: z.unknown().optional(),
      status: z.unknown().optional(),
      amount_refunded: z.unknown().optional(),
    }),
  }),
});

/** Null for a body of another shape. */
export function readReversalHint(payload: string): ReversalHint | null {
  const parsed = eventBody.safeParse(JSON.parse(payload));
  if (!parsed.success) return null;
  const { object: kind, id, payment_intent: payment, charge, status, ...rest } = parsed.data.data.object;
  const isCharge = kind === 'charge';
  return {
    kind,
    objectId: id,
    paymentId: idOf(payment),
    chargeId: isCharge ? id : idOf(charge),
    status: isCharge || typeof status !== 'string' ? null : status,
    refundedMinor: typeof rest.amount_refunded === 'number' ? rest.amount_refunded : null,
  };
}

/** A reference is an id, or the whole object. */
function idOf(value: unknown): string | null {
  if (typeof value === 'string') return value;
  if (typeof value !== 'object' || value === null || !('id' in value)) return null;
  return typeof value.id === 'string' ? value.id : null;
}
