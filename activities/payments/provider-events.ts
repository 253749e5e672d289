/** Applies a stored provider event: the event says where to look, the fetched object says what is true. */
import type { Pool } from 'pg';
import type { Failpoint } from '../../platform/failpoint.ts';
import { transaction } from '../../platform/postgres.ts';
import type { OurFaultAnswer, PaymentProvider, ProviderPayment, UnknownAnswer } from '../../provider/port.ts';
import type { PaymentView } from '../../workflows/ports.ts';
import { markForReview } from './book/facts.ts';
import { lockPayment, type Payment } from './book/payment.ts';
import { insertCommand } from './book/refund-requests.ts';
import { viewOf } from './book/view.ts';
import { eventsProvenBy } from './observation.ts';
import { notKnownYet } from './operations.ts';
import { applyTruth, fetchReversals, type Reversals } from './truth.ts';

type Deps = {
  readonly pool: Pool;
  readonly provider: PaymentProvider;
  readonly failpoint: Failpoint;
  /** The payment that a stored, verified event carries; null when it carries none. */
  readonly readSnapshot: (payload: string) => ProviderPayment | null;
  readonly attempt: number;
  readonly signal: AbortSignal;
};

type EventRow = {
  event_id: string;
  type: string;
  object_id: string;
  payload: string;
  processed_at: Date | null;
};

/**
 * While the provider answers nothing at all, only its webhooks tell. Their body is signed and a payment only moves
 * forward, so after this many fruitless questions what the body proves is taken for true.
 */
const FETCHES_BEFORE_SNAPSHOT = 3;

/** `donationId` is whom the relay has matched the event with; null for one that names another donation. */
export async function applyStoredEvent(
  deps: Deps,
  eventId: string,
  donationId: string,
): Promise<PaymentView | null> {
  const { pool } = deps;
  const { rows } = await pool.query<EventRow & { provider_payment_id: string | null }>(
    `SELECT event_id, type, object_id, payload, processed_at, provider_payment_id
     FROM webhook_events e, payments p WHERE event_id = $1 AND p.id = $2
       AND (e.object_id = p.provider_payment_id OR e.donation_id IS NULL OR e.donation_id = p.id)`,
    [eventId, donationId],
  );
  const event = rows[0];
  if (event === undefined) return null;

  const fetched = event.processed_at === null ? await fetchTruth(deps, event) : null;
  const view = await transaction(pool, async (client) => {
    const locked = await lockPayment(client, donationId);
    if (locked === null) return null;
    if (fetched === null) return await viewOf(client, locked);
    // Without the doubts there were before, so that this event's own show.
    const applied = await applyFetched(client, { ...locked, needsReview: null }, fetched, eventId);
    await client.query(
      `UPDATE webhook_events SET processed_at = now(), outcome = $2, delivered_at = coalesce(delivered_at, now())
       WHERE event_id = $1 AND processed_at IS NULL`,
      [eventId, applied.needsReview === null ? 'applied' : 'needs_review'],
    );
    // An event's own body does not tell the fee: the provider is asked for it once it answers again.
    if (fetched.kind === 'truth' && fetched.fromBody === true && feeIsUnknown(applied))
      await insertCommand(client, donationId, 'look');
    return await viewOf(client, applied);
  });
  deps.failpoint('event.applied');
  return view;
}

async function applyFetched(
  client: Parameters<typeof lockPayment>[0],
  locked: Payment,
  fetched: Fetched,
  eventId: string,
): Promise<Payment> {
  if (fetched.kind === 'unreadable')
    return await markForReview(
      client,
      locked,
      `event ${eventId}: the provider's payment cannot be read (${fetched.code})`,
    );
  const cause = { text: `event:${eventId}`, webhookEventId: eventId };
  const events = (payment: Payment) => eventsProvenBy(fetched.payment, payment.releaseCode);
  return await applyTruth(client, locked, fetched, events, cause);
}

function feeIsUnknown({ facts, fee }: Payment): boolean {
  return facts.capturedMinor > 0 && fee === null;
}

type Fetched =
  | ({
      readonly kind: 'truth';
      readonly payment: ProviderPayment;
      readonly fromBody?: true;
    } & Reversals)
  | { readonly kind: 'unreadable'; readonly code: string };

/** Every event of money that went back, and none of money that came, needs the refunds and disputes as well. */
const ABOUT_REVERSALS = /^(charge\.(refunded|refund\.|dispute\.)|refund\.)/;

async function fetchTruth(
  deps: Deps,
  event: EventRow & { provider_payment_id: string | null },
): Promise<Fetched> {
  const { provider, readSnapshot, attempt, signal } = deps;
  // A refund's or dispute's event may not name the payment; the relay found it by its charge.
  const aboutReversals = ABOUT_REVERSALS.test(event.type);
  const id = aboutReversals ? (event.provider_payment_id ?? event.object_id) : event.object_id;
  const answer = await provider.retrievePayment(id, signal);
  if (answer.kind === 'yes') {
    if (!aboutReversals) return { kind: 'truth', payment: answer.payment, refunds: [], disputes: [] };
    const reversals = await fetchReversals(provider, answer.payment, signal);
    if (reversals.kind === 'yes') return { ...reversals, kind: 'truth', payment: answer.payment };
    throw notYetReadable(id, reversals);
  }
  // No such object: the event lies or the account is another. A key that is refused (401, 403) can be mended, so that waits.
  if (answer.kind === 'our_fault' && answer.status === 404) return { kind: 'unreadable', code: answer.code };
  if (attempt >= FETCHES_BEFORE_SNAPSHOT && !aboutReversals) {
    const payment = readSnapshot(event.payload);
    if (payment !== null) return { kind: 'truth', payment, refunds: [], disputes: [], fromBody: true };
  }
  throw notYetReadable(id, answer.kind === 'unknown' || answer.kind === 'our_fault' ? answer : null);
}

function notYetReadable(id: string, answer: UnknownAnswer | OurFaultAnswer | null) {
  return notKnownYet(`payment ${id}`, answer?.kind === 'unknown' ? answer : null);
}
