/** What `POST /donate` takes, and the rules that decide its answer before anything is stored. */
import { z } from 'zod';
import {
  MAX_EMAIL_LENGTH,
  MAX_MESSAGE_LENGTH,
  MAX_NAME_LENGTH,
  MAX_PAYMENT_METHOD_LENGTH,
} from '../../domain/limits.ts';
import { amountMinor, currencyCode } from '../http/openapi/fields.ts';

export const donateBody = z.strictObject({
  campaignId: z.uuid().toLowerCase(),
  amount: amountMinor,
  currency: currencyCode,
  paymentMethod: z
    .string()
    .max(MAX_PAYMENT_METHOD_LENGTH)
    .regex(/^pm_[A-Za-z0-9_]+$/, 'is not the id of a payment method (pm_…)'),
  donor: z
    .strictObject({
      name: z.string().trim().min(1).max(MAX_NAME_LENGTH).optional(),
      email: z.email().max(MAX_EMAIL_LENGTH).optional(),
      anonymous: z.boolean().default(false),
    })
    .default({ anonymous: false }),
  message: z.string().max(MAX_MESSAGE_LENGTH).optional(),
});

export type DonateBody = z.infer<typeof donateBody>;
