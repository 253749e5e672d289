/** Notes that a donor is owed a receipt, once per donation however often the message comes. */
import type { Pool } from 'pg';
import { EVENTS } from '../events/contracts.ts';
import { QUEUES } from '../events/topology.ts';
import type { Broker } from '../platform/rabbit.ts';
import { transaction } from '../platform/postgres.ts';

/** The inbox row and the effect share one transaction; the message is acknowledged after it. */
export async function consumeReceipts(broker: Broker, notifications: Pool): Promise<void> {
  await broker.consume(QUEUES.receipts, ['donation.captured.v1'], async (message) => {
    const { donationId, campaignId, amount, currency } = EVENTS['donation.captured.v1'].parse(
      JSON.parse(message.content.toString('utf8')),
    );
    await transaction(notifications, async (client) => {
      const { rowCount } = await client.query(
        'INSERT INTO inbox_messages (message_id, type) VALUES ($1, $2) ON CONFLICT DO NOTHING',
        [message.id, message.type],
      );
      if (rowCount === 0) return;
      await client.query(
        'INSERT INTO receipts (donation_id, campaign_id, amount, currency) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING',
        [donationId, campaignId, amount, currency],
      );
    });
  });
}
