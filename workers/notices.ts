/** Notes who has to be told what about money that went back, could not, came late or is disputed; once per event. */
import type { Pool } from 'pg';
import { EVENTS, type EventType } from '../events/contracts.ts';
import { QUEUES, SUBSCRIPTIONS } from '../events/topology.ts';
import { transaction } from '../platform/postgres.ts';
import type { Broker } from '../platform/rabbit.ts';

type Audience = 'donor' | 'organizer' | 'both';

const AUDIENCE = {
  'refund.succeeded.v1': 'donor',
  // The money is the campaign's again, and the donor waits for it.
  'refund.failed.v1': 'both',
  'dispute.opened.v1': 'organizer',
  'dispute.won.v1': 'organizer',
  'dispute.lost.v1': 'organizer',
  'late_capture.kept.v1': 'donor',
  'late_capture.refunded.v1': 'donor',
} as const satisfies Partial<Record<EventType, Audience>>;

type NoticeType = keyof typeof AUDIENCE;

function isNotice(type: string): type is NoticeType {
  return Object.hasOwn(AUDIENCE, type);
}

/** The inbox row and the effect share one transaction; the message is acknowledged after it. */
export async function consumeNotices(broker: Broker, notifications: Pool): Promise<void> {
  await broker.consume(QUEUES.notices, SUBSCRIPTIONS[QUEUES.notices], async (message) => {
    const { type } = message;
    if (!isNotice(type)) throw new Error(`${type} is nothing that people are told`);
    const event = EVENTS[type].parse(JSON.parse(message.content.toString('utf8')));
    await transaction(notifications, async (client) => {
      const { rowCount } = await client.query(
        'INSERT INTO inbox_messages (message_id, type) VALUES ($1, $2) ON CONFLICT DO NOTHING',
        [message.id, type],
      );
      if (rowCount === 0) return;
      const { donationId, campaignId, amount, currency } = event;
      await client.query(
        `INSERT INTO notices (message_id, donation_id, campaign_id, audience, kind, amount, currency)
         VALUES ($1, $2, $3, $4, $5, $6, $7)`,
        [message.id, donationId, campaignId, AUDIENCE[type], type.replace(/\.v\d+$/, ''), amount, currency],
      );
    });
  });
}
