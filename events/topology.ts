/** The consumers' queues. Each is durable, survives its consumers and has a dead-letter queue beside it. */
export const QUEUES = {
  campaignSnapshots: 'donations.campaign-snapshots',
  receipts: 'notifications.receipts',
} as const;
