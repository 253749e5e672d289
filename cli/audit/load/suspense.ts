/** Ledger lines of money that belongs to no payment of ours. */
import type { LedgerLine } from '../snapshot.ts';
import type { Snapshot } from './databases.ts';

export type SuspenseRows = {
  readonly providerPaymentId: string;
  readonly lines: readonly LedgerLine[];
  readonly donationId: string | null;
};

export async function readSuspense(snapshot: Snapshot): Promise<SuspenseRows[]> {
  const rows = await snapshot.query<LedgerLine & { providerPaymentId: string; donationId: string | null }>(
    'payments',
    `SELECT l.provider_payment_id AS "providerPaymentId", l.posting_id AS "postingId", l.account, l.amount AS "amountMinor", l.currency,
       p.id AS "donationId"
     FROM ledger_entries l LEFT JOIN payments p USING (provider_payment_id) WHERE l.provider_payment_id IS NOT NULL ORDER BY l.id`,
  );
  return [...Map.groupBy(rows, ({ providerPaymentId }) => providerPaymentId)].map(
    ([providerPaymentId, lines]) => ({
      providerPaymentId,
      donationId: lines[0]?.donationId ?? null,
      lines: lines.map(({ postingId, account, amountMinor, currency }) => ({
        postingId,
        account,
        amountMinor,
        currency,
      })),
    }),
  );
}
