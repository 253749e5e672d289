/** What reconciliation found, and what people have to look at; for operators, over HTTP and on the command line. */
import type { Pool } from 'pg';
import { canonicalJson, type JsonValue } from '../../domain/canonical.ts';
import { toCsv } from '../../domain/csv.ts';
import { transaction } from '../../platform/postgres.ts';
import type { RunCounts } from '../../workflows/ports.ts';

type What = {
  readonly class: string;
  /** A provider object, a donation, a campaign: what differs. */
  readonly subject: string;
  readonly donationId: string | null;
  readonly providerPaymentId: string | null;
  readonly providerRefundId: string | null;
  /** Ours. */
  readonly expected: JsonValue;
  /** The other side's. */
  readonly found: JsonValue;
};

export type ReportedFinding = What & {
  readonly action: string;
  readonly foundAt: Date;
  readonly repairedAt: Date | null;
};

export type Review = What & {
  readonly id: string;
  readonly firstSeenAt: Date;
  readonly lastSeenAt: Date;
  readonly ageSeconds: number;
};

export type ReconciliationReport = {
  readonly schema: 'careforall.reconciliation.v1';
  readonly run: {
    readonly id: string;
    readonly kind: string;
    readonly dryRun: boolean;
    readonly from: Date;
    readonly startedAt: Date;
    readonly finishedAt: Date | null;
    readonly status: string;
    readonly counts: Partial<RunCounts>;
  };
  /** How many findings of each class. */
  readonly classes: Readonly<Record<string, number>>;
  readonly findings: readonly ReportedFinding[];
  /** All that is open, oldest first, whichever run has seen it. */
  readonly reviews: readonly Review[];
};

export type ReconciliationReports = {
  /** Of one run, else of the newest that has ended; null when there is none. */
  report(runId?: string): Promise<ReconciliationReport | null>;
  reviews(): Promise<Review[]>;
  /** False when there is no open item of that id. */
  resolve(id: string, by: string, note: string): Promise<boolean>;
};

/** A report is read as a whole. */
const MAX_ROWS = 10_000;

const WHAT = `class, subject, donation_id AS "donationId", provider_payment_id AS "providerPaymentId",
  provider_refund_id AS "providerRefundId", expected, found`;

export function createReconciliationReports(pool: Pool): ReconciliationReports {
  const reviews = async (): Promise<Review[]> => {
    const { rows } = await pool.query<Review>(
      `SELECT id, ${WHAT}, first_seen_at AS "firstSeenAt", last_seen_at AS "lastSeenAt",
         floor(extract(epoch FROM now() - first_seen_at))::int AS "ageSeconds"
       FROM review_items WHERE resolved_at IS NULL ORDER BY first_seen_at, class, subject LIMIT $1`,
      [MAX_ROWS],
    );
    return rows;
  };

  return {
    reviews,

    report: async (runId) => {
      const { rows } = await pool.query<ReconciliationReport['run']>(
        `SELECT id, kind, dry_run AS "dryRun", window_from AS "from", started_at AS "startedAt", finished_at AS "finishedAt",
           status, counts
         FROM reconciliation_runs WHERE CASE WHEN $1::uuid IS NULL THEN status = 'finished' AND lane = 'books' ELSE id = $1 END
         ORDER BY started_at DESC LIMIT 1`,
        [runId ?? null],
      );
      const run = rows[0];
      if (run === undefined) return null;
      const { rows: findings } = await pool.query<ReportedFinding>(
        `SELECT ${WHAT}, action, found_at AS "foundAt", repaired_at AS "repairedAt"
         FROM reconciliation_findings WHERE run_id = $1 ORDER BY class, subject LIMIT $2`,
        [run.id, MAX_ROWS],
      );
      const classes: Record<string, number> = {};
      for (const { class: name } of findings) classes[name] = (classes[name] ?? 0) + 1;
      return {
        schema: 'careforall.reconciliation.v1',
        run,
        classes,
        findings,
        reviews: await reviews(),
      };
    },

    resolve: (id, by, note) =>
      transaction(pool, async (client) => {
        const { rows } = await client.query<{ class: string; donation_id: string | null; found: JsonValue }>(
          `UPDATE review_items SET resolved_at = now(), resolved_by = $2, note = $3
           WHERE id = $1 AND resolved_at IS NULL RETURNING class, donation_id, found`,
          [id, by, note],
        );
        const item = rows[0];
        if (item === undefined) return false;
        // Somebody has looked: the payment asks again when there is another reason.
        if (item.class === 'NEEDS_REVIEW')
          await client.query('UPDATE payments SET needs_review = NULL WHERE id = $1 AND needs_review = $2', [
            item.donation_id,
            item.found,
          ]);
        return true;
      }),
  };
}

const HEADER = [
  'run_id',
  'class',
  'action',
  'subject',
  'donation_id',
  'provider_payment_id',
  'provider_refund_id',
  'expected',
  'found',
  'found_at',
  'repaired_at',
  'in_review_since',
];

/** One row per finding of the run, and one for each item that was in review before it. */
export function reportCsv({ run, findings, reviews }: ReconciliationReport): string {
  const key = (what: What): string => `${what.class} ${what.subject}`;
  const open = new Map(reviews.map((review) => [key(review), review]));
  const found = new Set(findings.map(key));
  const row = (what: What, action: string, times: readonly (Date | null | undefined)[]) => [
    run.id,
    what.class,
    action,
    what.subject,
    what.donationId,
    what.providerPaymentId,
    what.providerRefundId,
    what.expected === null ? null : textOf(what.expected),
    what.found === null ? null : textOf(what.found),
    ...times.map((time) => time?.toISOString() ?? null),
  ];
  return toCsv([
    HEADER,
    ...findings.map((finding) =>
      row(finding, finding.action, [
        finding.foundAt,
        finding.repairedAt,
        open.get(key(finding))?.firstSeenAt,
      ]),
    ),
    ...reviews
      .filter((review) => !found.has(key(review)))
      .map((review) => row(review, 'review', [review.lastSeenAt, null, review.firstSeenAt])),
  ]);
}

function textOf(value: JsonValue): string {
  return typeof value === 'string' ? value : canonicalJson(value);
}
