/** Rules of the payments database that hold at any time; each query yields what breaks one. */
import type { Pool } from 'pg';
import { transaction } from '../../../platform/postgres.ts';
import type { ReconciliationRun, Violation } from '../../../workflows/ports.ts';
import { recordFindings } from './findings.ts';

const MAX_VIOLATIONS = 500;

/** Rows are (class, subject, donation id, expected, found). `$1`: how long something may be open, in milliseconds. */
const RULES: readonly string[] = [
  // What we owe the campaign of a payment is what was captured and neither refunded nor lost.
  `SELECT 'LEDGER', p.id::text, p.id, (p.captured - p.refunded - coalesce(lost, 0))::bigint, coalesce(owed, 0)::bigint
   FROM payments p
   LEFT JOIN (SELECT payment_id, -sum(amount) AS owed FROM ledger_entries WHERE account = 'campaign_payable' GROUP BY 1) l ON l.payment_id = p.id
   LEFT JOIN (SELECT payment_id, sum(amount) AS lost FROM disputes WHERE status = 'lost' GROUP BY 1) d ON d.payment_id = p.id
   WHERE p.captured - p.refunded - coalesce(lost, 0) <> coalesce(owed, 0)`,
  `SELECT 'LEDGER', posting_id, (array_agg(payment_id))[1], 0::bigint, sum(amount)::bigint
   FROM ledger_entries GROUP BY posting_id, currency HAVING sum(amount) <> 0`,
  `SELECT 'LEDGER', provider_payment_id, NULL::uuid, 0::bigint, -sum(amount)::bigint
   FROM ledger_entries WHERE account = 'suspense' GROUP BY provider_payment_id HAVING sum(amount) > 0`,
  `SELECT 'SUMS', p.id::text, p.id, p.refunded, coalesce(sum(r.amount), 0)::bigint
   FROM payments p LEFT JOIN refunds r ON r.payment_id = p.id AND r.status = 'succeeded'
   WHERE p.captured > 0 GROUP BY p.id HAVING p.refunded <> coalesce(sum(r.amount), 0)`,
  `SELECT 'HISTORY', p.id::text, p.id, p.version::bigint, count(t.version)
   FROM payments p LEFT JOIN payment_transitions t ON t.payment_id = p.id GROUP BY p.id HAVING p.version <> count(t.version)`,
  `SELECT 'PARKED', 'event ' || event_id, donation_id, NULL::bigint, attempts::bigint FROM webhook_events WHERE parked_at IS NOT NULL AND processed_at IS NULL`,
  `SELECT 'PARKED', 'command ' || id, payment_id, NULL::bigint, attempts::bigint FROM workflow_commands WHERE parked_at IS NOT NULL`,
  `SELECT 'PARKED', 'outbox event ' || id, NULL::uuid, NULL::bigint, attempts::bigint FROM outbox_events WHERE parked_at IS NOT NULL`,
  // A refund that was promised and not even sent.
  `SELECT 'STUCK', 'refund ' || id, payment_id, NULL::bigint, amount FROM refunds
   WHERE status = 'pending' AND provider_refund_id IS NULL AND created_at < now() - $1 * interval '1 millisecond'`,
];

type Row = {
  class: Violation['class'];
  subject: string;
  donation_id: string | null;
  expected: number | null;
  found: number | null;
};

async function findViolations(pool: Pool, stuckAfterMs: number): Promise<Violation[]> {
  const found: Violation[] = [];
  for (const rule of RULES) {
    // Every rule takes the same parameter, whether it needs it or not.
    const { rows } = await pool.query<Row>(
      `SELECT * FROM (${rule}) AS broken(class, subject, donation_id, expected, found) WHERE $1::float8 IS NOT NULL LIMIT ${MAX_VIOLATIONS}`,
      [stuckAfterMs],
    );
    for (const { donation_id: donationId, ...row } of rows) found.push({ ...row, donationId });
  }
  return found;
}

/** A donation that waits for its donor or for a bank is not stuck: the payment knows. */
async function waitingOutside(pool: Pool, violations: readonly Violation[]): Promise<ReadonlySet<string>> {
  const stuck = violations.flatMap(({ class: name, donationId }) =>
    name === 'STUCK' && donationId !== null ? [donationId] : [],
  );
  const { rows } = await pool.query<{ id: string }>(
    `SELECT id FROM payments WHERE id = ANY($1::uuid[]) AND waiting_for IS NOT NULL AND state = 'INITIATED'`,
    [stuck],
  );
  return new Set(rows.map(({ id }) => id));
}

export async function recordViolations(
  pool: Pool,
  {
    run,
    stuckAfterMs,
    violations,
  }: {
    readonly run: ReconciliationRun;
    readonly stuckAfterMs: number;
    readonly violations: readonly Violation[];
  },
): Promise<void> {
  const all = [...violations, ...(await findViolations(pool, stuckAfterMs))];
  const waiting = await waitingOutside(pool, violations);
  const findings = all
    .filter(({ class: name, donationId }) => name !== 'STUCK' || !waiting.has(donationId ?? ''))
    .map((violation) => ({
      ...violation,
      action: 'review' as const,
      providerPaymentId: null,
      providerRefundId: null,
    }));
  await transaction(pool, (client) => recordFindings(client, run, findings));
}
