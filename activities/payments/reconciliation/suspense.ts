/** Money at the provider that belongs to no payment of ours: booked, so that the ledger agrees with the provider. */
import type { ClientBase } from 'pg';
import { postToLedger } from '../book/ledger.ts';

/**
 * Brings what stands in suspense for one provider payment to `targetMinor`: what the provider holds of it while it is
 * nobody's, zero once it has gone back or found its donation. Repeating it books nothing.
 */
export async function settleSuspense(
  client: ClientBase,
  providerPaymentId: string,
  { targetMinor, currency }: { readonly targetMinor: number; readonly currency: string },
): Promise<void> {
  // There is no row to lock while nothing is booked; two runs must not both find that.
  await client.query(`SELECT pg_advisory_xact_lock(hashtextextended($1, 0))`, [
    `suspense:${providerPaymentId}`,
  ]);
  const { rows } = await client.query<{ booked: number; postings: number; currency: string | null }>(
    `SELECT coalesce(-sum(amount), 0)::bigint AS booked, count(*)::int AS postings, max(currency) AS currency
     FROM ledger_entries WHERE provider_payment_id = $1 AND account = 'suspense'`,
    [providerPaymentId],
  );
  const { booked, postings, currency: bookedIn } = rows[0] ?? { booked: 0, postings: 0, currency: null };
  const difference = targetMinor - booked;
  if (difference === 0) return;
  await postToLedger(client, {
    postingId: `suspense:${providerPaymentId}${postings === 0 ? '' : `:${postings + 1}`}`,
    of: { providerPaymentId },
    currency: bookedIn ?? currency,
    from: difference > 0 ? 'suspense' : 'provider_balance',
    to: difference > 0 ? 'provider_balance' : 'suspense',
    amountMinor: Math.abs(difference),
  });
}
