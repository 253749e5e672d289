/** Applies what the provider proved to a payment, within one transaction, with all that follows from it. */
import type { ClientBase } from 'pg';
import {
  decide,
  evolve,
  refundedMinor,
  refusalOf,
  reservedMinor,
  statusOf,
  type FactChange,
  type PaymentEvent,
  type PaymentStatus,
} from '../../../domain/payment.ts';
import { entriesFor } from '../../../domain/totals.ts';
import type { EventType, OutboxEvent } from '../../../events/contracts.ts';
import { insertOutboxEvents } from '../../../events/outbox.ts';
import { postingOf, postToLedger } from './ledger.ts';
import type { DisputeRow, Payment, RefundRow } from './payment.ts';

/** Where a change comes from, for the audit trail: `operation:capture:1`, `event:evt_…`, `look`, `request:…`. */
export type Cause = { readonly text: string; readonly webhookEventId?: string };

/**
 * Each change gets the next version, its transition, totals entries, ledger postings and outbox row. Events that prove
 * nothing new change nothing; one that cannot be true marks the payment for review and changes nothing else.
 */
export async function applyEvents(
  client: ClientBase,
  locked: Payment,
  events: readonly PaymentEvent[],
  cause: Cause,
): Promise<Payment> {
  let payment = locked;
  for (const event of events) {
    const refusal = refusalOf(payment.facts, event);
    if (refusal !== null)
      return await markForReview(client, payment, `${event.type}: ${refusal} (${cause.text})`);
    // Late money is asked back, unless its campaign may keep it: that is somebody else's to say, and said later.
    const { changes, commands } = decide(payment.facts, event, 'refund');
    for (const change of changes) payment = await applyChange(client, payment, change, cause);
    if (commands.some((command) => command.type === 'refund'))
      payment = await leaveUndecided(client, payment);
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

async function leaveUndecided(client: ClientBase, payment: Payment): Promise<Payment> {
  await client.query(
    `UPDATE payments SET late_money = 'undecided', updated_at = now() WHERE id = $1 AND late_money IS NULL`,
    [payment.donationId],
  );
  return { ...payment, lateMoney: payment.lateMoney ?? 'undecided' };
}

async function applyChange(
  client: ClientBase,
  payment: Payment,
  change: FactChange,
  cause: Cause,
): Promise<Payment> {
  const facts = evolve(payment.facts, change);
  const version = payment.version + 1;
  const from = statusOf(payment.facts);
  const to = statusOf(facts);
  const entries = entriesFor(payment, payment.facts, facts, version);

  await client.query({
    name: 'payment-change',
    text: `UPDATE payments SET state = $2, authorized = $3, closed_as = $4, closed_code = $5, captured = $6, refunded = $7, reserved = $8,
             version = $9, webhook_idempotency_key = coalesce($10, webhook_idempotency_key), waiting_for = NULL, updated_at = now() WHERE id = $1`,
    values: [
      payment.donationId,
      to,
      facts.authorized,
      facts.closed?.as ?? null,
      facts.closed?.code ?? null,
      facts.capturedMinor,
      refundedMinor(facts),
      reservedMinor(facts),
      version,
      cause.webhookEventId ?? null,
    ],
  });
  await client.query({
    name: 'payment-transition',
    text: `INSERT INTO payment_transitions (payment_id, version, from_state, to_state, change, entries, cause)
           VALUES ($1, $2, $3, $4, $5, $6, $7)`,
    values: [
      payment.donationId,
      version,
      from,
      to,
      JSON.stringify(change),
      JSON.stringify(entries),
      cause.text,
    ],
  });
  const rows = await storeReversal(client, payment, change);
  const posting = postingOf(payment, change, version);
  if (posting !== null) await postToLedger(client, posting);
  const changed: Payment = { ...payment, ...rows, version, facts, waitingFor: null };
  await insertOutboxEvents(client, [eventOf(changed, change, from, to)]);
  return changed;
}

/** The row of a refund or dispute that changed. What the provider calls it was written before, by whoever met it. */
async function storeReversal(
  client: ClientBase,
  { refunds, disputes }: Payment,
  change: FactChange,
): Promise<{ readonly refunds: readonly RefundRow[]; readonly disputes: readonly DisputeRow[] }> {
  switch (change.type) {
    case 'refund':
      await client.query('UPDATE refunds SET status = $2, updated_at = now() WHERE id = $1', [
        change.refundId,
        change.status,
      ]);
      return { disputes, refunds: withStatus(refunds, change.refundId, change.status) };
    case 'dispute':
      await client.query('UPDATE disputes SET status = $2, updated_at = now() WHERE id = $1', [
        change.disputeId,
        change.status,
      ]);
      return { refunds, disputes: withStatus(disputes, change.disputeId, change.status) };
    case 'authorized':
    case 'captured':
    case 'closed':
      return { refunds, disputes };
    default:
      return change satisfies never;
  }
}

function withStatus<Row extends { readonly id: string; readonly status: string }>(
  rows: readonly Row[],
  id: string,
  status: Row['status'],
): Row[] {
  return rows.map((row) => (row.id === id ? { ...row, status } : row));
}

const REFUND_EVENT = {
  pending: 'refund.requested.v1',
  succeeded: 'refund.succeeded.v1',
  failed: 'refund.failed.v1',
} as const;
const DISPUTE_EVENT = {
  opened: 'dispute.opened.v1',
  won: 'dispute.won.v1',
  lost: 'dispute.lost.v1',
} as const;
const PAYMENT_EVENT = {
  authorized: 'payment.authorized.v1',
  captured: 'payment.captured.v1',
  closed: 'payment.closed.v1',
} as const satisfies Readonly<Record<string, EventType>>;

function eventOf(
  { donationId, campaignId, version, facts }: Payment,
  change: FactChange,
  from: PaymentStatus,
  to: PaymentStatus,
): OutboxEvent {
  const row = { aggregateId: donationId, version };
  const money = { donationId, campaignId, currency: facts.currency, version };
  switch (change.type) {
    case 'refund': {
      const { refundId, amountMinor: amount, status } = change;
      return { ...row, type: REFUND_EVENT[status], payload: { ...money, refundId, amount } };
    }
    case 'dispute': {
      const { disputeId, amountMinor: amount, status } = change;
      return { ...row, type: DISPUTE_EVENT[status], payload: { ...money, disputeId, amount } };
    }
    case 'authorized':
    case 'captured':
    case 'closed':
      return {
        ...row,
        type: PAYMENT_EVENT[change.type],
        payload: { ...money, amount: facts.amountMinor, from, to },
      };
    default:
      return change satisfies never;
  }
}
