import { z } from 'zod';

/** 0 never, 1 always; a boolean is the short form of the two. */
const chance = z.union([z.boolean().transform(Number), z.number().min(0).max(1)]);

const spanMs = z
  .strictObject({ min: z.int().min(0).max(600_000), max: z.int().min(0).max(600_000) })
  .refine((span) => span.min <= span.max, 'min must not be above max');

const dialsSchema = z.strictObject({
  /** Before an operation runs; with an idempotency key, the key is in use meanwhile. */
  latencyMs: spanMs,
  /** 500 without an effect; the key keeps that answer, as Stripe's does. */
  error500Before: chance,
  /** The effect happens, the answer is 500, and the key keeps that answer. */
  error500After: chance,
  /** An outage at the edge: nothing ran, nothing is kept, the same key works afterwards. */
  error503: chance,
  /** Commits and never answers. */
  timeoutAfter: chance,
  /** Commits and resets the connection. */
  resetAfter: chance,
  inUse409: chance,
  rateLimit429: chance,
  /** Above this rate every call gets a 429; 0 is no limit. */
  maxRequestsPerSecond: z.int().min(0),
  decline: chance,
  /** A confirmation that the bank has not answered yet; a test settles it. */
  processing: chance,
  /** Commits and answers with something that is no PaymentIntent. */
  malformed: chance,
  /** The answers of POST requests are lost after the commit: only webhooks tell. */
  loseWriteAnswers: chance,
  loseAllAnswers: chance,
  /** Payments younger than this are not found by search. */
  searchLagMs: z.int().min(0),
  /** One minor unit too much at create, one too little at capture (both real), and too much in other answers. */
  wrongAmount: chance,
  /** What the provider keeps of a captured amount: hundredths of a percent of it, and a part that is always the same. */
  feeBasisPoints: z.int().min(0).max(10_000),
  feeFixedMinor: z.int().min(0),
  /** Until a refund that has still to succeed or fail by itself does so. */
  refundSettleMs: z.int().min(0).max(600_000),
  /** Ids where the request asked for the objects themselves. */
  ignoresExpand: z.boolean(),
  /** The event happened and is listed, but no endpoint was subscribed. */
  noWebhooks: chance,
  /** Lost for good after leaving the provider, which believes it delivered. */
  webhookDrop: chance,
  webhookDuplicate: chance,
  /** Held back for a moment, so that later ones overtake it. */
  webhookReorder: chance,
  webhookDelayMs: spanMs,
  /** Delivered and answered before the API answers the request that caused it. */
  webhookEarly: chance,
  /** An attempt with a wrong signature; it is retried like any refused one. */
  webhookBadSignature: chance,
});

export type Dials = z.output<typeof dialsSchema>;

export const CALM: Dials = {
  latencyMs: { min: 0, max: 0 },
  error500Before: 0,
  error500After: 0,
  error503: 0,
  timeoutAfter: 0,
  resetAfter: 0,
  inUse409: 0,
  rateLimit429: 0,
  maxRequestsPerSecond: 0,
  decline: 0,
  processing: 0,
  malformed: 0,
  loseWriteAnswers: 0,
  loseAllAnswers: 0,
  searchLagMs: 0,
  wrongAmount: 0,
  feeBasisPoints: 290,
  feeFixedMinor: 30,
  refundSettleMs: 1_000,
  ignoresExpand: false,
  noWebhooks: 0,
  webhookDrop: 0,
  webhookDuplicate: 0,
  webhookReorder: 0,
  webhookDelayMs: { min: 0, max: 0 },
  webhookEarly: 0,
  webhookBadSignature: 0,
};

/** The dials that are chances; each can also be armed as a one-shot fault. */
export const CHANCE_FAULTS = [
  'error500Before',
  'error500After',
  'error503',
  'timeoutAfter',
  'resetAfter',
  'inUse409',
  'rateLimit429',
  'decline',
  'processing',
  'malformed',
  'loseWriteAnswers',
  'loseAllAnswers',
  'wrongAmount',
  'noWebhooks',
  'webhookDrop',
  'webhookDuplicate',
  'webhookReorder',
  'webhookEarly',
  'webhookBadSignature',
] as const satisfies readonly (keyof Dials)[];

export const FAULTS = [...CHANCE_FAULTS, 'latency', 'webhookDelay'] as const;
export type Fault = (typeof FAULTS)[number];

export const OPERATIONS = [
  'create',
  'confirm',
  'capture',
  'cancel',
  'retrieve',
  'list',
  'search',
  'refund',
  'retrieveRefund',
  'listRefunds',
  'retrieveDispute',
  'listDisputes',
  'other',
] as const;
export type Operation = (typeof OPERATIONS)[number];

/** Throws a ZodError for an unknown dial or a value out of range. */
export function mergeDials(dials: Dials, change: unknown): Dials {
  return { ...dials, ...withoutUndefined(dialsSchema.partial().parse(change)) };
}

function withoutUndefined(change: Partial<Record<keyof Dials, unknown>>): Partial<Dials> {
  return Object.fromEntries(Object.entries(change).filter(([, value]) => value !== undefined));
}
