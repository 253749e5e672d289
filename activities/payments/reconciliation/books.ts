/** Payments as their pledges and totals should show them, and what differs. */
import type { Pool } from 'pg';
import { BOOK_CLASSES, type Finding, type FindingClass } from '../../../domain/reconciliation.ts';
import { transaction } from '../../../platform/postgres.ts';
import type {
  BookDifference,
  BookLine,
  BookPage,
  ReconciliationPaymentActivities,
  ReconciliationRun,
} from '../../../workflows/ports.ts';
import { recordFindings } from './findings.ts';

/** More of them are found by the next run; a payload has its limits. */
const MAX_MARKED = 1_000;

type LineRow = {
  id: string;
  campaign_id: string;
  state: BookLine['status'];
  version: number;
  entries: { readonly entryId: string; readonly kind: string; readonly amountMinor: number }[];
};

/**
 * Payments that have come to their end, changed in the window and not just now; or those named. An open one is its
 * workflow's, which brings pledge and totals up to it when it ends.
 */
export async function readBookPage(
  pool: Pool,
  { run, cursor, size, only }: Parameters<ReconciliationPaymentActivities['bookPage']>[0],
): Promise<BookPage> {
  const { rows } = await pool.query<LineRow>(
    `SELECT id, campaign_id, state, version,
       (SELECT coalesce(jsonb_agg(entry ORDER BY t.version), '[]') FROM payment_transitions t, jsonb_array_elements(entries) AS entry
        WHERE t.payment_id = p.id) AS entries
     FROM payments p
     WHERE ($1::uuid IS NULL OR id > $1) AND state NOT IN ('INITIATED', 'AUTHORIZED') AND (CASE WHEN $2::uuid[] IS NOT NULL THEN id = ANY($2)
       ELSE (updated_at >= to_timestamp($3 / 1000.0) AND updated_at <= to_timestamp($4 / 1000.0))
         OR id IN (SELECT donation_id FROM review_items WHERE resolved_at IS NULL AND class = ANY($5)) END)
     ORDER BY id LIMIT $6`,
    [cursor, only ?? null, run.fromMs, run.freshAfterMs, BOOK_CLASSES, size],
  );
  return {
    cursor: rows.length < size || only !== undefined ? null : (rows.at(-1)?.id ?? null),
    lines: rows.map((row) => ({
      donationId: row.id,
      campaignId: row.campaign_id,
      status: row.state,
      version: row.version,
      entries: row.entries.map(({ entryId, kind, amountMinor }) => ({
        id: entryId.slice(row.id.length + 1),
        kind,
        amountMinor,
      })),
    })),
  };
}

export async function recordDifferences(
  pool: Pool,
  run: ReconciliationRun,
  found: { readonly pledges: readonly BookDifference[]; readonly totals: readonly BookDifference[] },
): Promise<void> {
  const findings = [
    ...found.pledges.map((difference) => findingOf('PLEDGE_BEHIND', difference)),
    ...found.totals.map((difference) => findingOf('TOTALS', difference)),
  ];
  const byDonation = Map.groupBy(findings, ({ subject }) => subject);
  for (const ofOne of byDonation.values())
    await transaction(pool, (client) => recordFindings(client, run, ofOne));
}

function findingOf(
  name: FindingClass,
  { donationId, isBehind, expected, found }: BookDifference,
): Finding & { readonly donationId: string } {
  return {
    class: name,
    action: isBehind ? 'look' : 'review',
    subject: donationId,
    donationId,
    providerPaymentId: null,
    providerRefundId: null,
    expected,
    found,
  };
}

/** Payments that ask for a person themselves. */
export async function recordMarked(pool: Pool, run: ReconciliationRun): Promise<void> {
  const { rows } = await pool.query<{ id: string; needs_review: string }>(
    'SELECT id, needs_review FROM payments WHERE needs_review IS NOT NULL ORDER BY updated_at LIMIT $1',
    [MAX_MARKED],
  );
  await transaction(pool, (client) =>
    recordFindings(
      client,
      run,
      rows.map(({ id, needs_review: reason }) => ({
        class: 'NEEDS_REVIEW',
        action: 'review',
        subject: id,
        donationId: id,
        providerPaymentId: null,
        providerRefundId: null,
        expected: null,
        found: reason,
      })),
    ),
  );
}
