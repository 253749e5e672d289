import type { Snapshot } from '../audit/load/databases.ts';
import type { Happening } from './timeline.ts';

type OutboxRow = {
  type: string;
  version: number;
  createdAt: Date;
  processedAt: Date | null;
  parkedAt: Date | null;
  attempts: number;
  lastError: string | null;
};

/** Published or not, and why not. */
export async function readOutbox(
  snapshot: Snapshot,
  service: 'donations' | 'payments',
  id: string,
): Promise<Happening[]> {
  const rows = await snapshot.query<OutboxRow>(
    service,
    `SELECT type, version, created_at AS "createdAt", processed_at AS "processedAt", parked_at AS "parkedAt", attempts, last_error AS "lastError"
     FROM outbox_events WHERE aggregate_id = $1 ORDER BY version, type`,
    [id],
  );
  return rows.map(({ type, version, createdAt, processedAt, parkedAt, attempts, lastError }): Happening => {
    const name = `${type} v${version}`;
    if (processedAt !== null) return { at: processedAt, source: 'outbox', what: `${name} published` };
    const why = lastError === null ? '' : `: ${lastError}`;
    if (parkedAt !== null)
      return { at: parkedAt, source: 'outbox', what: `${name} parked${why}`, trouble: true };
    return {
      at: createdAt,
      source: 'outbox',
      what: `${name} not published yet, ${attempts} attempts${why}`,
      trouble: true,
    };
  });
}
