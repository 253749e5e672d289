/** What reconciliation has done in the donations database. */
import type { Pool } from 'pg';
import type {
  BookDifference,
  PaymentOrder,
  ReconciliationDonationActivities,
  Violation,
} from '../../workflows/ports.ts';

const MAX_VIOLATIONS = 500;

type PledgeRow = { id: string; version: number; status: string };

export function createDonationReconciliation(pool: Pool): ReconciliationDonationActivities {
  return {
    requestedOrders: async (donationIds) => {
      const { rows } = await pool.query<PaymentOrder>(
        `SELECT id AS "donationId", campaign_id AS "campaignId", amount AS "amountMinor", currency, payment_method AS "paymentMethod"
         FROM donation_requests WHERE id = ANY($1::uuid[])`,
        [donationIds],
      );
      return rows;
    },

    // The relay starts a workflow for it; one that Temporal still knows, running or ended, is not started twice.
    restartDonations: async (donationIds) => {
      await pool.query(
        `UPDATE donation_requests SET started_at = NULL, next_attempt_at = now()
         WHERE id = ANY($1::uuid[]) AND started_at IS NOT NULL AND NOT EXISTS (
           SELECT FROM pledges p WHERE p.id = donation_requests.id AND p.status NOT IN ('INITIATED', 'AUTHORIZED'))`,
        [donationIds],
      );
    },

    differingPledges: async (lines) => {
      const { rows } = await pool.query<PledgeRow>(
        'SELECT id, version, status FROM pledges WHERE id = ANY($1::uuid[])',
        [lines.map(({ donationId }) => donationId)],
      );
      const pledgeOf = new Map(rows.map((row) => [row.id, row]));
      return lines.flatMap(({ donationId, status, version }): BookDifference[] => {
        const pledge = pledgeOf.get(donationId);
        if (pledge?.status === status && pledge.version === version) return [];
        return [
          {
            donationId,
            // A pledge that is missing, or ahead of its payment, does not come right by being told again.
            isBehind: pledge !== undefined && pledge.version < version,
            expected: `${status} v${version}`,
            found: pledge === undefined ? null : `${pledge.status} v${pledge.version}`,
          },
        ];
      });
    },

    donationViolations: async (stuckAfterMs) => {
      const { rows } = await pool.query<Violation>(
        `SELECT class, subject, "donationId", expected, found FROM (
           SELECT 'STUCK' AS class, r.id::text AS subject, r.id AS "donationId", NULL::bigint AS expected, NULL::bigint AS found
           FROM donation_requests r LEFT JOIN pledges p ON p.id = r.id
           WHERE r.accepted_at < now() - $1 * interval '1 millisecond' AND r.parked_at IS NULL
             AND (p.id IS NULL OR p.status IN ('INITIATED', 'AUTHORIZED'))
           UNION ALL
           SELECT 'SUMS', p.id::text, p.id, r.amount, p.amount FROM pledges p JOIN donation_requests r ON r.id = p.id
           WHERE (p.amount, p.currency, p.campaign_id) <> (r.amount, r.currency, r.campaign_id)
           UNION ALL
           SELECT 'PARKED', 'request ' || id, id, NULL, attempts FROM donation_requests WHERE parked_at IS NOT NULL
           UNION ALL
           SELECT 'PARKED', 'command ' || id, donation_id, NULL, attempts FROM workflow_commands WHERE parked_at IS NOT NULL
           UNION ALL
           SELECT 'PARKED', 'outbox event ' || id, NULL, NULL, attempts FROM outbox_events WHERE parked_at IS NOT NULL
         ) AS broken LIMIT $2`,
        [stuckAfterMs, MAX_VIOLATIONS],
      );
      return rows;
    },
  };
}
