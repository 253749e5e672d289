/** What differs between the provider's payment and ours, and who can mend it. Pure: both sides are read by the caller. */
import { decide, REFUND_RANK, statusOf } from './payment.ts';
import type { DisputeStatus, PaymentEvent, PaymentFacts, RefundStatus } from './payment.ts';
import type { JsonValue } from './canonical.ts';

/** `delta`: what is new or open. `full`: the whole window. `invariants`: rules that hold without asking the provider. */
export type ReconciliationKind = 'delta' | 'full' | 'invariants';

/** Travels in the workflow's input. */
export type ReconciliationPolicy = {
  /** A delta begins this long, and `freshMs`, before the start of the run before it. */
  readonly overlapMs: number;
  /** What changed less than this ago is under way, not wrong. */
  readonly freshMs: number;
  /** How far back a full run reaches; nothing older is looked at. */
  readonly windowMs: number;
  /** A donation that is neither paid nor failed by then, and waits for nobody outside, is stuck. */
  readonly stuckAfterMs: number;
  /** A run that nobody has touched for this long has lost its workflow: another may take its place. */
  readonly abandonAfterMs: number;
  /** A scheduled run that finds another one at work tries again after each pause, for as long as the limit says. */
  readonly busyPauseMs: number;
  readonly busyLimitMs: number;
  /** An activity that was silent for this long is given to another worker, which goes on at the page it had reached. */
  readonly heartbeatTimeoutMs: number;
  readonly retryInitialMs: number;
  readonly retryMaxMs: number;
  /** When to see whether the repairs that were asked for have happened; a run ends after the last one at the latest. */
  readonly verifyPausesMs: readonly number[];
  /** Payments compared with pledges and totals at a time, and how often within one workflow run before it continues as new. */
  readonly bookPageSize: number;
  readonly bookPagesPerRun: number;
};

export const DEFAULT_RECONCILIATION_POLICY: ReconciliationPolicy = {
  overlapMs: 300_000,
  freshMs: 600_000,
  windowMs: 90 * 86_400_000,
  stuckAfterMs: 900_000,
  abandonAfterMs: 900_000,
  busyPauseMs: 60_000,
  busyLimitMs: 6 * 3_600_000,
  heartbeatTimeoutMs: 60_000,
  retryInitialMs: 1_000,
  retryMaxMs: 60_000,
  verifyPausesMs: [1_000, 2_000, 5_000, 10_000, 20_000, 30_000],
  bookPageSize: 200,
  bookPagesPerRun: 100,
};

/** Between the provider and us. */
export const PROVIDER_CLASSES = [
  'MISSING_LOCAL',
  'MISSING_PROVIDER',
  'AMOUNT',
  'CURRENCY',
  'STATUS',
  'DUPLICATE_CHARGE',
  'REFUND_MISSING',
  'FEE_DRIFT',
  /** The provider's payment names another donation than the one that names it. */
  'WRONG_DONATION',
] as const;
/** Between payments, pledges and totals, and what a payment itself asks a person to look at. */
export const BOOK_CLASSES = ['PLEDGE_BEHIND', 'TOTALS', 'NEEDS_REVIEW'] as const;
/** Rules that hold at any time, whoever broke them. */
export const INVARIANT_CLASSES = ['STUCK', 'PARKED', 'LEDGER', 'SUMS', 'HISTORY'] as const;

export type FindingClass =
  | (typeof PROVIDER_CLASSES)[number]
  | (typeof BOOK_CLASSES)[number]
  | (typeof INVARIANT_CLASSES)[number];

/**
 * `look`: the payment's owner asks the provider and applies all it says. `restart`: the donation's workflow is started
 * again. `suspense`: money of nobody we know is booked as such, and a person finds out. `review`: a person decides.
 */
export type FindingAction = 'look' | 'restart' | 'suspense' | 'review';

/** `subject` names what differs, once per class: a provider object, a donation, a campaign. */
export type Finding = {
  readonly class: FindingClass;
  readonly action: FindingAction;
  readonly subject: string;
  readonly donationId: string | null;
  readonly providerPaymentId: string | null;
  readonly providerRefundId: string | null;
  /** Ours. */
  readonly expected: JsonValue;
  /** The other side's. */
  readonly found: JsonValue;
};

export type ProviderSide = {
  readonly id: string;
  readonly donationId: string | null;
  readonly amountMinor: number;
  readonly currency: string;
  readonly status: string;
  /** `authorization`: held on the card. `money`: taken. */
  readonly holds: 'nothing' | 'authorization' | 'money';
  readonly receivedMinor: number;
  /** Nothing can happen to it any more but refunds and disputes. */
  readonly isEnded: boolean;
  readonly proves: readonly PaymentEvent[];
  readonly fee: Fee | null;
  readonly refunds: readonly ProviderRefundSide[];
  /** Without inquiries: they move no money. */
  readonly disputes: readonly ProviderDisputeSide[];
};

export type Fee = { readonly amountMinor: number; readonly currency: string };

export type ProviderRefundSide = {
  readonly id: string;
  /** Ours, from the metadata; null for one that was made by hand. */
  readonly refundId: string | null;
  readonly amountMinor: number;
  readonly currency: string;
  readonly status: RefundStatus;
  readonly createdAtMs: number;
};

export type ProviderDisputeSide = {
  readonly id: string;
  readonly amountMinor: number;
  readonly currency: string;
  readonly status: DisputeStatus;
  readonly createdAtMs: number;
};

export type LocalSide = {
  readonly donationId: string;
  readonly providerPaymentId: string | null;
  readonly facts: PaymentFacts;
  readonly fee: Fee | null;
  /** Late money of which nobody has said yet whether it is kept. */
  readonly undecided: boolean;
  readonly refunds: readonly {
    readonly id: string;
    readonly providerRefundId: string | null;
    readonly amountMinor: number;
    readonly status: RefundStatus;
    readonly createdAtMs: number;
  }[];
  readonly disputes: readonly {
    readonly id: string;
    readonly providerDisputeId: string;
    readonly amountMinor: number;
    readonly status: DisputeStatus;
  }[];
};

/** Nothing for a pair that agrees. What began after `freshAfterMs` is under way, not wrong. */
export function compare(local: LocalSide, provider: ProviderSide, freshAfterMs: number): Finding[] {
  const findings = comparePayment(local, provider);
  // What is not known as ours, or not ours in every respect, has no reversals of ours: its truth is applied as a whole.
  const isOurs =
    local.providerPaymentId === provider.id &&
    findings.every(({ class: name, action }) => action === 'look' || name === 'FEE_DRIFT');
  return isOurs ? [...findings, ...compareReversals(local, provider, freshAfterMs)] : findings;
}

/** The payment alone, its refunds and disputes left out. */
export function comparePayment(local: LocalSide, provider: ProviderSide): Finding[] {
  const { facts } = local;
  if (local.providerPaymentId !== null && local.providerPaymentId !== provider.id)
    return duplicateOf(local, provider);
  const differs = (
    name: FindingClass,
    action: FindingAction,
    expected: JsonValue,
    found: JsonValue,
  ): Finding => ({
    class: name,
    action,
    subject: provider.id,
    donationId: local.donationId,
    providerPaymentId: provider.id,
    providerRefundId: null,
    expected,
    found,
  });
  if (provider.donationId !== local.donationId)
    return [differs('WRONG_DONATION', 'review', local.donationId, provider.donationId)];
  if (provider.currency !== facts.currency)
    return [differs('CURRENCY', 'review', facts.currency, provider.currency)];
  const isOff =
    provider.amountMinor !== facts.amountMinor ||
    (provider.holds === 'money' && provider.receivedMinor !== facts.amountMinor);
  if (isOff)
    return [
      differs(
        'AMOUNT',
        'review',
        { amount: facts.amountMinor, captured: facts.capturedMinor },
        { amount: provider.amountMinor, received: provider.receivedMinor },
      ),
    ];
  if (local.providerPaymentId === null)
    return [differs('MISSING_LOCAL', 'look', null, { status: provider.status })];
  const status = statusAction(local, provider);
  const drifted = feeAction(local, provider);
  return [
    ...(status === null ? [] : [differs('STATUS', status, statusOf(facts), provider.status)]),
    ...(drifted === null ? [] : [differs('FEE_DRIFT', drifted, local.fee, provider.fee)]),
  ];
}

/** What a provider's payment is to us when no payment of ours is it. `order` is of the request that it names. */
export function compareUnmatched(
  provider: ProviderSide,
  order: { readonly donationId: string; readonly amountMinor: number; readonly currency: string } | null,
): Finding | null {
  if (provider.holds === 'nothing' || (provider.holds === 'money' && leftMinor(provider) === 0)) return null;
  const ofNobody = provider.holds === 'money' ? 'suspense' : 'review';
  const found = { amount: provider.amountMinor, currency: provider.currency, status: provider.status };
  const finding = {
    class: 'MISSING_LOCAL',
    action: ofNobody,
    subject: provider.id,
    donationId: order?.donationId ?? null,
    providerPaymentId: provider.id,
    providerRefundId: null,
    expected: null,
    found,
  } as const satisfies Finding;
  if (order === null) return finding;
  const expected = { amount: order.amountMinor, currency: order.currency };
  if (provider.currency !== order.currency) return { ...finding, class: 'CURRENCY', expected };
  if (provider.amountMinor !== order.amountMinor) return { ...finding, class: 'AMOUNT', expected };
  return { ...finding, action: 'restart', expected };
}

/** What the provider still holds of a payment: taken, less what went back. */
export function leftMinor({ receivedMinor, refunds, disputes }: ProviderSide): number {
  const gone = [
    ...refunds.filter(({ status }) => status === 'succeeded'),
    ...disputes.filter(({ status }) => status === 'lost'),
  ].reduce((sum, { amountMinor }) => sum + amountMinor, 0);
  return Math.max(0, receivedMinor - gone);
}

/** A second payment of a donation that has its payment already; one that holds nothing harms nobody. */
function duplicateOf(local: LocalSide, provider: ProviderSide): Finding[] {
  const left = leftMinor(provider);
  if (provider.holds === 'nothing' || (provider.holds === 'money' && left === 0)) return [];
  return [
    {
      class: 'DUPLICATE_CHARGE',
      action: provider.holds === 'money' ? 'suspense' : 'review',
      subject: provider.id,
      donationId: local.donationId,
      providerPaymentId: provider.id,
      providerRefundId: null,
      expected: { payment: local.providerPaymentId },
      found: { payment: provider.id, status: provider.status, left, currency: provider.currency },
    },
  ];
}

function statusAction({ facts, undecided }: LocalSide, provider: ProviderSide): 'look' | 'review' | null {
  const { capturedMinor, closed, authorized } = facts;
  const isNews = provider.proves.some((event) => {
    const { changes, commands } = decide(facts, event, 'refund');
    return changes.length + commands.length > 0;
  });
  if (isNews || undecided) return 'look';
  // The provider takes nothing back by itself: it contradicts what it had proven.
  if (capturedMinor > 0) return provider.holds === 'money' ? null : 'review';
  // Closed at ours and open there: a browser could still confirm it.
  if (closed !== null) return provider.isEnded ? null : 'look';
  return authorized && provider.holds === 'nothing' ? 'review' : null;
}

function feeAction({ facts, fee }: LocalSide, provider: ProviderSide): 'look' | 'review' | null {
  if (provider.fee === null || facts.capturedMinor === 0) return null;
  if (fee !== null && fee.currency !== provider.fee.currency) return 'review';
  return fee?.amountMinor === provider.fee.amountMinor ? null : 'look';
}

/** Also what of ours the provider does not know. */
function compareReversals(local: LocalSide, provider: ProviderSide, freshAfterMs: number): Finding[] {
  return [
    ...provider.refunds.flatMap((refund) => compareRefund(local, provider, refund, freshAfterMs)),
    ...refundsOnlyOurs(local, provider, freshAfterMs),
    ...provider.disputes.flatMap((dispute) => compareDispute(local, provider, dispute, freshAfterMs)),
    ...local.disputes
      .filter((ours) => !provider.disputes.some(({ id }) => id === ours.providerDisputeId))
      .map((ours) =>
        reversal(local, provider, 'STATUS', 'review', ours.providerDisputeId, ours.status, null),
      ),
  ];
}

function compareRefund(
  local: LocalSide,
  provider: ProviderSide,
  refund: ProviderRefundSide,
  freshAfterMs: number,
): Finding[] {
  const ours = oursOf(local, refund);
  const differs = (
    name: FindingClass,
    action: FindingAction,
    expected: JsonValue,
    found: JsonValue,
  ): Finding[] => [
    { ...reversal(local, provider, name, action, refund.id, expected, found), providerRefundId: refund.id },
  ];
  if (refund.currency !== local.facts.currency)
    return differs('CURRENCY', 'review', local.facts.currency, refund.currency);
  if (ours?.providerRefundId == null)
    return refund.createdAtMs > freshAfterMs
      ? []
      : differs('REFUND_MISSING', 'look', null, { amount: refund.amountMinor, status: refund.status });
  if (ours.amountMinor !== refund.amountMinor)
    return differs('AMOUNT', 'review', ours.amountMinor, refund.amountMinor);
  if (ours.status === refund.status) return [];
  const isAhead = REFUND_RANK[refund.status] > REFUND_RANK[ours.status];
  return differs('STATUS', isAhead ? 'look' : 'review', ours.status, refund.status);
}

/** As the provider's truth is written down: by its id, else by ours while that one waits for its id. */
function oursOf(
  { refunds }: LocalSide,
  refund: ProviderRefundSide,
): LocalSide['refunds'][number] | undefined {
  return (
    refunds.find(({ providerRefundId }) => providerRefundId === refund.id) ??
    refunds.find(
      ({ id, providerRefundId, status }) =>
        id === refund.refundId && providerRefundId === null && status === 'pending',
    )
  );
}

function refundsOnlyOurs(local: LocalSide, provider: ProviderSide, freshAfterMs: number): Finding[] {
  const known = new Set(provider.refunds.map((refund) => oursOf(local, refund)?.id));
  return local.refunds
    .filter(({ id, createdAtMs }) => !known.has(id) && createdAtMs <= freshAfterMs)
    .flatMap((refund) => {
      const { id, providerRefundId, amountMinor, status } = refund;
      // Promised and never made: the owner makes it. Made, and unknown there: nobody of ours can say.
      if (providerRefundId === null && status !== 'pending') return [];
      const action = providerRefundId === null ? 'look' : 'review';
      const expected = { amount: amountMinor, status };
      const subject = providerRefundId ?? id;
      return [
        {
          ...reversal(local, provider, 'REFUND_MISSING', action, subject, expected, null),
          providerRefundId,
        },
      ];
    });
}

function compareDispute(
  local: LocalSide,
  provider: ProviderSide,
  dispute: ProviderDisputeSide,
  freshAfterMs: number,
): Finding[] {
  const ours = local.disputes.find(({ providerDisputeId }) => providerDisputeId === dispute.id);
  const differs = (
    name: FindingClass,
    action: FindingAction,
    expected: JsonValue,
    found: JsonValue,
  ): Finding[] => [reversal(local, provider, name, action, dispute.id, expected, found)];
  if (dispute.currency !== local.facts.currency)
    return differs('CURRENCY', 'review', local.facts.currency, dispute.currency);
  if (ours === undefined)
    return dispute.createdAtMs > freshAfterMs
      ? []
      : differs('STATUS', 'look', null, { dispute: dispute.status, amount: dispute.amountMinor });
  if (ours.amountMinor !== dispute.amountMinor)
    return differs('AMOUNT', 'review', ours.amountMinor, dispute.amountMinor);
  if (ours.status === dispute.status) return [];
  return differs('STATUS', ours.status === 'opened' ? 'look' : 'review', ours.status, dispute.status);
}

function reversal(
  local: LocalSide,
  provider: ProviderSide,
  name: FindingClass,
  action: FindingAction,
  subject: string,
  expected: JsonValue,
  found: JsonValue,
): Finding {
  return {
    class: name,
    action,
    subject,
    donationId: local.donationId,
    providerPaymentId: provider.id,
    providerRefundId: null,
    expected,
    found,
  };
}
