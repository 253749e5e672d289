/** What `POST /donations/:id/refunds` takes. */
import { z } from 'zod';
import { MAX_MESSAGE_LENGTH } from '../../domain/limits.ts';
import { fingerprintOf } from '../http/idempotency-key.ts';
import { amountMinor, currencyCode } from '../http/openapi/fields.ts';

/** Without an amount, all that is left of the donation. */
export const refundBody = z
  .strictObject({
    amount: amountMinor.optional(),
    currency: currencyCode.optional(),
    reason: z.string().trim().min(1).max(MAX_MESSAGE_LENGTH).optional(),
  })
  .refine((body) => body.amount === undefined || body.currency !== undefined, {
    path: ['currency'],
    message: 'is needed with an amount',
  });

export type RefundBody = z.infer<typeof refundBody>;

/** The donation is part of it: the same key for another donation is another request. */
export function refundFingerprint(donationId: string, body: RefundBody): Buffer {
  return fingerprintOf({ donationId, ...body });
}
