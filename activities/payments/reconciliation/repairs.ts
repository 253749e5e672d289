/** Whether the repairs that a run asked for have happened. */
import type { Pool } from 'pg';
import { BOOK_CLASSES, compare, PROVIDER_CLASSES } from '../../../domain/reconciliation.ts';
import { transaction } from '../../../platform/postgres.ts';
import type { ReconciliationRun } from '../../../workflows/ports.ts';
import { fetchSide, type ExamineDeps } from './examine.ts';
import { lockLocal } from './sides.ts';

type Asked = { readonly provider_payment_id: string };

const MAX_BOOKS = 200;

export async function verifyRepairs(
  deps: ExamineDeps,
  { runId }: ReconciliationRun,
  goesOn: () => void,
): Promise<{ readonly open: number; readonly books: readonly string[] }> {
  const { pool } = deps;
  const { rows } = await pool.query<Asked>(
    `SELECT DISTINCT provider_payment_id FROM reconciliation_findings
     WHERE run_id = $1 AND repaired_at IS NULL AND action IN ('look', 'restart') AND class = ANY($2)`,
    [runId, PROVIDER_CLASSES],
  );
  for (const { provider_payment_id: id } of rows) {
    goesOn();
    await verifyOne(deps, runId, id);
  }
  const { rows: left } = await pool.query<{ open: number; books: string[] | null }>(
    `SELECT count(*) FILTER (WHERE class = ANY($2))::int AS open,
            (array_agg(DISTINCT donation_id) FILTER (WHERE class = ANY($3)))[1:$4] AS books
     FROM reconciliation_findings WHERE run_id = $1 AND repaired_at IS NULL AND action IN ('look', 'restart')`,
    [runId, PROVIDER_CLASSES, BOOK_CLASSES, MAX_BOOKS],
  );
  const { open = 0, books = null } = left[0] ?? {};
  return { open, books: books ?? [] };
}

/** Each of its findings that is no longer found; nothing is too fresh for that. */
async function verifyOne(deps: ExamineDeps, runId: string, providerPaymentId: string): Promise<void> {
  const fetched = await fetchSide(deps, providerPaymentId);
  if (fetched === null) return;
  await transaction(deps.pool, async (client) => {
    const local = await lockLocal(client, fetched.side);
    if (local === null) return;
    const differing = compare(local, fetched.side, Number.MAX_SAFE_INTEGER);
    // Written down is not enough for a payment that was missing: it also has to be as far as the provider's.
    const missing = differing.length > 0 ? [`MISSING_LOCAL ${providerPaymentId}`] : [];
    const still = [...missing, ...differing.map(({ class: name, subject }) => `${name} ${subject}`)];
    await client.query(
      `UPDATE reconciliation_findings SET repaired_at = now()
       WHERE run_id = $1 AND provider_payment_id = $2 AND repaired_at IS NULL AND action IN ('look', 'restart')
         AND class || ' ' || subject <> ALL($3)`,
      [runId, providerPaymentId, still],
    );
  });
}

export async function recordRepaired(
  pool: Pool,
  {
    run,
    donationIds,
    still,
  }: {
    readonly run: ReconciliationRun;
    readonly donationIds: readonly string[];
    readonly still: readonly string[];
  },
): Promise<void> {
  await pool.query(
    `UPDATE reconciliation_findings SET repaired_at = now()
     WHERE run_id = $1 AND donation_id = ANY($2::uuid[]) AND donation_id <> ALL($3::uuid[]) AND repaired_at IS NULL
       AND action IN ('look', 'restart') AND class = ANY($4)`,
    [run.runId, donationIds, still, BOOK_CLASSES],
  );
}
