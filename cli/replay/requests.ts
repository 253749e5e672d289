/** The accepted requests behind the donations: what makes the relay start a workflow. */
import { createPool } from '../../platform/postgres.ts';
import type { Snapshot } from '../audit/load/databases.ts';
import { reaching } from '../problem.ts';

export type RequestStanding = {
  readonly id: string;
  /** The relay will start it by itself. */
  readonly waiting: boolean;
  /** Of the pledge; null when there is none yet. */
  readonly status: string | null;
  readonly recent: boolean;
};

export async function readRequests(
  snapshot: Snapshot,
  ids: readonly string[],
): Promise<Map<string, RequestStanding>> {
  const rows = await snapshot.query<RequestStanding>(
    'donations',
    `SELECT r.id, p.status, r.started_at IS NULL AND r.parked_at IS NULL AS waiting,
       r.accepted_at > now() - interval '30 days' AS recent
     FROM donation_requests r LEFT JOIN pledges p USING (id) WHERE r.id = ANY($1::uuid[])`,
    [ids],
  );
  return new Map(rows.map((row) => [row.id, row]));
}

/** Puts a request back to the relay; false when its donation has come to its end meanwhile. */
export async function startAgain(donationsUrl: string, id: string): Promise<boolean> {
  const pool = createPool({ url: donationsUrl, max: 1, name: 'careforall-replay' });
  try {
    return await reaching('The donations database', async () => {
      const { rowCount } = await pool.query(
        `UPDATE donation_requests r SET started_at = NULL, parked_at = NULL, next_attempt_at = now()
         WHERE r.id = $1
           AND NOT EXISTS (SELECT FROM pledges p WHERE p.id = r.id AND p.status NOT IN ('INITIATED', 'AUTHORIZED'))`,
        [id],
      );
      return rowCount === 1;
    });
  } finally {
    await pool.end();
  }
}
