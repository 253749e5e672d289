/** Refunds and disputes of one donation: who wanted them, and what the provider calls them. */
import type { Snapshot } from '../audit/load/databases.ts';
import type { Happening } from './timeline.ts';

type RefundRow = {
  id: string;
  providerId: string | null;
  amount: number;
  requestedBy: string;
  reason: string | null;
  failureCode: string | null;
  createdAt: Date;
  updatedAt: Date;
};
type DisputeRow = { providerId: string; amount: number; createdAt: Date };

export async function readReversals(
  snapshot: Snapshot,
  id: string,
): Promise<{ readonly happenings: Happening[]; readonly providerIds: string[] }> {
  const refunds = await snapshot.query<RefundRow>(
    'payments',
    `SELECT id, provider_refund_id AS "providerId", amount, requested_by AS "requestedBy", reason, failure_code AS "failureCode",
       created_at AS "createdAt", updated_at AS "updatedAt" FROM refunds WHERE payment_id = $1 ORDER BY created_at, id`,
    [id],
  );
  const disputes = await snapshot.query<DisputeRow>(
    'payments',
    `SELECT provider_dispute_id AS "providerId", amount, created_at AS "createdAt" FROM disputes WHERE payment_id = $1 ORDER BY created_at, id`,
    [id],
  );
  return {
    happenings: [
      ...refunds.flatMap(ofRefund),
      ...disputes.map(({ providerId, amount, createdAt }): Happening => ({
        at: createdAt,
        source: 'payment',
        what: `dispute of ${amount} noted, the provider’s ${providerId}`,
        trouble: true,
      })),
    ],
    providerIds: [...refunds, ...disputes].flatMap(({ providerId }) => providerId ?? []),
  };
}

function ofRefund({
  id,
  providerId,
  amount,
  requestedBy,
  reason,
  failureCode,
  createdAt,
  updatedAt,
}: RefundRow): Happening[] {
  const known = providerId === null ? '' : `, the provider’s ${providerId}`;
  const why = reason === null ? '' : ` (${reason})`;
  const asked: Happening = {
    at: createdAt,
    source: 'payment',
    what: `refund ${id} of ${amount} asked for by ${requestedBy}${why}${known}`,
  };
  return failureCode === null
    ? [asked]
    : [
        asked,
        { at: updatedAt, source: 'payment', what: `refund ${id} failed: ${failureCode}`, trouble: true },
      ];
}
