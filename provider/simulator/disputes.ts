import { invalidParameter } from './errors.ts';
import type { Answer } from './errors.ts';
import { afterwardsOf } from './payment-methods.ts';
import type { Afterwards } from './payment-methods.ts';
import { newId } from './records.ts';
import type { DisputeRecord, IntentRecord } from './records.ts';
import { failRefund } from './refunds.ts';
import type { Work } from './work.ts';

/** https://docs.stripe.com/disputes/how-disputes-work: what the donor's bank does, each step with Stripe's own events. */

export type NewDispute = {
  /** All that was captured and not refunded, unless told. */
  readonly amount?: number | undefined;
  readonly reason?: string | undefined;
  /** Only a question: no money is withdrawn. */
  readonly inquiry?: boolean | undefined;
};

export function openDispute(work: Work, intent: IntentRecord, asked: NewDispute): Answer {
  const charge = work.chargeOf(intent.latestCharge);
  if (charge === undefined || !charge.captured || charge.disputed)
    return invalidParameter('payment_intent', 'Only a captured charge without a dispute can be disputed.');
  const amount = asked.amount ?? charge.amountCaptured - charge.amountRefunded;
  if (amount < 1 || amount > charge.amountCaptured)
    return invalidParameter('amount', 'The amount must be between 1 and what was captured.');
  const dispute: DisputeRecord = {
    id: newId('du'),
    created: work.nowSeconds,
    intentId: intent.id,
    chargeId: charge.id,
    status: 'warning_needs_response',
    amount,
    currency: charge.currency,
    reason: asked.reason ?? 'fraudulent',
    movements: [],
  };
  if (asked.inquiry === true) return done(work.saveDispute(dispute, 'charge.dispute.created'));
  const created: DisputeRecord = { ...dispute, status: 'needs_response' };
  work.saveDispute(created, 'charge.dispute.created');
  return withdraw(work, intent, created);
}

/** The question becomes a dispute: now the money goes. */
export function escalateDispute(work: Work, dispute: DisputeRecord): Answer {
  const intent = work.store.intents.get(dispute.intentId);
  if (intent === undefined || dispute.status !== 'warning_needs_response')
    return invalidParameter('dispute', `Nothing to escalate in status ${dispute.status}.`);
  const escalated: DisputeRecord = { ...dispute, status: 'needs_response' };
  work.saveDispute(escalated, 'charge.dispute.updated');
  return withdraw(work, intent, escalated);
}

/** The bank decides. An inquiry closes without a winner. */
export function closeDispute(work: Work, dispute: DisputeRecord, outcome: 'won' | 'lost'): Answer {
  if (dispute.status === 'warning_needs_response')
    return done(work.saveDispute({ ...dispute, status: 'warning_closed' }, 'charge.dispute.closed'));
  const intent = work.store.intents.get(dispute.intentId);
  const charge = work.chargeOf(dispute.chargeId);
  const open = dispute.status === 'needs_response' || dispute.status === 'under_review';
  if (intent === undefined || charge === undefined || !open)
    return invalidParameter('dispute', `Nothing to close in status ${dispute.status}.`);
  if (dispute.status === 'needs_response' && outcome === 'won')
    work.saveDispute({ ...dispute, status: 'under_review' }, 'charge.dispute.updated');
  const { amount, chargeId, id: disputeId } = dispute;
  work.effect(outcome === 'won' ? 'dispute_won' : 'dispute_lost', intent, { amount, chargeId, disputeId });
  const closed = work.saveDispute({ ...dispute, status: outcome }, 'charge.dispute.closed');
  if (outcome === 'lost') return done(closed);
  work.saveCharge({ ...charge, disputed: false });
  return done(
    work.saveDispute(
      { ...dispute, status: 'won', movements: [...dispute.movements, movement(work, amount)] },
      'charge.dispute.funds_reinstated',
    ),
  );
}

const BY_CARD: Partial<Record<Afterwards, NewDispute>> = {
  disputed_as_fraudulent: { reason: 'fraudulent' },
  disputed_as_not_received: { reason: 'product_not_received' },
  inquired: { reason: 'fraudulent', inquiry: true },
};

/** Some test cards are disputed as soon as the money is taken. */
export function disputeByCard(work: Work, intent: IntentRecord): void {
  const afterwards = afterwardsOf(intent.paymentMethod ?? '');
  const asked = afterwards === null ? undefined : BY_CARD[afterwards];
  if (asked !== undefined) openDispute(work, intent, asked);
}

function withdraw(work: Work, intent: IntentRecord, dispute: DisputeRecord): Answer {
  const { amount, chargeId, id: disputeId } = dispute;
  const charge = work.chargeOf(chargeId);
  if (charge) work.saveCharge({ ...charge, disputed: true });
  work.effect('dispute_opened', intent, { amount, chargeId, disputeId });
  const withdrawn = work.saveDispute(
    { ...dispute, movements: [movement(work, -amount)] },
    'charge.dispute.funds_withdrawn',
  );
  for (const refund of work.store.refunds.values()) {
    if (refund.chargeId === chargeId && refund.status === 'pending')
      failRefund(work, refund, 'charge_for_pending_refund_disputed');
  }
  return done(withdrawn);
}

function movement(work: Work, amount: number): DisputeRecord['movements'][number] {
  return { id: newId('txn'), created: work.nowSeconds, amount };
}

function done(body: Answer['body']): Answer {
  return { status: 200, body, executed: true };
}
