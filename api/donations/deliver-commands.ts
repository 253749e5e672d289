/** Tells a donation's workflow that its donor has cancelled. */
import { WorkflowNotFoundError, type Client } from '@temporalio/client';
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

/**
 * The cancel itself is a row that the saga reads before it captures: the signal only spares the donor the wait. A workflow
 * that has ended needs none, one that is not started yet reads the row.
 */
export function deliverDonationCommand(temporal: Client): (row: DonationCommandRow) => Promise<Delivery> {
  return (row) =>
    inSpan(
      'command cancel',
      { traceparent: row.traceparent, attributes: { 'donation.id': row.donation_id } },
      async () => {
        try {
          await temporal.withDeadline(Date.now() + SIGNAL_LIMIT_MS, () =>
            temporal.workflow.getHandle(donationWorkflowId(row.donation_id)).signal(cancelSignal),
          );
        } catch (error) {
          if (!(error instanceof WorkflowNotFoundError)) throw error;
        }
        return { kind: 'delivered' };
      },
    );
}
