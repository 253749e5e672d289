/** Provider events that nobody has finished with; partial indexes keep that cheap on a large inbox. */
import type { WebhookRow } from '../snapshot.ts';
import type { Snapshot } from './databases.ts';

export async function readOpenWebhooks(snapshot: Snapshot): Promise<WebhookRow[]> {
  return snapshot.query<WebhookRow>(
    'payments',
    `SELECT event_id AS "eventId", type, donation_id AS "donationId", object_id AS "objectId", charge_id AS "chargeId", received_at AS "receivedAt", delivered_at AS "deliveredAt",
       parked_at AS "parkedAt", last_error AS "lastError"
     FROM webhook_events WHERE (delivered_at IS NULL OR processed_at IS NULL OR parked_at IS NOT NULL) ORDER BY received_at`,
  );
}
