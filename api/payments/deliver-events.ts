/** Decides what a stored event is good for, and tells the payment's workflow when it may prove something new. */
import type { Pool } from 'pg';
import { RANK, type PaymentStatus } from '../../domain/payment.ts';
import type { Failpoint } from '../../platform/failpoint.ts';
import type { ClaimedRow, Delivery, RelayTable } from '../../platform/relay.ts';
import { inSpan } from '../../platform/telemetry.ts';
import type { PaymentProvider } from '../../provider/port.ts';
import {
  PAYMENT_ORDER_COLUMNS,
  signalAftercare,
  signalOwner,
  type AftercareDeps,
  type OwnedPaymentRow,
} from './aftercare.ts';
import { claimsNothingNew, isReversal, readHint } from './reversal-events.ts';

export const WEBHOOK_EVENTS_TABLE: RelayTable = {
  name: 'webhook_events',
  idColumn: 'event_id',
  idType: 'text',
  columns: 'type, object_id, charge_id, donation_id, livemode, received_at, traceparent',
  pending: 'delivered_at IS NULL',
  // An outcome means that nothing is left to do; without one the workflow's activity says when it is applied.
  delivered: `delivered_at = coalesce(t.delivered_at, now()), outcome = coalesce(t.outcome, r.outcome),
    processed_at = CASE WHEN r.outcome IS NULL THEN t.processed_at ELSE coalesce(t.processed_at, now()) END`,
};

export type WebhookEventRow = ClaimedRow & {
  readonly type: string;
  readonly object_id: string;
  readonly charge_id: string | null;
  readonly donation_id: string | null;
  readonly livemode: boolean;
  readonly received_at: Date;
  readonly traceparent: string | null;
};

export type DeliverDeps = AftercareDeps & {
  readonly pool: Pool;
  /** Asked which payment a refund or dispute belongs to, when its event does not say so. */
  readonly provider: Pick<PaymentProvider, 'retrieveRefund' | 'retrieveDispute'>;
  /** An operation of ours this young may be running as a local activity, which a signal would make run again. */
  readonly quietAfterOperationMs: number;
  readonly livemode: boolean;
  readonly failpoint: Failpoint;
};

/** What each type can prove at most. https://docs.stripe.com/api/events/types */
const PROVES: Readonly<Record<string, PaymentStatus>> = {
  'payment_intent.created': 'INITIATED',
  'payment_intent.processing': 'INITIATED',
  'payment_intent.requires_action': 'INITIATED',
  'payment_intent.amount_capturable_updated': 'AUTHORIZED',
  'payment_intent.payment_failed': 'FAILED',
  'payment_intent.canceled': 'FAILED',
  'charge.expired': 'EXPIRED',
  'payment_intent.succeeded': 'CAPTURED',
};

const SIGNAL_LIMIT_MS = 5_000;
/** A payment that we do not know may be one whose row is not committed yet. */
const UNMATCHED_RETRY_MS = 1_000;
const UNMATCHED_LIMIT_MS = 24 * 3_600_000;

type PaymentRow = OwnedPaymentRow & {
  readonly provider_payment_id: string | null;
  readonly operation_age_ms: number | null;
};

export function deliverEvent(deps: DeliverDeps): (row: WebhookEventRow) => Promise<Delivery> {
  return (row) =>
    inSpan(
      `deliver ${row.type}`,
      { traceparent: row.traceparent, attributes: { 'event.id': row.id } },
      async () => {
        deps.failpoint('webhook.claimed');
        if (row.livemode !== deps.livemode) return { kind: 'delivered', outcome: 'other_mode' };
        const delivery = isReversal(row.type) ? await tellOfReversal(deps, row) : await tell(deps, row);
        if (delivery.kind === 'delivered') deps.failpoint('webhook.delivered');
        return delivery;
      },
    );
}

async function tell(deps: DeliverDeps, row: WebhookEventRow): Promise<Delivery> {
  const proves = Object.hasOwn(PROVES, row.type) ? PROVES[row.type] : undefined;
  if (proves === undefined) return { kind: 'delivered', outcome: 'unknown_type' };
  const payment = await findPayment(deps.pool, row.object_id, row.donation_id, row.charge_id);
  if (payment === null) return unmatched(row);
  // Not known yet, or of a second payment for the same donation: then somebody has to look at it.
  const idIsNews = payment.provider_payment_id !== row.object_id;
  if (RANK[payment.state] >= RANK[proves] && !idIsNews) return { kind: 'delivered', outcome: 'nothing_new' };
  const quietInMs = quietIn(deps, payment);
  if (quietInMs > 0) return { kind: 'later', afterMs: quietInMs };
  await deps.temporal.withDeadline(Date.now() + SIGNAL_LIMIT_MS, () =>
    signalOwner(deps, payment, { eventId: row.id }),
  );
  return { kind: 'delivered' };
}

/** Refunds and disputes are aftercare's, whatever the donation does. */
async function tellOfReversal(deps: DeliverDeps, row: WebhookEventRow): Promise<Delivery> {
  const hint = await readHint(deps.pool, deps.provider, row.id);
  const payment = await findPayment(
    deps.pool,
    hint?.paymentId ?? row.object_id,
    row.donation_id,
    hint?.chargeId ?? row.charge_id,
  );
  if (payment === null) return unmatched(row);
  if (hint !== null && (await claimsNothingNew(deps.pool, payment.id, hint)))
    return { kind: 'delivered', outcome: 'nothing_new' };
  const quietInMs = quietIn(deps, payment);
  if (quietInMs > 0) return { kind: 'later', afterMs: quietInMs };
  await deps.temporal.withDeadline(Date.now() + SIGNAL_LIMIT_MS, () =>
    signalAftercare(deps, payment, { eventId: row.id }),
  );
  return { kind: 'delivered' };
}

function quietIn({ quietAfterOperationMs }: DeliverDeps, { operation_age_ms: ageMs }: PaymentRow): number {
  return quietAfterOperationMs - (ageMs ?? quietAfterOperationMs);
}

async function findPayment(
  pool: Pool,
  providerPaymentId: string | null,
  donationId: string | null,
  chargeId: string | null,
): Promise<PaymentRow | null> {
  const { rows } = await pool.query<PaymentRow>({
    name: 'event-payment',
    text: `SELECT ${PAYMENT_ORDER_COLUMNS}, provider_payment_id, state,
             (SELECT extract(epoch FROM clock_timestamp() - max(greatest(started_at, last_attempt_at))) * 1000
              FROM payment_operations WHERE payment_id = payments.id)::float8 AS operation_age_ms
           FROM payments WHERE provider_payment_id = $1 OR provider_charge_id = $3 OR id = $2
           ORDER BY provider_payment_id IS NOT DISTINCT FROM $1 DESC LIMIT 1`,
    values: [providerPaymentId, donationId, chargeId],
  });
  return rows[0] ?? null;
}

function unmatched(row: WebhookEventRow): Delivery {
  const ageMs = Date.now() - row.received_at.getTime();
  if (ageMs > UNMATCHED_LIMIT_MS) return { kind: 'parked', reason: 'no payment of ours fits' };
  return {
    kind: 'failed',
    reason: 'no payment of ours fits yet',
    afterMs: Math.max(UNMATCHED_RETRY_MS, Math.min(ageMs / 4, 300_000)),
  };
}
