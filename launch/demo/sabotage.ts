import type { Stage } from '../stage/stage.ts';

/** Takes one minor unit from a campaign's total behind everybody's back: what the audit is there to notice. */
export async function spoilOneTotal({ pools }: Stage): Promise<void> {
  await pools.campaigns.query(
    `UPDATE campaign_totals SET total_captured = total_captured - 1, version = version + 1
     WHERE campaign_id = (SELECT campaign_id FROM campaign_totals WHERE total_captured > 0 ORDER BY campaign_id LIMIT 1)`,
  );
}
