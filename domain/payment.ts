import { addMinor } from './money.ts';
import type { CurrencyCode, Money } from './money.ts';

export type PaymentStatus =
  | 'INITIATED'
  | 'AUTHORIZED'
  | 'FAILED'
  | 'EXPIRED'
  | 'CAPTURED'
  | 'PARTIALLY_REFUNDED'
  | 'REFUNDED';

/** A status may only rise; it falls in one case alone, when a refund that had succeeded turns out to have failed. */
export const RANK: Readonly<Record<PaymentStatus, number>> = {
  INITIATED: 0,
  AUTHORIZED: 1,
  FAILED: 2,
  EXPIRED: 2,
  CAPTURED: 3,
  PARTIALLY_REFUNDED: 4,
  REFUNDED: 5,
};

export type RefundStatus = 'pending' | 'succeeded' | 'failed';
/** A bank can hand a refund back days after it succeeded, so failed is the last word. */
export const REFUND_RANK: Readonly<Record<RefundStatus, number>> = { pending: 0, succeeded: 1, failed: 2 };

export type DisputeStatus = 'opened' | 'won' | 'lost';

export type RefundFact = { readonly amountMinor: number; readonly status: RefundStatus };
export type DisputeFact = { readonly amountMinor: number; readonly status: DisputeStatus };
export type Closing = { readonly as: 'FAILED' | 'EXPIRED'; readonly code: string };

/** What has been proven. The status is computed from it and never stored as a truth of its own. */
export type PaymentFacts = {
  readonly amountMinor: number;
  readonly currency: CurrencyCode;
  readonly authorized: boolean;
  readonly capturedMinor: number;
  readonly closed: Closing | null;
  /** By our refund id; one that was asked for and not sent yet is pending, too. */
  readonly refunds: Readonly<Record<string, RefundFact>>;
  /** By our dispute id. */
  readonly disputes: Readonly<Record<string, DisputeFact>>;
};

/** What the provider proved: built from the fetched object, never from a webhook's body. */
export type PaymentEvent =
  | { readonly type: 'authorized' }
  | { readonly type: 'captured'; readonly amountMinor: number }
  | { readonly type: 'declined'; readonly code: string }
  | { readonly type: 'released'; readonly code: string }
  /** Nobody captured in time: the provider ended it by itself, or we gave up waiting for the donor. */
  | { readonly type: 'expired'; readonly code?: 'authorization_expired' | 'abandoned' }
  | RefundEvent
  | DisputeEvent;
export type RefundEvent = { readonly type: 'refund'; readonly refundId: string } & RefundFact;
export type DisputeEvent = { readonly type: 'dispute'; readonly disputeId: string } & DisputeFact;

export type FactChange =
  | { readonly type: 'authorized' }
  | ({ readonly type: 'closed' } & Closing)
  | { readonly type: 'captured'; readonly amountMinor: number }
  | RefundEvent
  | DisputeEvent;

export type Command =
  | { readonly type: 'release'; readonly code: string }
  | { readonly type: 'refund'; readonly amountMinor: number; readonly reason: 'late_capture' };

/** What to do with money that arrives after the payment was closed. The caller knows the campaign and the donor. */
export type LatePolicy = 'keep' | 'refund';

/** Changes and commands belong in one transaction: a repeated capture does not ask for its late refund again. */
export type Decision = { readonly changes: readonly FactChange[]; readonly commands: readonly Command[] };

/**
 * Why an event that is no repetition changes nothing.
 * `before_capture`: fetch the payment and pass its capture first. The others go to a human (`needs_review`).
 */
export type Refusal = 'before_capture' | 'amount_differs' | 'exceeds_capture' | 'outcome_differs';

const NOTHING: Decision = { changes: [], commands: [] };

export function initialFacts(money: Money): PaymentFacts {
  const { amountMinor, currency } = money;
  return {
    amountMinor,
    currency,
    authorized: false,
    capturedMinor: 0,
    closed: null,
    refunds: {},
    disputes: {},
  };
}

export function statusOf(facts: PaymentFacts): PaymentStatus {
  if (facts.capturedMinor > 0) {
    const refunded = refundedMinor(facts);
    // PARTIALLY_REFUNDED → REFUNDED: the succeeded refunds add up to the capture
    if (refunded >= facts.capturedMinor) return 'REFUNDED';
    // CAPTURED → PARTIALLY_REFUNDED: a refund succeeded (and back, when it failed afterwards)
    if (refunded > 0) return 'PARTIALLY_REFUNDED';
    // AUTHORIZED → CAPTURED; FAILED, EXPIRED → CAPTURED: money that the provider proves wins over an earlier end
    return 'CAPTURED';
  }
  // INITIATED, AUTHORIZED → FAILED: declined or released; → EXPIRED: nobody captured in time
  if (facts.closed !== null) return facts.closed.as;
  // INITIATED → AUTHORIZED: the money is held
  return facts.authorized ? 'AUTHORIZED' : 'INITIATED';
}

/** Succeeded refunds only; what is pending is not yet given back. */
export function refundedMinor(facts: PaymentFacts): number {
  return sumMinor(facts.refunds, 'succeeded');
}

/** Promised to the donor, and not known to be given back yet. */
export function reservedMinor(facts: PaymentFacts): number {
  return sumMinor(facts.refunds, 'pending');
}

/** What can still be asked back: captured less given back, less promised, less what a bank took back for good. */
export function refundableMinor(facts: PaymentFacts): number {
  const gone = addMinor(addMinor(refundedMinor(facts), reservedMinor(facts)), lostToDisputesMinor(facts));
  return Math.max(0, facts.capturedMinor - gone);
}

/** Why a refund of this amount cannot be asked for; null when it can. */
export function refusalOfRefund(
  facts: PaymentFacts,
  amountMinor: number,
): 'not_refundable' | 'dispute_open' | 'refund_exceeds_captured' | null {
  if (facts.capturedMinor === 0) return 'not_refundable';
  // While the bank decides, a refund would give the same money back a second time.
  if (Object.values(facts.disputes).some(({ status }) => status === 'opened')) return 'dispute_open';
  return amountMinor > refundableMinor(facts) ? 'refund_exceeds_captured' : null;
}

export function lostToDisputesMinor(facts: PaymentFacts): number {
  return sumMinor(facts.disputes, 'lost');
}

/**
 * What an event changes and what has to be done about it. Total: never throws, and a late, repeated or impossible
 * event yields nothing (`refusalOf` tells an impossible one from a repetition).
 */
export function decide(facts: PaymentFacts, event: PaymentEvent, late: LatePolicy): Decision {
  if (refusalOf(facts, event) !== null) return NOTHING;
  const captured = facts.capturedMinor > 0;
  switch (event.type) {
    // INITIATED → AUTHORIZED; at FAILED or EXPIRED nobody will capture it, so it is released
    case 'authorized':
      if (captured) return NOTHING;
      if (facts.closed !== null)
        return { changes: [], commands: [{ type: 'release', code: facts.closed.code }] };
      return facts.authorized ? NOTHING : { changes: [{ type: 'authorized' }], commands: [] };
    // INITIATED → AUTHORIZED → CAPTURED; AUTHORIZED → CAPTURED; FAILED, EXPIRED → CAPTURED (late money)
    case 'captured':
      return captured ? NOTHING : decideCaptured(facts, event.amountMinor, late);
    // INITIATED, AUTHORIZED → FAILED; released too, so that a browser cannot confirm the payment later
    case 'declined':
      return close(facts, { as: 'FAILED', code: event.code }, [{ type: 'release', code: event.code }]);
    // INITIATED, AUTHORIZED → FAILED
    case 'released':
      return close(facts, { as: 'FAILED', code: event.code }, []);
    // INITIATED, AUTHORIZED → EXPIRED
    case 'expired':
      return close(facts, { as: 'EXPIRED', code: event.code ?? 'authorization_expired' }, []);
    // CAPTURED ⇄ PARTIALLY_REFUNDED ⇄ REFUNDED
    case 'refund': {
      const known = own(facts.refunds, event.refundId);
      const news = known === undefined || REFUND_RANK[event.status] > REFUND_RANK[known.status];
      return news ? { changes: [event], commands: [] } : NOTHING;
    }
    // The status stays: a lost dispute is counted apart from refunds
    case 'dispute': {
      const known = own(facts.disputes, event.disputeId);
      const news = known === undefined || (known.status === 'opened' && event.status !== 'opened');
      return news ? { changes: [event], commands: [] } : NOTHING;
    }
    default:
      return event satisfies never;
  }
}

/** Null for an event that can be true of this payment, repetitions included. */
export function refusalOf(facts: PaymentFacts, event: PaymentEvent): Refusal | null {
  switch (event.type) {
    case 'captured': {
      const { amountMinor } = event;
      if (!Number.isSafeInteger(amountMinor) || amountMinor < 1 || amountMinor > facts.amountMinor)
        return 'amount_differs';
      return facts.capturedMinor > 0 && facts.capturedMinor !== amountMinor ? 'amount_differs' : null;
    }
    case 'refund': {
      const known = own(facts.refunds, event.refundId);
      const counts = event.status === 'succeeded' && (known === undefined || known.status === 'pending');
      return refusalOfAmount(facts, event.amountMinor, known, counts);
    }
    case 'dispute': {
      const known = own(facts.disputes, event.disputeId);
      const settled = known !== undefined && known.status !== 'opened' && event.status !== 'opened';
      if (settled && known.status !== event.status) return 'outcome_differs';
      return refusalOfAmount(
        facts,
        event.amountMinor,
        known,
        event.status === 'lost' && known?.status !== 'lost',
      );
    }
    case 'authorized':
    case 'declined':
    case 'released':
    case 'expired':
      return null;
    default:
      return event satisfies never;
  }
}

/**
 * The facts after a change that `decide` yielded for them.
 * @throws Error for a change that `decide` never yields there; such facts must not be stored.
 */
export function evolve(facts: PaymentFacts, change: FactChange): PaymentFacts {
  switch (change.type) {
    case 'authorized':
      assert(facts.closed === null, 'authorized after the payment was closed');
      return { ...facts, authorized: true };
    case 'closed':
      assert(facts.closed === null && facts.capturedMinor === 0, 'closed twice or after the capture');
      return { ...facts, closed: { as: change.as, code: change.code } };
    case 'captured':
      assert(
        facts.capturedMinor === 0 && refusalOf(facts, change) === null,
        'captured twice or with a wrong amount',
      );
      // A capture proves its authorization, also one that closed before we saw it
      return { ...facts, authorized: true, capturedMinor: change.amountMinor };
    case 'refund': {
      assert(decide(facts, change, 'keep').changes.length === 1, `refund ${change.refundId} does not follow`);
      const refund = { amountMinor: change.amountMinor, status: change.status };
      return { ...facts, refunds: { ...facts.refunds, [change.refundId]: refund } };
    }
    case 'dispute': {
      assert(
        decide(facts, change, 'keep').changes.length === 1,
        `dispute ${change.disputeId} does not follow`,
      );
      const dispute = { amountMinor: change.amountMinor, status: change.status };
      return { ...facts, disputes: { ...facts.disputes, [change.disputeId]: dispute } };
    }
    default:
      return change satisfies never;
  }
}

function decideCaptured(facts: PaymentFacts, amountMinor: number, late: LatePolicy): Decision {
  const change: FactChange = { type: 'captured', amountMinor };
  if (facts.closed !== null) {
    const refund: Command = { type: 'refund', amountMinor, reason: 'late_capture' };
    return { changes: [change], commands: late === 'refund' ? [refund] : [] };
  }
  return { changes: facts.authorized ? [change] : [{ type: 'authorized' }, change], commands: [] };
}

/** The first closing is the one that is kept. */
function close(facts: PaymentFacts, closing: Closing, commands: readonly Command[]): Decision {
  if (facts.capturedMinor > 0 || facts.closed !== null) return NOTHING;
  return { changes: [{ type: 'closed', ...closing }], commands };
}

/** What is given back or lost never exceeds the capture: the same fence as the CHECKs of the two databases. */
function refusalOfAmount(
  facts: PaymentFacts,
  amountMinor: number,
  known: { readonly amountMinor: number } | undefined,
  counts: boolean,
): Refusal | null {
  if (!Number.isSafeInteger(amountMinor) || amountMinor < 1) return 'amount_differs';
  if (known !== undefined && known.amountMinor !== amountMinor) return 'amount_differs';
  if (facts.capturedMinor === 0) return 'before_capture';
  const gone = counts ? addMinor(refundedMinor(facts), lostToDisputesMinor(facts)) : 0;
  return amountMinor > facts.capturedMinor - gone ? 'exceeds_capture' : null;
}

function sumMinor(
  facts: Readonly<Record<string, { readonly amountMinor: number; readonly status: string }>>,
  status: string,
): number {
  return Object.values(facts).reduce(
    (sum, fact) => (fact.status === status ? addMinor(sum, fact.amountMinor) : sum),
    0,
  );
}

/** Ids come from outside: one that is called `constructor` must not find the prototype's. */
function own<T>(record: Readonly<Record<string, T>>, id: string): T | undefined {
  return Object.hasOwn(record, id) ? record[id] : undefined;
}

function assert(holds: boolean, broken: string): asserts holds {
  if (!holds) throw new Error(`payment facts: ${broken}`);
}
