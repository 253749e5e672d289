/** Applies a stored provider event: the event says where to look, the fetched object says what is true. */
import { ApplicationFailure } from '@temporalio/common';
import type { ClientBase, Pool } from 'pg';
import type { FailureCode } from '../../domain/failures.ts';
import type { Failpoint } from '../../platform/failpoint.ts';
import { transaction } from '../../platform/postgres.ts';
import type { PaymentProvider, ProviderPayment } from '../../provider/port.ts';
import type { PaymentView } from '../../workflows/ports.ts';
import { applyEvents, lockPayment, markForReview, viewOf, type Payment } from './facts.ts';
import { eventsProvenBy, mismatchOf } from './observation.ts';

type Deps = {
  readonly pool: Pool;
  readonly provider: PaymentProvider;
  readonly failpoint: Failpoint;
  /** The payment that a stored, verified event carries; null when it carries none. */
  readonly readSnapshot: (payload: string) => ProviderPayment | null;
  readonly attempt: number;
};

type EventRow = {
  event_id: string;
  object_id: string;
  donation_id: string | null;
  payload: string;
  processed_at: Date | null;
};

/**
 * While the provider answers nothing at all, only its webhooks tell. Their body is signed and a payment only moves
 * forward, so after this many fruitless questions what the body proves is taken for true.
 */
const FETCHES_BEFORE_SNAPSHOT = 3;

export async function applyStoredEvent(deps: Deps, eventId: string): Promise<PaymentView | null> {
  const { pool } = deps;
  const { rows } = await pool.query<EventRow>(
    'SELECT event_id, object_id, donation_id, payload, processed_at FROM webhook_events WHERE event_id = $1',
    [eventId],
  );
  const event = rows[0];
  if (event === undefined) throw new Error(`event ${eventId} is not stored`);
  const donationId = await donationOf(pool, event);
  if (donationId === null) return null;

  const fetched = event.processed_at === null ? await fetchObject(deps, event) : null;
  const view = await transaction(pool, async (client) => {
    let payment = await lockPayment(client, donationId);
    if (payment === null) return null;
    let outcome = 'applied';
    if (fetched !== null) {
      payment = await applyFetched(client, payment, fetched, eventId);
      if (payment.needsReview !== null) outcome = 'needs_review';
      await client.query(
        `UPDATE webhook_events SET processed_at = now(), outcome = $2, delivered_at = coalesce(delivered_at, now())
         WHERE event_id = $1 AND processed_at IS NULL`,
        [eventId, outcome],
      );
    }
    return await viewOf(client, payment);
  });
  deps.failpoint('event.applied');
  return view;
}

/** By the provider's id, or by our own in its metadata while we do not know the provider's yet. */
async function donationOf(pool: Pool, event: EventRow): Promise<string | null> {
  const { rows } = await pool.query<{ id: string }>(
    'SELECT id FROM payments WHERE provider_payment_id = $1 UNION ALL SELECT id FROM payments WHERE id = $2 LIMIT 1',
    [event.object_id, event.donation_id],
  );
  return rows[0]?.id ?? null;
}

async function applyFetched(
  client: ClientBase,
  payment: Payment,
  fetched: Fetched,
  eventId: string,
): Promise<Payment> {
  const doubt =
    fetched.kind === 'object' ? mismatchOf(payment, fetched.object) : `cannot be read (${fetched.code})`;
  if (doubt !== null)
    return await markForReview(client, payment, `event ${eventId}: the provider's payment ${doubt}`);
  return fetched.kind === 'object' ? await applyObject(client, payment, fetched.object, eventId) : payment;
}

async function applyObject(
  client: ClientBase,
  payment: Payment,
  object: ProviderPayment,
  eventId: string,
): Promise<Payment> {
  if (payment.providerPaymentId === null) {
    await client.query('UPDATE payments SET provider_payment_id = $2, updated_at = now() WHERE id = $1', [
      payment.donationId,
      object.id,
    ]);
  }
  const known = { ...payment, providerPaymentId: object.id };
  return await applyEvents(client, known, eventsProvenBy(object), `event:${eventId}`, eventId);
}

type Fetched =
  | { readonly kind: 'object'; readonly object: ProviderPayment }
  | { readonly kind: 'unreadable'; readonly code: string };

async function fetchObject({ provider, readSnapshot, attempt }: Deps, event: EventRow): Promise<Fetched> {
  const answer = await provider.retrievePayment(event.object_id);
  if (answer.kind === 'yes') return { kind: 'object', object: answer.payment };
  // No such object: the event lies or the account is another. A key that is refused (401, 403) can be mended, so that waits.
  if (answer.kind === 'our_fault' && answer.status === 404) return { kind: 'unreadable', code: answer.code };
  if (attempt >= FETCHES_BEFORE_SNAPSHOT) {
    const snapshot = readSnapshot(event.payload);
    if (snapshot !== null) return { kind: 'object', object: snapshot };
  }
  const retryAfterMs = answer.kind === 'unknown' ? answer.retryAfterMs : null;
  throw ApplicationFailure.create({
    type: 'provider_unknown' satisfies FailureCode,
    message: `payment ${event.object_id} cannot be read yet (${answer.kind})`,
    ...(retryAfterMs === null ? {} : { nextRetryDelay: retryAfterMs }),
  });
}
