/** Asks the provider how things stand with one payment, and writes down all of it. */
import type { Pool } from 'pg';
import { transaction } from '../../platform/postgres.ts';
import type { PaymentProvider, ProviderPayment } from '../../provider/port.ts';
import type { PaymentView } from '../../workflows/ports.ts';
import { lockPayment } from './book/payment.ts';
import { currentView, viewOf } from './book/view.ts';
import { eventsProvenBy } from './observation.ts';
import { failure, notKnownYet } from './operations.ts';
import { applyTruth, fetchReversals } from './truth.ts';

const CLOCK_SKEW_MS = 300_000;

export async function lookAtPayment(
  pool: Pool,
  provider: PaymentProvider,
  donationId: string,
  signal: AbortSignal,
): Promise<PaymentView> {
  const { rows } = await pool.query<{ provider_payment_id: string | null; created_at: Date }>(
    'SELECT provider_payment_id, created_at FROM payments WHERE id = $1',
    [donationId],
  );
  const row = rows[0];
  if (row === undefined) throw failure('invariant_broken', `payment ${donationId} does not exist`);
  const payment = await fetchPayment(provider, donationId, row, signal);
  if (payment === null) return await currentView(pool, donationId);
  const reversals = await fetchReversals(provider, payment, signal);
  if (reversals.kind === 'our_fault')
    throw failure('provider_rejected', `reversals of ${payment.id}: ${reversals.status} ${reversals.code}`);
  if (reversals.kind === 'unknown') throw notKnownYet(`payment ${payment.id}`, reversals);
  return await transaction(pool, async (client) => {
    const locked = await lockPayment(client, donationId);
    if (locked === null) throw failure('invariant_broken', `payment ${donationId} does not exist`);
    const events = (known: typeof locked) => eventsProvenBy(payment, known.releaseCode);
    const applied = await applyTruth(client, locked, { payment, ...reversals }, events, { text: 'look' });
    return await viewOf(client, applied);
  });
}

/** Null when there is none, as far as one look can tell. */
async function fetchPayment(
  provider: PaymentProvider,
  donationId: string,
  {
    provider_payment_id: id,
    created_at: createdAt,
  }: { provider_payment_id: string | null; created_at: Date },
  signal: AbortSignal,
): Promise<ProviderPayment | null> {
  const known = id ?? (await findId(provider, donationId, createdAt, signal));
  if (known === null) return null;
  const answer = await provider.retrievePayment(known, signal);
  if (answer.kind === 'yes') return answer.payment;
  if (answer.kind === 'unknown') throw notKnownYet(`payment ${known}`, answer);
  throw failure(
    'provider_rejected',
    `payment ${known} cannot be read: ${'code' in answer ? answer.code : answer.kind}`,
  );
}

/** Search is behind, and tells no fee: what it finds is fetched all the same. */
async function findId(
  provider: PaymentProvider,
  donationId: string,
  createdAt: Date,
  signal: AbortSignal,
): Promise<string | null> {
  const createdFrom = new Date(createdAt.getTime() - CLOCK_SKEW_MS);
  const found = await provider.findByDonation(donationId, createdFrom, signal);
  if (found.kind === 'yes') return found.payments[0]?.id ?? null;
  if (found.kind === 'unknown') throw notKnownYet(`payment of ${donationId}`, found);
  throw failure('provider_rejected', `payments cannot be listed: ${found.status} ${found.code}`);
}
