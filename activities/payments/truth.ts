/** All that the provider says of one payment, and how it is written down: the payment, its fee, refunds and disputes. */
import { createHash } from 'node:crypto';
import type { ClientBase } from 'pg';
import { uuidV8 } from '../../domain/ids.ts';
import { refusalOf, statusOf, type PaymentEvent, type RefundStatus } from '../../domain/payment.ts';
import type {
  OurFaultAnswer,
  PaymentProvider,
  ProviderDispute,
  ProviderPageAnswer,
  ProviderPayment,
  ProviderRefund,
  ProviderRefundStatus,
  UnknownAnswer,
} from '../../provider/port.ts';
import { applyEvents, markForReview, type Cause } from './book/facts.ts';
import { feePosting, postToLedger } from './book/ledger.ts';
import type { DisputeRow, Payment, RefundRow } from './book/payment.ts';
import { makeRoom } from './book/refund-room.ts';
import { mismatchOf } from './observation.ts';

export type Reversals = {
  readonly refunds: readonly ProviderRefund[];
  readonly disputes: readonly ProviderDispute[];
};

const NO_REVERSALS: Reversals = { refunds: [], disputes: [] };
/** A payment of ours has a handful; a list that never ends must not be followed. */
const MAX_PAGES = 20;

/** Null for a payment without money: nothing can have been given back. */
export async function fetchReversals(
  provider: PaymentProvider,
  payment: ProviderPayment,
  signal: AbortSignal,
): Promise<({ readonly kind: 'yes' } & Reversals) | OurFaultAnswer | UnknownAnswer> {
  if (payment.status !== 'succeeded') return { kind: 'yes', ...NO_REVERSALS };
  const refunds = await everyPage((startingAfter) =>
    provider.listRefunds({ paymentId: payment.id, ...startingAfter }, signal),
  );
  if (refunds.kind !== 'yes') return refunds;
  const disputes = await everyPage((startingAfter) =>
    provider.listDisputes({ paymentId: payment.id, ...startingAfter }, signal),
  );
  if (disputes.kind !== 'yes') return disputes;
  return { kind: 'yes', refunds: refunds.items, disputes: disputes.items };
}

async function everyPage<Item>(
  ask: (from: { readonly startingAfter?: string }) => Promise<ProviderPageAnswer<Item>>,
): Promise<{ readonly kind: 'yes'; readonly items: Item[] } | OurFaultAnswer | UnknownAnswer> {
  const items: Item[] = [];
  let startingAfter: { readonly startingAfter?: string } = {};
  for (let page = 0; page < MAX_PAGES; page += 1) {
    const answer = await ask(startingAfter);
    if (answer.kind !== 'yes') return answer;
    items.push(...answer.items);
    if (answer.nextCursor === null) return { kind: 'yes', items };
    startingAfter = { startingAfter: answer.nextCursor };
  }
  return { kind: 'unknown', reason: 'garbage', retryAfterMs: null, replayed: false };
}

/**
 * Writes down what the payment's object proves: `events` first, then its ids, what it waits for, and the fee.
 * The caller has compared it with ours.
 */
export async function applyPayment(
  client: ClientBase,
  locked: Payment,
  object: ProviderPayment,
  cause: Cause,
  events: readonly PaymentEvent[],
): Promise<Payment> {
  let payment = await rememberIds(client, locked, object);
  payment = await applyEvents(client, payment, events, cause);
  payment = await noteWaiting(client, payment, object);
  return await bookFee(client, payment, object);
}

async function rememberIds(
  client: ClientBase,
  payment: Payment,
  { id, chargeId }: ProviderPayment,
): Promise<Payment> {
  const known = { providerPaymentId: id, providerChargeId: chargeId ?? payment.providerChargeId };
  if (
    payment.providerPaymentId === known.providerPaymentId &&
    payment.providerChargeId === known.providerChargeId
  )
    return payment;
  await client.query({
    name: 'payment-provider-ids',
    text: `UPDATE payments SET provider_payment_id = coalesce(provider_payment_id, $2), provider_charge_id = $3, updated_at = now()
           WHERE id = $1`,
    values: [payment.donationId, known.providerPaymentId, known.providerChargeId],
  });
  return { ...payment, ...known };
}

const WAITING_FOR: Readonly<Partial<Record<ProviderPayment['status'], NonNullable<Payment['waitingFor']>>>> =
  { requires_action: 'action', processing: 'processing' };

async function noteWaiting(
  client: ClientBase,
  payment: Payment,
  { status }: ProviderPayment,
): Promise<Payment> {
  // An old answer may come to be written down after newer ones; who has paid or left is not waited for.
  const waitingFor = statusOf(payment.facts) === 'INITIATED' ? (WAITING_FOR[status] ?? null) : null;
  if (waitingFor === payment.waitingFor) return payment;
  await client.query('UPDATE payments SET waiting_for = $2, updated_at = now() WHERE id = $1', [
    payment.donationId,
    waitingFor,
  ]);
  return { ...payment, waitingFor };
}

async function bookFee(client: ClientBase, payment: Payment, { fee }: ProviderPayment): Promise<Payment> {
  const booked = payment.fee;
  if (fee === null || payment.facts.capturedMinor === 0) return payment;
  if (booked !== null && booked.currency !== fee.currency)
    return await markForReview(
      client,
      payment,
      `the provider's fee is in ${fee.currency}, booked in ${booked.currency}`,
    );
  if (booked?.amountMinor === fee.amountMinor) return payment;
  const { rows } = await client.query<{ n: number }>(
    `SELECT count(DISTINCT posting_id)::int + 1 AS n FROM ledger_entries WHERE payment_id = $1 AND account = 'provider_fees'`,
    [payment.donationId],
  );
  const posting = feePosting(payment.donationId, fee, booked?.amountMinor ?? 0, rows[0]?.n ?? 1);
  if (posting !== null) await postToLedger(client, posting);
  await client.query('UPDATE payments SET fee = $2, fee_currency = $3, updated_at = now() WHERE id = $1', [
    payment.donationId,
    fee.amountMinor,
    fee.currency,
  ]);
  return { ...payment, fee };
}

/** Writes down refunds and disputes, whoever made them. One that cannot be ours marks the payment for review. */
export async function applyReversals(
  client: ClientBase,
  locked: Payment,
  { refunds, disputes }: Reversals,
  cause: Cause,
): Promise<Payment> {
  let payment = locked;
  // Those that failed give back the room that the others may need.
  const failedFirst = refunds.toSorted((a, b) =>
    isFailed(a) === isFailed(b)
      ? a.createdAt.getTime() - b.createdAt.getTime()
      : Number(isFailed(b)) - Number(isFailed(a)),
  );
  for (const refund of failedFirst) payment = await applyRefund(client, payment, refund, cause);
  for (const dispute of disputes) payment = await applyDispute(client, payment, dispute, cause);
  return payment;
}

export const REFUND_STATUS: Readonly<Record<ProviderRefundStatus, RefundStatus>> = {
  pending: 'pending',
  requires_action: 'pending',
  succeeded: 'succeeded',
  failed: 'failed',
  canceled: 'failed',
};

function isFailed({ status }: ProviderRefund): boolean {
  return REFUND_STATUS[status] === 'failed';
}

/** Records one refund of this payment as the provider tells it. */
async function applyRefund(
  client: ClientBase,
  locked: Payment,
  refund: ProviderRefund,
  cause: Cause,
): Promise<Payment> {
  if (refund.currency !== locked.facts.currency)
    return await markForReview(client, locked, `refund ${refund.id} is in ${refund.currency}`);
  const status = REFUND_STATUS[refund.status];
  const ours =
    locked.refunds.find(({ providerRefundId }) => providerRefundId === refund.id) ??
    locked.refunds.find(
      ({ id, providerRefundId, status: known }) =>
        id === refund.refundId && providerRefundId === null && known === 'pending',
    );
  if (ours !== undefined && ours.amountMinor !== refund.amountMinor)
    return await markForReview(
      client,
      locked,
      `refund ${refund.id} is of ${refund.amountMinor}, asked for ${ours.amountMinor}`,
    );
  const known =
    ours === undefined
      ? await makeRoom(client, locked, status === 'failed' ? 0 : refund.amountMinor, cause)
      : locked;
  const event = {
    type: 'refund',
    refundId: ours?.id ?? derivedId('refund', refund.id),
    amountMinor: refund.amountMinor,
    status,
  } as const;
  const refusal = refusalOf(known.facts, event);
  if (refusal !== null) return await markForReview(client, known, `refund ${refund.id}: ${refusal}`);
  const named = await rememberRefund(client, known, event.refundId, refund);
  return await applyEvents(client, named, [event], cause);
}

async function rememberRefund(
  client: ClientBase,
  payment: Payment,
  id: string,
  refund: ProviderRefund,
): Promise<Payment> {
  const { rows } = await client.query<RefundRow>(
    `INSERT INTO refunds (id, payment_id, provider_refund_id, amount, status, requested_by, failure_code)
     VALUES ($1, $2, $3, $4, 'pending', 'provider', $5)
     ON CONFLICT (id) DO UPDATE SET provider_refund_id = coalesce(refunds.provider_refund_id, excluded.provider_refund_id),
       failure_code = coalesce(refunds.failure_code, excluded.failure_code)
     RETURNING id, provider_refund_id AS "providerRefundId", amount AS "amountMinor", status`,
    [
      id,
      payment.donationId,
      refund.id,
      refund.amountMinor,
      isFailed(refund) ? (refund.failureReason ?? refund.status) : null,
    ],
  );
  return { ...payment, refunds: withRow(payment.refunds, rows[0]) };
}

/** Opened before it is decided: the money was withdrawn, whoever saw it. */
async function applyDispute(
  client: ClientBase,
  locked: Payment,
  dispute: ProviderDispute,
  cause: Cause,
): Promise<Payment> {
  if (dispute.status === 'inquiry') return locked;
  if (dispute.currency !== locked.facts.currency)
    return await markForReview(client, locked, `dispute ${dispute.id} is in ${dispute.currency}`);
  const known = locked.disputes.find(({ providerDisputeId }) => providerDisputeId === dispute.id);
  const disputeId = known?.id ?? derivedId('dispute', dispute.id);
  const opened = { type: 'dispute', disputeId, amountMinor: dispute.amountMinor, status: 'opened' } as const;
  const refusal =
    refusalOf(locked.facts, opened) ?? refusalOf(locked.facts, { ...opened, status: dispute.status });
  if (refusal !== null) return await markForReview(client, locked, `dispute ${dispute.id}: ${refusal}`);
  let payment = locked;
  if (known === undefined) {
    const { rows } = await client.query<DisputeRow>(
      `INSERT INTO disputes (id, payment_id, provider_dispute_id, amount, status) VALUES ($1, $2, $3, $4, 'opened')
       RETURNING id, provider_dispute_id AS "providerDisputeId", amount AS "amountMinor", status`,
      [disputeId, locked.donationId, dispute.id, dispute.amountMinor],
    );
    payment = { ...payment, disputes: withRow(payment.disputes, rows[0]) };
  }
  return await applyEvents(client, payment, [opened, { ...opened, status: dispute.status }], cause);
}

function withRow<Row extends { readonly id: string }>(rows: readonly Row[], row: Row | undefined): Row[] {
  if (row === undefined) throw new Error('a row was neither stored nor found');
  return [...rows.filter(({ id }) => id !== row.id), row];
}

/** What the provider made by itself has an id of ours, too: the same one whoever hears of it first. */
function derivedId(kind: 'refund' | 'dispute', providerId: string): string {
  return uuidV8(createHash('sha256').update(`${kind}:${providerId}`).digest());
}

/** What all of it proves, at once. */
export async function applyTruth(
  client: ClientBase,
  locked: Payment,
  truth: { readonly payment: ProviderPayment } & Reversals,
  events: (payment: Payment) => readonly PaymentEvent[],
  cause: Cause,
): Promise<Payment> {
  const mismatch = mismatchOf(locked, truth.payment);
  if (mismatch !== null)
    return await markForReview(client, locked, `${cause.text}: the provider's payment ${mismatch}`);
  const payment = await applyPayment(client, locked, truth.payment, cause, events(locked));
  return await applyReversals(client, payment, truth, cause);
}
