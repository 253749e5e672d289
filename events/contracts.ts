/**
 * What the services tell each other. Past tense, versioned: a change that a consumer would notice is a new version
 * beside the old one. Every event carries its aggregate's `version`, because relays reorder.
 */
import { z } from 'zod';
import { CAMPAIGN_STATUSES } from '../domain/campaign.ts';

const ids = { donationId: z.uuid(), campaignId: z.uuid() };
const money = { amount: z.number().int().positive(), currency: z.string() };
const version = z.number().int().nonnegative();
const total = z.number().int().nonnegative();

const donation = z.object({
  ...ids,
  ...money,
  status: z.string(),
  version,
  failureCode: z.string().nullable(),
});
const payment = z.object({ ...ids, ...money, from: z.string(), to: z.string(), version });
const refund = z.object({ ...ids, ...money, refundId: z.uuid(), version });
const dispute = z.object({ ...ids, ...money, disputeId: z.uuid(), version });
const lateCapture = z.object({ ...ids, ...money, version });

export const EVENTS = {
  'donation.pledged.v1': donation,
  'donation.authorized.v1': donation,
  'donation.captured.v1': donation,
  'donation.failed.v1': donation,
  'donation.expired.v1': donation,
  'donation.refunded.v1': donation,
  'payment.authorized.v1': payment,
  'payment.captured.v1': payment,
  'payment.closed.v1': payment,
  'refund.requested.v1': refund,
  'refund.succeeded.v1': refund,
  'refund.failed.v1': refund,
  'dispute.opened.v1': dispute,
  'dispute.won.v1': dispute,
  'dispute.lost.v1': dispute,
  /** Money came after the donation had ended, and the campaign keeps it. */
  'late_capture.kept.v1': lateCapture,
  /** Money came that nobody may keep: it is on its way back. */
  'late_capture.refunded.v1': lateCapture,
  'campaign.changed.v1': z.object({
    campaignId: z.uuid(),
    currency: z.string(),
    status: z.enum(CAMPAIGN_STATUSES),
    version,
    /** RFC 3339; none when absent. */
    deadline: z.iso.datetime().optional(),
  }),
  'campaign.totals_changed.v1': z.object({
    campaignId: z.uuid(),
    totalPledged: total,
    totalCaptured: total,
    totalRefunded: total,
    disputeLost: total,
    donationCount: total,
    version,
  }),
} as const;

export type EventType = keyof typeof EVENTS;
export type EventPayload<T extends EventType> = z.infer<(typeof EVENTS)[T]>;

export type OutboxEvent<T extends EventType = EventType> = {
  readonly [K in T]: {
    readonly type: K;
    readonly aggregateId: string;
    readonly version: number;
    readonly payload: EventPayload<K>;
  };
}[T];
