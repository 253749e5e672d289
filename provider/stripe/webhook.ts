import { isUtf8 } from 'node:buffer';
import { Stripe } from 'stripe';
import { z } from 'zod';
import { WEBHOOK_TOLERANCE_SECONDS } from '../../domain/limits.ts';
import type { ProviderPayment } from '../port.ts';
import { toProviderPayment } from './translate.ts';

export type WebhookEvent = {
  readonly id: string;
  readonly type: string;
  /** Unix seconds. */
  readonly created: number;
  readonly livemode: boolean;
  /** Empty for the few events whose object has no id (`balance.available`). */
  readonly objectId: string;
  readonly objectKind: string;
  /** The payment that the event is about: the object itself, or the one that a charge, refund or dispute names. */
  readonly paymentId: string | null;
  readonly donationId: string | null;
  /** What the event claims. A hint only: amounts come from the fetched object. */
  readonly snapshot: ProviderPayment | null;
};

export type WebhookRefusal =
  | 'signature_missing'
  | 'signature_malformed'
  | 'signature_mismatch'
  | 'timestamp_outside_tolerance'
  | 'body_not_an_event';

export type WebhookVerification =
  | { readonly ok: true; readonly event: WebhookEvent }
  | { readonly ok: false; readonly reason: WebhookRefusal };

const printable = z.string().regex(/^[\x21-\x7E]{1,255}$/);

const eventBody = z.object({
  object: z.literal('event'),
  id: printable,
  type: printable,
  created: z.int().nonnegative(),
  livemode: z.boolean(),
  data: z.object({
    object: z.object({
      object: printable,
      id: printable.nullish(),
      metadata: z.record(z.string(), z.unknown()).nullish(),
      payment_intent: z.unknown().optional(),
    }),
  }),
});

/**
 * Signature by the official library over the exact bytes, with every active secret; the age by ourselves, because the
 * library accepts any time in the future. https://docs.stripe.com/webhooks/signature
 */
export function verifyWebhook(
  rawBody: Buffer,
  signatureHeader: string,
  secrets: readonly string[],
  nowSeconds: number,
): WebhookVerification {
  if (signatureHeader === '') return { ok: false, reason: 'signature_missing' };
  const signature = readSignature(signatureHeader);
  if (signature === null) return { ok: false, reason: 'signature_malformed' };
  // The library decodes before it signs, which drops a byte order mark and merges all invalid bytes into one.
  const exact = isUtf8(rawBody) && rawBody.subarray(0, 3).compare(BYTE_ORDER_MARK) !== 0;
  if (!exact || !secrets.some((secret) => isSignedWith(rawBody, signature.header, secret))) {
    return { ok: false, reason: 'signature_mismatch' };
  }
  if (Math.abs(nowSeconds - signature.timestamp) > WEBHOOK_TOLERANCE_SECONDS) {
    return { ok: false, reason: 'timestamp_outside_tolerance' };
  }
  return readWebhookEvent(rawBody);
}

const BYTE_ORDER_MARK = Buffer.from([0xef, 0xbb, 0xbf]);
const ANY_AGE = 0;
const MAX_SIGNATURES = 16;

/** One time and its v1 signatures, in a form that cannot make the library throw (it does on an empty one). */
function readSignature(header: string): { timestamp: number; header: string } | null {
  const items = header.split(',').map((item) => item.trim());
  const times = items.filter((item) => item.startsWith('t='));
  const signatures = items.filter((item) => /^v1=[0-9a-f]{64}$/.test(item));
  const [time] = times;
  if (times.length !== 1 || time === undefined || !/^t=\d{1,12}$/.test(time)) return null;
  if (signatures.length === 0 || signatures.length > MAX_SIGNATURES) return null;
  return { timestamp: Number(time.slice(2)), header: [time, ...signatures].join(',') };
}

function isSignedWith(rawBody: Buffer, signatureHeader: string, secret: string): boolean {
  try {
    return Stripe.webhooks.signature?.verifyHeader(rawBody, signatureHeader, secret, ANY_AGE) === true;
  } catch (error) {
    if (error instanceof Stripe.errors.StripeSignatureVerificationError) return false;
    throw error;
  }
}

/** Reads a body whose signature was verified, now or when it was stored. */
export function readWebhookEvent(rawBody: Buffer): WebhookVerification {
  let body: unknown;
  try {
    body = JSON.parse(rawBody.toString('utf8'));
  } catch {
    return { ok: false, reason: 'body_not_an_event' };
  }
  const parsed = eventBody.safeParse(body);
  if (!parsed.success) return { ok: false, reason: 'body_not_an_event' };
  const { data, id, type, created, livemode } = parsed.data;
  const { object } = data;
  const donationId = object.metadata?.['donation_id'];
  const isPayment = object.object === 'payment_intent';
  return {
    ok: true,
    event: {
      id,
      type,
      created,
      livemode,
      objectId: object.id ?? '',
      objectKind: object.object,
      paymentId: isPayment ? (object.id ?? null) : idOf(object.payment_intent),
      donationId: typeof donationId === 'string' ? donationId : null,
      snapshot: isPayment ? toProviderPayment((body as { data: { object: unknown } }).data.object) : null,
    },
  };
}

/** A reference is an id, or the whole object when the account expands it. */
function idOf(reference: unknown): string | null {
  if (typeof reference === 'string') return reference;
  if (typeof reference !== 'object' || reference === null || !('id' in reference)) return null;
  return typeof reference.id === 'string' ? reference.id : null;
}
