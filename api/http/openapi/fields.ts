/** Fields that several services take or give: one schema reads, answers and describes them. */
import { z } from 'zod';
import { DEFAULT_PAGE_SIZE, MAX_AMOUNT_MINOR, MAX_PAGE_SIZE } from '../../../domain/limits.ts';
import { CURRENCY_EXPONENT, isCurrencyCode, type CurrencyCode } from '../../../domain/money.ts';

export const currencyCode = z.custom<CurrencyCode>(isCurrencyCode, 'is not a currency that is taken').meta({
  id: 'CurrencyCode',
  description:
    'ISO 4217, upper case. It decides what a minor unit is: a cent of USD, a whole JPY, a thousandth of a BHD.',
  override: { type: 'string', enum: Object.keys(CURRENCY_EXPONENT) },
});

/** Taken from a request; an answer's own sums may be larger. */
export const amountMinor = z
  .int('is not an integer of minor units, written without fraction or exponent')
  .min(1, 'is less than one minor unit')
  .max(MAX_AMOUNT_MINOR, `is more than ${MAX_AMOUNT_MINOR} minor units`)
  .meta({ description: 'In minor units of `currency`: 2500 is 25.00 USD, 2500 JPY or 2.500 BHD.' });

/** A sum of many. */
export const sumMinor = z.int().min(0).meta({ description: 'In minor units of `currency`.' });

export const version = z.int().min(0).meta({ description: 'Grows with every change, and never falls.' });

export const time = z.iso.datetime({ precision: 3 }).meta({
  description: 'RFC 3339, UTC, to the millisecond.',
  examples: ['2027-01-31T12:00:00.000Z'],
});

/** What every list answers. */
export function pageOf<Item extends z.ZodType>(id: string, item: Item) {
  return z
    .object({
      data: z.array(item),
      nextCursor: z
        .string()
        .nullable()
        .meta({ description: 'Give it back as `cursor` for the next page; null when this was the last.' }),
    })
    .meta({ id });
}

export const pageQuery = z.object({
  limit: z
    .int()
    .min(1)
    .max(MAX_PAGE_SIZE)
    .default(DEFAULT_PAGE_SIZE)
    .meta({ description: 'How many at most.', param: { id: 'Limit' } }),
  cursor: z
    .string()
    .optional()
    .meta({ description: 'The `nextCursor` of the page before.', param: { id: 'Cursor' } }),
});

export const idempotencyKeyHeader = z.string().meta({
  description: [
    'Names this request: the same key with the same body is the same request, however often it is sent, and is answered with',
    'the present state and `Idempotent-Replayed: true`. With another body it is refused (422). 16 to 255 visible ASCII',
    'characters, bare or quoted as in RFC 8941; a random UUID is best, for whoever knows the key can ask for the answer.',
  ].join(' '),
  examples: ['6f1c2a52-2f0e-4b7e-9d8c-3a1f5c9e7b10'],
  override: { minLength: 16 },
  param: { id: 'IdempotencyKey' },
});

export const ifNoneMatch = z
  .string()
  .optional()
  .meta({
    description: 'The `ETag` of the answer that is known: nothing new is 304.',
    examples: ['"201"'],
    param: { id: 'IfNoneMatch' },
  });

export const ifMatch = z
  .string()
  .optional()
  .meta({
    description: 'The `ETag` that was read: if it has changed meanwhile, the change is refused (409).',
    examples: ['"201"'],
    param: { id: 'IfMatch' },
  });
