/** The runs of reconciliation: one at a time, each with its window, its counts and its end. */
import type { Pool } from 'pg';
import { BOOK_CLASSES, INVARIANT_CLASSES, PROVIDER_CLASSES } from '../../../domain/reconciliation.ts';
import type { FindingClass } from '../../../domain/reconciliation.ts';
import { transaction } from '../../../platform/postgres.ts';
import type {
  ReconciliationPaymentActivities,
  ReconciliationRun,
  RunCounts,
} from '../../../workflows/ports.ts';

type Begin = ReconciliationPaymentActivities['beginReconciliation'];

type RunRow = { id: string; window_from: Date; started_at: Date };

/** Asked again with the same id it answers the same: the index decides who is the one. */
export async function beginRun(pool: Pool, asked: Parameters<Begin>[0]): ReturnType<Begin> {
  const { runId, kind, dryRun, sinceMs, policy } = asked;
  const lane = kind === 'invariants' ? 'invariants' : 'books';
  return await transaction(pool, async (client) => {
    await client.query(
      `UPDATE reconciliation_runs SET status = 'abandoned', finished_at = now()
       WHERE lane = $1 AND status = 'running' AND id <> $2 AND touched_at < now() - $3 * interval '1 millisecond'`,
      [lane, runId, policy.abandonAfterMs],
    );
    // A delta begins before the last run that was no rehearsal; without one it reaches as far back as a full run.
    const { rows } = await client.query<RunRow>(
      `WITH begun AS (
         INSERT INTO reconciliation_runs (id, kind, lane, dry_run, window_from)
         VALUES ($1, $2, $3, $4, greatest(now() - $5 * interval '1 millisecond', CASE
           WHEN $6::float8 IS NOT NULL THEN now() - $6 * interval '1 millisecond'
           WHEN $2 = 'delta' THEN (SELECT max(started_at) FROM reconciliation_runs
             WHERE lane = 'books' AND status = 'finished' AND NOT dry_run) - $7 * interval '1 millisecond'
           END))
         ON CONFLICT DO NOTHING RETURNING id, window_from, started_at)
       SELECT * FROM begun UNION ALL
       SELECT id, window_from, started_at FROM reconciliation_runs WHERE id = $1 AND status = 'running'`,
      [runId, kind, lane, dryRun, policy.windowMs, sinceMs, policy.overlapMs + policy.freshMs],
    );
    const row = rows[0];
    if (row === undefined) {
      const { rows: others } = await client.query<{ id: string }>(
        `SELECT id FROM reconciliation_runs WHERE lane = $1 AND status = 'running'`,
        [lane],
      );
      return { kind: 'busy', runId: others[0]?.id ?? 'one that has just ended' };
    }
    return {
      kind: 'begun',
      run: {
        runId,
        kind,
        dryRun,
        fromMs: row.window_from.getTime(),
        freshAfterMs: row.started_at.getTime() - policy.freshMs,
      },
    };
  });
}

/** Says that the run goes on. */
export async function touchRun(pool: Pool, runId: string): Promise<void> {
  await pool.query(`UPDATE reconciliation_runs SET touched_at = now() WHERE id = $1 AND status = 'running'`, [
    runId,
  ]);
}

/** What each kind has looked through, so that what it no longer saw is gone. */
const LOOKED_AT: Readonly<Record<ReconciliationRun['kind'], readonly FindingClass[]>> = {
  delta: [...PROVIDER_CLASSES, ...BOOK_CLASSES],
  full: [...PROVIDER_CLASSES, ...BOOK_CLASSES, ...INVARIANT_CLASSES],
  invariants: INVARIANT_CLASSES,
};

export async function finishRun(
  pool: Pool,
  { runId, kind, dryRun }: ReconciliationRun,
  examined: number,
): Promise<RunCounts> {
  return await transaction(pool, async (client) => {
    if (!dryRun)
      await client.query(
        `UPDATE review_items SET resolved_at = now(), resolved_by = 'reconciliation'
         WHERE resolved_at IS NULL AND last_run_id <> $1 AND class = ANY($2)`,
        [runId, LOOKED_AT[kind]],
      );
    await client.query('DELETE FROM reconciliation_seen WHERE run_id = $1', [runId]);
    const { rows } = await client.query<RunCounts>(
      `SELECT count(*)::int AS findings, count(repaired_at)::int AS repaired,
              count(*) FILTER (WHERE repaired_at IS NULL AND action IN ('look', 'restart'))::int AS unrepaired,
              (SELECT count(*)::int FROM review_items WHERE resolved_at IS NULL) AS "openReviews"
       FROM reconciliation_findings WHERE run_id = $1`,
      [runId],
    );
    const { findings = 0, repaired = 0, unrepaired = 0, openReviews = 0 } = rows[0] ?? {};
    const counts: RunCounts = { examined, findings, repaired, unrepaired, openReviews };
    await client.query(
      `UPDATE reconciliation_runs SET status = 'finished', finished_at = coalesce(finished_at, now()), counts = $2 WHERE id = $1`,
      [runId, JSON.stringify(counts)],
    );
    return counts;
  });
}

export async function failRun(pool: Pool, runId: string): Promise<void> {
  await transaction(pool, async (client) => {
    await client.query('DELETE FROM reconciliation_seen WHERE run_id = $1', [runId]);
    await client.query(
      `UPDATE reconciliation_runs SET status = 'failed', finished_at = now() WHERE id = $1 AND status = 'running'`,
      [runId],
    );
  });
}
