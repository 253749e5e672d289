/** Puts back what was handed over long ago and never finished. */
import { WorkflowNotFoundError, type Client } from '@temporalio/client';
import type { Pool } from 'pg';
import { donationWorkflowId } from '../domain/ids.ts';
import type { Logger } from '../platform/log.ts';

/** An event that a workflow was told of, and that nobody applied, is delivered once more. */
export async function redeliverEvents(payments: Pool, olderThanMs: number): Promise<number> {
  const { rowCount } = await payments.query(
    `UPDATE webhook_events SET delivered_at = NULL, next_attempt_at = now()
     WHERE delivered_at < now() - $1 * interval '1 millisecond' AND processed_at IS NULL AND parked_at IS NULL`,
    [olderThanMs],
  );
  return rowCount ?? 0;
}

/** Digests of who tried which card: kept as long as a limit may look back, and the rest of a day. */
export async function forgetCardAttempts(donations: Pool): Promise<number> {
  const { rowCount } = await donations.query(
    `DELETE FROM card_attempts WHERE attempted_at < now() - interval '1 day'`,
  );
  return rowCount ?? 0;
}

/** A request whose workflow is gone (a new Temporal, a lost one) while its pledge is not final is started again. */
export async function restartMissingWorkflows(
  donations: Pool,
  temporal: Client,
  olderThanMs: number,
  log: Logger,
): Promise<number> {
  const { rows } = await donations.query<{ id: string }>(
    `SELECT r.id FROM donation_requests r LEFT JOIN pledges p ON p.id = r.id
     WHERE r.accepted_at > now() - interval '30 days' AND r.started_at < now() - $1 * interval '1 millisecond' AND (p.id IS NULL OR p.status IN ('INITIATED', 'AUTHORIZED'))
     ORDER BY r.started_at LIMIT 200`,
    [olderThanMs],
  );
  let restarted = 0;
  for (const { id } of rows) {
    if (await exists(temporal, id)) continue;
    await donations.query(
      'UPDATE donation_requests SET started_at = NULL, next_attempt_at = now() WHERE id = $1',
      [id],
    );
    log.warn({ donationId: id }, 'the workflow of an unfinished donation is missing: it is started again');
    restarted += 1;
  }
  return restarted;
}

const LOOK_LIMIT_MS = 5_000;

async function exists(temporal: Client, donationId: string): Promise<boolean> {
  try {
    await temporal.withDeadline(Date.now() + LOOK_LIMIT_MS, () =>
      temporal.workflow.getHandle(donationWorkflowId(donationId)).describe(),
    );
    return true;
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return false;
    throw error;
  }
}
