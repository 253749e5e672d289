import { z } from 'zod';

/** The parts that all of Stripe's objects are made of, checked before anything is believed. */

export const minor = z.int().nonnegative();

/** Upper case from here on. */
export const currency = z
  .string()
  .regex(/^[A-Za-z]{3}$/)
  .transform((code) => code.toUpperCase());

export const identifier = z.string().regex(/^[a-z]{1,16}_[A-Za-z0-9_]{1,250}$/);

/** The id of another object, or the object itself when the account or the request expands it. */
export const referenced = z.union([identifier, z.object({ id: identifier })]).nullish();

export const seconds = z
  .int()
  .positive()
  .max(8_640_000_000_000)
  .transform((at) => new Date(at * 1000));

const list = z.object({ data: z.array(z.unknown()), has_more: z.boolean() });

export function reference(value: string | { readonly id: string } | null | undefined): string | null {
  return typeof value === 'string' ? value : (value?.id ?? null);
}

/** Null when one entry is unreadable: a page with a hole in it would hide what is there. */
export function toPage<Item>(
  value: unknown,
  translate: (entry: unknown) => Item | null,
): { items: Item[]; hasMore: boolean } | null {
  const parsed = list.safeParse(value);
  if (!parsed.success) return null;
  const items: Item[] = [];
  for (const entry of parsed.data.data) {
    const item = translate(entry);
    if (item === null) return null;
    items.push(item);
  }
  return { items, hasMore: parsed.data.has_more };
}
