import type { EventType } from './contracts.ts';

/** The consumers' queues. Each is durable, survives its consumers and has a dead-letter queue beside it. */
export const QUEUES = {
  campaignSnapshots: 'donations.campaign-snapshots',
  receipts: 'notifications.receipts',
  notices: 'notifications.notices',
} as const;

/** What each queue gets. Publishers make the queues too, so that no event is lost on a consumer that has never run. */
export const SUBSCRIPTIONS = {
  [QUEUES.campaignSnapshots]: ['campaign.changed.v1'],
  [QUEUES.receipts]: ['donation.captured.v1'],
  [QUEUES.notices]: [
    'refund.succeeded.v1',
    'refund.failed.v1',
    'dispute.opened.v1',
    'dispute.won.v1',
    'dispute.lost.v1',
    'late_capture.kept.v1',
    'late_capture.refunded.v1',
  ],
} as const satisfies Readonly<Record<string, readonly EventType[]>>;
