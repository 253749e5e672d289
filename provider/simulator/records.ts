import { randomBytes } from 'node:crypto';
import type { Call } from './faults.ts';

/** What the simulator keeps; Stripe's own shapes are rendered from it. Times are unix seconds, amounts minor units. */

export type IntentStatus =
  | 'requires_payment_method'
  | 'requires_confirmation'
  | 'requires_action'
  | 'processing'
  | 'requires_capture'
  | 'canceled'
  | 'succeeded';

export type CardError = {
  readonly charge: string | null;
  readonly code: string;
  readonly declineCode: string | null;
  readonly message: string;
  readonly paymentMethod: string;
};

export type IntentRecord = {
  readonly id: string;
  readonly created: number;
  readonly status: IntentStatus;
  readonly amount: number;
  readonly amountCapturable: number;
  readonly amountReceived: number;
  /** Lower case, as Stripe has it. */
  readonly currency: string;
  readonly captureMethod: 'manual' | 'automatic';
  readonly paymentMethod: string | null;
  readonly metadata: Readonly<Record<string, string>>;
  readonly description: string | null;
  readonly clientSecret: string;
  readonly latestCharge: string | null;
  readonly lastError: CardError | null;
  readonly canceledAt: number | null;
  readonly cancellationReason: string | null;
};

export type ChargeRecord = {
  readonly id: string;
  readonly created: number;
  readonly intentId: string;
  readonly status: 'succeeded' | 'failed';
  readonly amount: number;
  readonly amountCaptured: number;
  readonly amountRefunded: number;
  readonly captured: boolean;
  /** While a dispute holds its money, and after a lost one. */
  readonly disputed: boolean;
  /** Set at capture; minor units of the charge's currency. */
  readonly fee: number | null;
  readonly balanceTransaction: string | null;
  readonly currency: string;
  readonly paymentMethod: string;
  readonly failureCode: string | null;
  readonly failureMessage: string | null;
  readonly metadata: Readonly<Record<string, string>>;
};

export type RefundStatus = 'pending' | 'requires_action' | 'succeeded' | 'failed' | 'canceled';

export type RefundRecord = {
  readonly id: string;
  readonly created: number;
  readonly intentId: string;
  readonly chargeId: string;
  readonly status: RefundStatus;
  /** What becomes of it by itself, some time later. */
  readonly settlesAs: 'succeeded' | 'failed' | null;
  readonly amount: number;
  readonly currency: string;
  readonly reason: string | null;
  readonly failureReason: string | null;
  readonly metadata: Readonly<Record<string, string>>;
};

export type DisputeStatus =
  | 'warning_needs_response'
  | 'warning_closed'
  | 'needs_response'
  | 'under_review'
  | 'won'
  | 'lost';

export type DisputeRecord = {
  readonly id: string;
  readonly created: number;
  readonly intentId: string;
  readonly chargeId: string;
  readonly status: DisputeStatus;
  readonly amount: number;
  readonly currency: string;
  readonly reason: string;
  /** On our balance: negative when the money was withdrawn, positive when it came back. */
  readonly movements: readonly { readonly id: string; readonly created: number; readonly amount: number }[];
};

export type EffectType =
  | 'created'
  | 'authorized'
  | 'declined'
  | 'action_required'
  | 'captured'
  | 'processing'
  | 'canceled'
  | 'expired'
  /** Asked for and not yet sent: no money has moved. */
  | 'refund_pending'
  | 'refunded'
  /** Sent, and sent back. */
  | 'refund_failed'
  /** Pending until it came to nothing. */
  | 'refund_dropped'
  | 'dispute_opened'
  | 'dispute_won'
  | 'dispute_lost';

/** One thing that happened to money or to a payment: the second witness of the audit. */
export type Effect = {
  readonly seq: number;
  readonly type: EffectType;
  /** ISO 8601. */
  readonly at: string;
  readonly paymentId: string;
  readonly donationId: string | null;
  readonly campaignId: string | null;
  readonly amountMinor: number;
  /** Upper case. */
  readonly currency: string;
  readonly chargeId: string | null;
  readonly refundId: string | null;
  readonly disputeId: string | null;
  readonly code: string | null;
  readonly idempotencyKey: string | null;
};

export type StripeObject = Readonly<Record<string, unknown>>;

export type EventRecord = {
  readonly id: string;
  readonly type: string;
  readonly created: number;
  readonly call: Call;
  readonly body: StripeObject;
};

/** What one operation changes; nothing of it is true before it is in the ledger. */
export type Changes = {
  readonly effects: readonly Effect[];
  readonly intents: readonly IntentRecord[];
  readonly charges: readonly ChargeRecord[];
  readonly refunds: readonly RefundRecord[];
  readonly disputes: readonly DisputeRecord[];
  readonly events: readonly EventRecord[];
};

export const NO_CHANGES: Changes = {
  effects: [],
  intents: [],
  charges: [],
  refunds: [],
  disputes: [],
  events: [],
};

export type StoredAnswer = {
  readonly key: string;
  readonly fingerprint: string;
  readonly status: number;
  readonly body: StripeObject;
  readonly requestId: string;
  readonly at: number;
};

export type Settlement = {
  readonly eventId: string;
  readonly how: 'delivered' | 'dropped' | 'suppressed' | 'abandoned';
};

/** One line of the ledger file: everything that one request did, so that a torn line loses a whole request or nothing. */
export type LedgerLine = Partial<Changes> & {
  readonly answer?: StoredAnswer;
  readonly settled?: Settlement;
};

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';

/** `pi_…`, 24 characters. Not from the seeded sequence: an id must not come back after a restart. */
export function newId(prefix: string, length = 24): string {
  let id = `${prefix}_`;
  for (const byte of randomBytes(length)) id += ALPHABET.charAt(byte % ALPHABET.length);
  return id;
}
