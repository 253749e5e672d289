import { isUtf8 } from 'node:buffer';
import { Stripe } from 'stripe';
import { z } from 'zod';
import { WEBHOOK_TOLERANCE_SECONDS } from '../../domain/limits.ts';
import type { ProviderPayment } from '../port.ts';
import { toProviderPayment } from './translate.ts';

export type WebhookEvent = {
  readonly id: string;
  readonly type: string;
  /** Unix seconds; 0 when the event does not say. */
  readonly created: number;
  readonly livemode: boolean;
  /** Empty for the few events whose object has no id (`balance.available`). */
  readonly objectId: string;
  /** Stripe's `object`: `payment_intent`, `charge`, `refund`, `dispute`, …; empty when it does not say. */
  readonly objectKind: string;
  /** The payment that the event is about: the object itself, or the one that a charge, refund or dispute names. */
  readonly paymentId: string | null;
  readonly chargeId: string | null;
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

/** The API version of an endpoint decides what an event carries: what it lacks is fetched, so little is required. */
const eventBody = z.object({
  object: z.literal('event').optional(),
  id: printable,
  type: printable,
  created: z.unknown().optional(),
  livemode: z.unknown().optional(),
  data: z.object({ object: z.record(z.string(), z.unknown()) }),
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
  const { id, type, created, livemode, data } = parsed.data;
  const { object } = data;
  const kind = idOf(object['object']);
  const donationId = isObject(object['metadata']) ? object['metadata']['donation_id'] : null;
  return {
    ok: true,
    event: {
      id,
      type,
      created: typeof created === 'number' && Number.isSafeInteger(created) ? created : 0,
      // An event that does not say so is not about real money.
      livemode: livemode === true,
      objectId: idOf(object['id']) ?? '',
      objectKind: kind ?? '',
      ...idsOf(object, kind),
      donationId: typeof donationId === 'string' ? donationId : null,
      snapshot: kind === 'payment_intent' ? toProviderPayment(object) : null,
    },
  };
}

function idsOf(
  object: Readonly<Record<string, unknown>>,
  kind: string | null,
): Pick<WebhookEvent, 'paymentId' | 'chargeId'> {
  const id = idOf(object['id']);
  const { charge } = object;
  if (kind === 'payment_intent') return { paymentId: id, chargeId: idOf(object['latest_charge']) };
  return {
    paymentId: idOf(object['payment_intent']) ?? (isObject(charge) ? idOf(charge['payment_intent']) : null),
    chargeId: kind === 'charge' ? id : idOf(charge),
  };
}

/** A reference is an id, or the whole object when the account expands it. */
function idOf(reference: unknown): string | null {
  const parsed = printable.safeParse(isObject(reference) ? reference['id'] : reference);
  return parsed.success ? parsed.data : null;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
