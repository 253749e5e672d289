/** Applies what the provider proved to a payment, within one transaction, with all that follows from it. */
import type { ClientBase } from 'pg';
import {
  decide,
  evolve,
  refundedMinor,
  refusalOf,
  statusOf,
  type FactChange,
  type PaymentEvent,
  type PaymentFacts,
  type PaymentStatus,
} from '../../domain/payment.ts';
import type { CurrencyCode } from '../../domain/money.ts';
import { entriesFor, type TotalsEntry } from '../../domain/totals.ts';
import type { EventType, OutboxEvent } from '../../events/contracts.ts';
import { insertOutboxEvents } from '../../events/outbox.ts';
import type { PaymentView } from '../../workflows/ports.ts';
import { capturedPosting, postToLedger } from './ledger.ts';

export type Payment = {
  readonly donationId: string;
  readonly campaignId: string;
  readonly providerPaymentId: string | null;
  readonly version: number;
  readonly needsReview: string | null;
  readonly facts: PaymentFacts;
};

type PaymentRow = {
  id: string;
  campaign_id: string;
  provider_payment_id: string | null;
  amount: number;
  currency: CurrencyCode;
  authorized: boolean;
  closed_as: 'FAILED' | 'EXPIRED' | null;
  closed_code: string | null;
  captured: number;
  version: number;
  needs_review: string | null;
};

const PAYMENT_COLUMNS =
  'id, campaign_id, provider_payment_id, amount, currency, authorized, closed_as, closed_code, captured, version, needs_review';

/**
 * Reads the payment and keeps its row locked until the transaction ends: changes of one payment queue up here. NO KEY,
 * because a new operation's foreign key holds KEY SHARE on the same row, and the two would deadlock.
 */
export async function lockPayment(client: ClientBase, donationId: string): Promise<Payment | null> {
  const { rows } = await client.query<PaymentRow>({
    name: 'payment-lock',
    text: `SELECT ${PAYMENT_COLUMNS} FROM payments WHERE id = $1 FOR NO KEY UPDATE`,
    values: [donationId],
  });
  const row = rows[0];
  if (row === undefined) return null;
  return toPayment(row, await readReversals(client, row));
}

type Reversals = Pick<PaymentFacts, 'refunds' | 'disputes'>;

async function readReversals(client: ClientBase, row: PaymentRow): Promise<Reversals> {
  // Nothing can be given back before it was captured, which spares the happy path two reads.
  if (row.captured === 0) return { refunds: {}, disputes: {} };
  const refunds = await client.query<{
    id: string;
    amount: number;
    status: PaymentFacts['refunds'][string]['status'];
  }>({
    name: 'payment-refunds',
    text: 'SELECT provider_refund_id AS id, amount, status FROM refunds WHERE payment_id = $1 AND provider_refund_id IS NOT NULL',
    values: [row.id],
  });
  const disputes = await client.query<{
    id: string;
    amount: number;
    status: PaymentFacts['disputes'][string]['status'];
  }>({
    name: 'payment-disputes',
    text: 'SELECT provider_dispute_id AS id, amount, status FROM disputes WHERE payment_id = $1',
    values: [row.id],
  });
  return {
    refunds: Object.fromEntries(
      refunds.rows.map(({ id, amount, status }) => [id, { amountMinor: amount, status }]),
    ),
    disputes: Object.fromEntries(
      disputes.rows.map(({ id, amount, status }) => [id, { amountMinor: amount, status }]),
    ),
  };
}

function toPayment(row: PaymentRow, reversals: Reversals): Payment {
  const closed = row.closed_as === null ? null : { as: row.closed_as, code: row.closed_code ?? 'unknown' };
  return {
    donationId: row.id,
    campaignId: row.campaign_id,
    providerPaymentId: row.provider_payment_id,
    version: row.version,
    needsReview: row.needs_review,
    facts: {
      amountMinor: row.amount,
      currency: row.currency,
      authorized: row.authorized,
      capturedMinor: row.captured,
      closed,
      ...reversals,
    },
  };
}

/**
 * Each change gets the next version, its transition, totals entries, ledger postings and outbox row. Events that prove
 * nothing new change nothing; one that cannot be true marks the payment for review and changes nothing else.
 */
export async function applyEvents(
  client: ClientBase,
  locked: Payment,
  events: readonly PaymentEvent[],
  cause: string,
  webhookEventId: string | null = null,
): Promise<Payment> {
  let payment = locked;
  for (const event of events) {
    const refusal = refusalOf(payment.facts, event);
    if (refusal !== null) return await markForReview(client, payment, `${event.type}: ${refusal} (${cause})`);
    // What closes late is kept: the donor gave it, and nobody has asked for it back.
    for (const change of decide(payment.facts, event, 'keep').changes) {
      payment = await applyChange(client, payment, change, cause, webhookEventId);
    }
  }
  return payment;
}

/** A person has to look; until then nothing of what raised the doubt is believed. */
export async function markForReview(client: ClientBase, payment: Payment, reason: string): Promise<Payment> {
  await client.query(
    'UPDATE payments SET needs_review = coalesce(needs_review, $2), updated_at = now() WHERE id = $1',
    [payment.donationId, reason],
  );
  return { ...payment, needsReview: payment.needsReview ?? reason };
}

async function applyChange(
  client: ClientBase,
  payment: Payment,
  change: FactChange,
  cause: string,
  webhookEventId: string | null,
): Promise<Payment> {
  const facts = evolve(payment.facts, change);
  const version = payment.version + 1;
  const from = statusOf(payment.facts);
  const to = statusOf(facts);
  const entries = entriesFor(payment, payment.facts, facts, version);

  await client.query({
    name: 'payment-change',
    text: `UPDATE payments SET state = $2, authorized = $3, closed_as = $4, closed_code = $5, captured = $6, refunded = $7,
             version = $8, webhook_idempotency_key = coalesce($9, webhook_idempotency_key), updated_at = now() WHERE id = $1`,
    values: [
      payment.donationId,
      to,
      facts.authorized,
      facts.closed?.as ?? null,
      facts.closed?.code ?? null,
      facts.capturedMinor,
      refundedMinor(facts),
      version,
      webhookEventId,
    ],
  });
  await client.query({
    name: 'payment-transition',
    text: `INSERT INTO payment_transitions (payment_id, version, from_state, to_state, change, entries, cause)
           VALUES ($1, $2, $3, $4, $5, $6, $7)`,
    values: [payment.donationId, version, from, to, JSON.stringify(change), JSON.stringify(entries), cause],
  });
  if (change.type === 'captured')
    await postToLedger(client, capturedPosting(payment, change.amountMinor, version));
  await insertOutboxEvents(client, [transitionEvent({ ...payment, version, facts }, change, from, to)]);
  return { ...payment, version, facts };
}

const CHANGE_EVENT: Readonly<Record<FactChange['type'], EventType & `payment.${string}`>> = {
  authorized: 'payment.authorized.v1',
  captured: 'payment.captured.v1',
  closed: 'payment.closed.v1',
  refund: 'payment.refund_changed.v1',
  dispute: 'payment.dispute_changed.v1',
};

function transitionEvent(
  { donationId, campaignId, version, facts }: Payment,
  change: FactChange,
  from: PaymentStatus,
  to: PaymentStatus,
): OutboxEvent {
  const payload = {
    donationId,
    campaignId,
    amount: facts.amountMinor,
    currency: facts.currency,
    from,
    to,
    version,
  };
  return { type: CHANGE_EVENT[change.type], aggregateId: donationId, version, payload };
}

/** What the workflow may know of the payment. */
export async function viewOf(client: ClientBase, payment: Payment): Promise<PaymentView> {
  const { donationId, facts, version, providerPaymentId } = payment;
  const { rows } = await client.query<{ entries: TotalsEntry[]; released: boolean }>({
    name: 'payment-view',
    text: `SELECT coalesce((SELECT jsonb_agg(entry ORDER BY version) FROM payment_transitions, jsonb_array_elements(entries) AS entry
                            WHERE payment_id = $1), '[]') AS entries,
                  EXISTS (SELECT FROM payment_operations WHERE payment_id = $1 AND operation = 'release' AND answered_at IS NOT NULL) AS released`,
    values: [donationId],
  });
  const { entries, released } = rows[0] ?? { entries: [], released: false };
  const closedWithoutMoney = facts.closed !== null && facts.capturedMinor === 0;
  return {
    status: statusOf(facts),
    version,
    failureCode: closedWithoutMoney ? facts.closed.code : null,
    needsRelease: closedWithoutMoney && providerPaymentId !== null && !released,
    entries,
  };
}
