/** Keeps donations' campaign snapshots up to the campaigns service's events. */
import type { Pool } from 'pg';
import { storeCampaignSnapshot } from '../api/donations/campaign-snapshots.ts';
import { EVENTS } from '../events/contracts.ts';
import { QUEUES } from '../events/topology.ts';
import type { Broker } from '../platform/rabbit.ts';

/** Replays and reorderings change nothing: an older version never replaces a newer one. */
export async function consumeCampaignEvents(broker: Broker, donations: Pool): Promise<void> {
  await broker.consume(QUEUES.campaignSnapshots, ['campaign.changed.v1'], async (message) => {
    const { campaignId, deadline, ...campaign } = EVENTS['campaign.changed.v1'].parse(
      JSON.parse(message.content.toString('utf8')),
    );
    await storeCampaignSnapshot(donations, {
      ...campaign,
      id: campaignId,
      deadline: deadline === undefined ? null : new Date(deadline),
    });
  });
}
