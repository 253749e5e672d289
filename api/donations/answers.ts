/** What the donations service answers. */
import { z } from 'zod';
import { RANK, type PaymentStatus } from '../../domain/payment.ts';
import { amountMinor, currencyCode, pageOf, time, version } from '../http/openapi/fields.ts';

const STATUSES = Object.keys(RANK) as PaymentStatus[];

export const paymentStatus = z.enum(STATUSES).meta({
  id: 'PaymentStatus',
  description: [
    'INITIATED → AUTHORIZED → CAPTURED → PARTIALLY_REFUNDED → REFUNDED; FAILED and EXPIRED ended without money. A status',
    'only rises, but for a refund that succeeded and then failed.',
  ].join(' '),
});

const failure = z.object({
  code: z.string().meta({
    description: 'A problem code, or the reason in the payment provider’s words.',
    examples: ['cancelled_by_donor', 'card_declined'],
  }),
});

const fields = {
  id: z.uuid(),
  status: paymentStatus,
  campaignId: z.uuid(),
  amount: amountMinor,
  currency: currencyCode,
  version,
  createdAt: time,
  failure: failure.optional(),
  possibleDuplicateOf: z.uuid().optional().meta({
    description: 'The same donor gave the same to the same campaign a moment earlier, with another key.',
  }),
};

export const donationAnswer = z.object(fields).meta({ id: 'Donation' });

export const donationsAnswer = pageOf('Donations', donationAnswer);

export const readDonationAnswer = z
  .object({
    ...fields,
    clientSecret: z.string().optional().meta({
      description: 'While the donor has to act (3-D Secure): what their browser gives to Stripe.js.',
    }),
  })
  .meta({ id: 'ReadDonation' });

export const acceptedDonationAnswer = z
  .object({
    ...fields,
    donorToken: z
      .string()
      .optional()
      .meta({ description: 'For guests: the bearer token that opens this donation. An account needs none.' }),
  })
  .meta({ id: 'AcceptedDonation' });
