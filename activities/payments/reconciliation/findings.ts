/** Writes down what a run finds, once, and in the same transaction what is to be done about it. */
import { randomUUID } from 'node:crypto';
import type { ClientBase } from 'pg';
import type { Finding } from '../../../domain/reconciliation.ts';
import type { ReconciliationRun } from '../../../workflows/ports.ts';
import { insertCommand } from '../book/refund-requests.ts';

/**
 * The owner of a payment is asked once for all that this call found of it. What people look at already, or have
 * accepted as it is, is no news; a repair that was asked for in vain becomes theirs.
 */
export async function recordFindings(
  client: ClientBase,
  run: ReconciliationRun,
  findings: readonly Finding[],
): Promise<void> {
  const toRepair = new Set<string>();
  for (const found of findings) {
    const finding = (await wasInVain(client, run, found)) ? { ...found, action: 'review' as const } : found;
    const forPeople = finding.action === 'review' || finding.action === 'suspense';
    if (forPeople && !(await isNewsToPeople(client, run, finding))) continue;
    const isNew = await insertFinding(client, run, finding);
    const { action, donationId } = finding;
    if (isNew && !forPeople && !run.dryRun && donationId !== null) toRepair.add(donationId);
    if (action === 'suspense' && !run.dryRun) await markRepaired(client, run, finding);
  }
  for (const donationId of toRepair) await insertCommand(client, donationId, 'look');
}

async function insertFinding(
  client: ClientBase,
  { runId }: ReconciliationRun,
  finding: Finding,
): Promise<boolean> {
  const { rowCount } = await client.query(
    `INSERT INTO reconciliation_findings
       (run_id, class, subject, donation_id, provider_payment_id, provider_refund_id, expected, found, action)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING`,
    [
      runId,
      finding.class,
      finding.subject,
      finding.donationId,
      finding.providerPaymentId,
      finding.providerRefundId,
      JSON.stringify(finding.expected),
      JSON.stringify(finding.found),
      finding.action,
    ],
  );
  return rowCount === 1;
}

/** Booked as what it is; whose it is, people find out. */
async function markRepaired(
  client: ClientBase,
  { runId }: ReconciliationRun,
  finding: Finding,
): Promise<void> {
  await client.query(
    `UPDATE reconciliation_findings SET repaired_at = now()
     WHERE run_id = $1 AND class = $2 AND subject = $3 AND repaired_at IS NULL`,
    [runId, finding.class, finding.subject],
  );
}

/** The same repair of the same difference was asked for by a run before this one, and has not helped. */
async function wasInVain(
  client: ClientBase,
  { runId }: ReconciliationRun,
  { class: name, subject, action, expected, found }: Finding,
): Promise<boolean> {
  if (action !== 'look' && action !== 'restart') return false;
  const { rowCount } = await client.query(
    `SELECT FROM reconciliation_findings f JOIN reconciliation_runs r ON r.id = f.run_id
     WHERE f.subject = $2 AND f.class = $3 AND f.run_id <> $1 AND NOT r.dry_run AND r.status = 'finished'
       AND f.action IN ('look', 'restart') AND f.repaired_at IS NULL AND f.expected = $4 AND f.found = $5 LIMIT 1`,
    [runId, subject, name, JSON.stringify(expected), JSON.stringify(found)],
  );
  return rowCount === 1;
}

/** Keeps the review queue: an item is there once, however often it is seen, and tells what was seen last. */
async function isNewsToPeople(
  client: ClientBase,
  { runId, dryRun }: ReconciliationRun,
  finding: Finding,
): Promise<boolean> {
  const { class: name, subject, donationId, providerPaymentId, providerRefundId } = finding;
  const evidence = [JSON.stringify(finding.expected), JSON.stringify(finding.found)];
  const { rowCount: accepted } = await client.query(
    `SELECT FROM review_items WHERE subject = $1 AND class = $2 AND resolved_by <> 'reconciliation'
       AND expected = $3 AND found = $4 LIMIT 1`,
    [subject, name, ...evidence],
  );
  if (accepted === 1) return false;
  if (dryRun) {
    const { rowCount: open } = await client.query(
      'SELECT FROM review_items WHERE subject = $1 AND class = $2 AND resolved_at IS NULL',
      [subject, name],
    );
    return open === 0;
  }
  const { rows } = await client.query<{ first: boolean }>(
    `INSERT INTO review_items (id, class, subject, donation_id, provider_payment_id, provider_refund_id, expected, found, last_run_id)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
     ON CONFLICT (class, subject) WHERE resolved_at IS NULL
     DO UPDATE SET last_seen_at = now(), last_run_id = excluded.last_run_id, expected = excluded.expected, found = excluded.found
     RETURNING xmax = 0 AS first`,
    [randomUUID(), name, subject, donationId, providerPaymentId, providerRefundId, ...evidence, runId],
  );
  return rows[0]?.first === true;
}

/** What cannot be judged now stays in the queue. */
export async function keepReviews(
  client: ClientBase,
  { runId, dryRun }: ReconciliationRun,
  providerPaymentId: string,
): Promise<void> {
  if (dryRun) return;
  await client.query(
    `UPDATE review_items SET last_run_id = $2 WHERE provider_payment_id = $1 AND resolved_at IS NULL`,
    [providerPaymentId, runId],
  );
}
