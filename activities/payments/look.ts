/** Asks the provider how things stand with one payment, and writes down all of it. */
import type { Pool } from 'pg';
import { transaction } from '../../platform/postgres.ts';
import type { PaymentProvider, ProviderPayment } from '../../provider/port.ts';
import type { PaymentView } from '../../workflows/ports.ts';
import { lockPayment } from './book/payment.ts';
import { currentView, viewOf } from './book/view.ts';
import { eventsProvenBy } from './observation.ts';
import { failure, notKnownYet } from './operations.ts';
import { findCreated, retrieve } from './payment-steps.ts';
import { applyTruth, fetchReversals } from './truth.ts';

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
  row: { readonly provider_payment_id: string | null; readonly created_at: Date },
  signal: AbortSignal,
): Promise<ProviderPayment | null> {
  let id = row.provider_payment_id;
  if (id === null) {
    // Search is behind, and tells no fee: what it finds is fetched all the same.
    const found = await findCreated(provider, donationId, row.created_at, signal);
    if (found.kind === 'unknown') throw notKnownYet(`payment of ${donationId}`, found);
    if (found.kind === 'absent') return null;
    ({ id } = found.object);
  }
  const proof = await retrieve(provider, id, signal);
  if (proof.kind === 'unknown') throw notKnownYet(`payment ${id}`, proof);
  return proof.kind === 'object' ? proof.object : null;
}
