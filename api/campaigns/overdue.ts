/** Closes what a deadline has ended. Donations refuse from the deadline on, whether or not this has run. */
import type { Pool } from 'pg';
import { MAX_CLOSED_AT_ONCE } from '../../domain/limits.ts';
import { transaction } from '../../platform/postgres.ts';
import { announce, COLUMNS, type Campaign } from './campaign.ts';

/** How many were closed. Safe in several processes: each takes the rows that no other holds. */
export async function closeOverdueCampaigns(pool: Pool): Promise<number> {
  return await transaction(pool, async (client) => {
    // SKIP LOCKED: an edit that moves the deadline holds its row, and comes first.
    const { rows } = await client.query<Campaign>(
      `UPDATE campaigns SET status = 'closed', closed_reason = 'deadline', version = version + 1, updated_at = now()
       WHERE id IN (SELECT id FROM campaigns WHERE status = 'open' AND deadline <= now()
                    ORDER BY deadline LIMIT $1 FOR UPDATE SKIP LOCKED)
       RETURNING ${COLUMNS}`,
      [MAX_CLOSED_AT_ONCE],
    );
    await announce(client, rows);
    return rows.length;
  });
}
