/** What the payments service answers. */
import { z } from 'zod';
import { REFUND_RANK, type RefundStatus } from '../../domain/payment.ts';
import { amountMinor, currencyCode, pageOf, time } from '../http/openapi/fields.ts';

export const receivedAnswer = z.object({ received: z.literal(true) }).meta({ id: 'Received' });

export const refundAnswer = z
  .object({
    id: z.uuid(),
    donationId: z.uuid(),
    amount: amountMinor,
    currency: currencyCode,
    status: z.enum(Object.keys(REFUND_RANK) as RefundStatus[]),
    requestedBy: z.string(),
    createdAt: time,
    reason: z.string().optional(),
    failure: z.object({ code: z.string() }).optional(),
  })
  .meta({ id: 'Refund' });

export const refundsAnswer = pageOf('Refunds', refundAnswer);

const count = z.int().min(0);
const what = {
  class: z.string().meta({ examples: ['AMOUNT'] }),
  subject: z.string().meta({ description: 'A provider object, a donation, a campaign: what differs.' }),
  donationId: z.uuid().nullable(),
  providerPaymentId: z.string().nullable(),
  providerRefundId: z.string().nullable(),
  expected: z.unknown().meta({ description: 'Ours.' }),
  found: z.unknown().meta({ description: 'The other side’s.' }),
};

export const reviewAnswer = z
  .object({ id: z.uuid(), ...what, firstSeenAt: time, lastSeenAt: time, ageSeconds: z.int() })
  .meta({ id: 'Review' });

export const reviewsAnswer = pageOf('Reviews', reviewAnswer);

export const reconciliationAnswer = z
  .object({
    schema: z.literal('careforall.reconciliation.v1'),
    run: z.object({
      id: z.uuid(),
      kind: z.string(),
      dryRun: z.boolean(),
      from: time,
      startedAt: time,
      finishedAt: time.nullable(),
      status: z.string(),
      counts: z
        .object({
          examined: count,
          findings: count,
          repaired: count,
          unrepaired: count,
          openReviews: count,
        })
        .partial(),
    }),
    classes: z.record(z.string(), count).meta({ description: 'How many findings of each class.' }),
    findings: z.array(z.object({ ...what, action: z.string(), foundAt: time, repairedAt: time.nullable() })),
    reviews: z.array(reviewAnswer).meta({ description: 'All that is open, oldest first.' }),
  })
  .meta({ id: 'ReconciliationReport' });
