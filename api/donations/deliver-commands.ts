/** Tells a donation's workflow that its donor has cancelled. */
import { WorkflowNotFoundError, type Client } from '@temporalio/client';
import type { Pool } from 'pg';
import { donationWorkflowId } from '../../domain/ids.ts';
import type { ClaimedRow, Delivery, RelayTable } from '../../platform/relay.ts';
import { inSpan } from '../../platform/telemetry.ts';
import { cancelSignal } from '../../workflows/messages.ts';

export const DONATION_COMMANDS_TABLE: RelayTable = {
  name: 'workflow_commands',
  idColumn: 'id',
  idType: 'uuid',
  columns: 'donation_id, traceparent',
  pending: 'delivered_at IS NULL',
  delivered: 'delivered_at = coalesce(t.delivered_at, now())',
};

export type DonationCommandRow = ClaimedRow & {
  readonly donation_id: string;
  readonly traceparent: string | null;
};

const SIGNAL_LIMIT_MS = 5_000;

/** Starting a donation takes less, unless Temporal is away: then this relay waits for it as well. */
const NOT_STARTED_RETRY_MS = 500;

/**
 * The cancel itself is a row that the saga reads before it captures: the signal spares the donor the wait, and ends one
 * that waits for the donor. A workflow that has ended needs none; one that is still to be started is told afterwards.
 */
export function deliverDonationCommand(
  pool: Pool,
  temporal: Client,
): (row: DonationCommandRow) => Promise<Delivery> {
  return (row) =>
    inSpan(
      'command cancel',
      { traceparent: row.traceparent, attributes: { 'donation.id': row.donation_id } },
      async () => {
        // Looked at first: started between the two, it may miss the signal, and is told the next time.
        const started = await isStarted(pool, row.donation_id);
        try {
          await temporal.withDeadline(Date.now() + SIGNAL_LIMIT_MS, () =>
            temporal.workflow.getHandle(donationWorkflowId(row.donation_id)).signal(cancelSignal),
          );
        } catch (error) {
          if (!(error instanceof WorkflowNotFoundError)) throw error;
          if (!started) return { kind: 'later', afterMs: NOT_STARTED_RETRY_MS };
        }
        return { kind: 'delivered' };
      },
    );
}

async function isStarted(pool: Pool, donationId: string): Promise<boolean> {
  const { rowCount } = await pool.query({
    name: 'request-started',
    text: 'SELECT FROM donation_requests WHERE id = $1 AND started_at IS NOT NULL',
    values: [donationId],
  });
  return rowCount === 1;
}
