import type { Snapshot } from '../audit/load/databases.ts';
import type { Happening } from './timeline.ts';

type CommandRow = {
  type: string;
  createdAt: Date;
  deliveredAt: Date | null;
  parkedAt: Date | null;
  attempts: number;
  lastError: string | null;
};

const ID_COLUMN = { donations: 'donation_id', payments: 'payment_id' } as const;

/** What the workflow had to be told, and whether it was. */
export async function readCommands(
  snapshot: Snapshot,
  service: keyof typeof ID_COLUMN,
  id: string,
): Promise<Happening[]> {
  const rows = await snapshot.query<CommandRow>(
    service,
    `SELECT type, created_at AS "createdAt", delivered_at AS "deliveredAt", parked_at AS "parkedAt", attempts, last_error AS "lastError"
     FROM workflow_commands WHERE ${ID_COLUMN[service]} = $1 ORDER BY created_at`,
    [id],
  );
  return rows.map(({ type, createdAt, deliveredAt, parkedAt, attempts, lastError }): Happening => {
    if (deliveredAt !== null) return { at: deliveredAt, source: 'command', what: `${type} delivered` };
    const why = lastError === null ? '' : `: ${lastError}`;
    if (parkedAt !== null)
      return { at: parkedAt, source: 'command', what: `${type} parked${why}`, trouble: true };
    return {
      at: createdAt,
      source: 'command',
      what: `${type} not delivered yet, ${attempts} attempts${why}`,
      trouble: true,
    };
  });
}
