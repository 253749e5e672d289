import type { AuditContext } from '../../../cli/audit/check.ts';
import type {
  AppliedEntry,
  CampaignSnapshot,
  CommandRow,
  DisputeRow,
  DonationSnapshot,
  LedgerLine,
  OutboxRow,
  PaymentRow,
  RefundRow,
  SuspenseSnapshot,
  WebhookRow,
} from '../../../cli/audit/snapshot.ts';
import { EMPTY_TOTALS } from '../../../domain/totals.ts';
import type { ProviderDispute, ProviderPayment, ProviderRefund } from '../../../provider/port.ts';

// One donation of 25.00 USD as every part of a healthy system shows it, ten minutes after it was given.

export const ID = '00000000-0000-8000-8000-000000000001';
export const CAMPAIGN = '00000000-0000-8000-8000-0000000000c1';
const NOW = new Date('2027-01-01T12:10:00Z');
export const THEN = new Date('2027-01-01T12:00:00Z');
export const JUST_NOW = new Date('2027-01-01T12:09:58Z');

const TERMS = { campaignId: CAMPAIGN, amountMinor: 2_500, currency: 'USD' } as const;

export function aContext(change: Partial<AuditContext> = {}): AuditContext {
  return {
    now: NOW,
    settleMs: 60_000,
    retentionMs: 86_400_000,
    abandonAfterMs: 86_400_000,
    broker: true,
    currencies: new Map([[CAMPAIGN, 'USD']]),
    ...change,
  };
}

export function aProviderPayment(change: Partial<ProviderPayment> = {}): ProviderPayment {
  return {
    id: 'pi_1',
    status: 'succeeded',
    amountMinor: 2_500,
    currency: 'USD',
    amountCapturableMinor: 0,
    amountReceivedMinor: 2_500,
    donationId: ID,
    campaignId: CAMPAIGN,
    lastErrorCode: null,
    cancellationReason: null,
    chargeId: 'ch_1',
    fee: { amountMinor: 103, currency: 'USD' },
    livemode: false,
    createdAt: THEN,
    ...change,
  };
}

export function anEvent(
  service: OutboxRow['service'],
  type: string,
  version: number,
  change: Partial<OutboxRow> = {},
): OutboxRow {
  return {
    service,
    id: `${type}:${version}`,
    type,
    version,
    createdAt: THEN,
    processedAt: THEN,
    parkedAt: null,
    lastError: null,
    ...change,
  };
}

type Kind = AppliedEntry['kind'];
export const entry = (id: string, kind: Kind, amountMinor = 2_500): AppliedEntry => ({
  entryId: `${ID}:${id}`,
  campaignId: CAMPAIGN,
  donationId: ID,
  kind,
  amountMinor,
});

/** Of two accounts, the debited first. */
export const posting = (id: string, debit: string, credit: string, amountMinor: number): LedgerLine[] => [
  { postingId: `${ID}:${id}`, account: debit, amountMinor, currency: 'USD' },
  { postingId: `${ID}:${id}`, account: credit, amountMinor: -amountMinor, currency: 'USD' },
];

const REQUEST = {
  ...TERMS,
  acceptedAt: THEN,
  startedAt: THEN,
  cancelRequestedAt: null,
  captureStartedAt: THEN,
  parkedAt: null,
  lastError: null,
};

const PAYMENT: PaymentRow = {
  ...TERMS,
  providerPaymentId: 'pi_1',
  providerChargeId: 'ch_1',
  state: 'CAPTURED',
  authorized: true,
  closedAs: null,
  closedCode: null,
  capturedMinor: 2_500,
  refundedMinor: 0,
  reservedMinor: 0,
  feeMinor: 103,
  feeCurrency: 'USD',
  waitingFor: null,
  lateMoney: null,
  version: 2,
  needsReview: null,
  createdAt: THEN,
};

export function aCapturedDonation(change: Partial<DonationSnapshot> = {}): DonationSnapshot {
  return {
    id: ID,
    request: REQUEST,
    pledge: { ...TERMS, status: 'CAPTURED', version: 2, updatedAt: THEN },
    payment: PAYMENT,
    operations: [],
    transitions: [
      {
        version: 1,
        fromState: 'INITIATED',
        toState: 'AUTHORIZED',
        change: { type: 'authorized' },
        entries: [],
        at: THEN,
      },
      {
        version: 2,
        fromState: 'AUTHORIZED',
        toState: 'CAPTURED',
        change: { type: 'captured', amountMinor: 2_500 },
        entries: [entry('2:captured', 'captured')],
        at: THEN,
      },
    ],
    refunds: [],
    disputes: [],
    ledger: [
      ...posting('2:captured', 'provider_balance', 'campaign_payable', 2_500),
      ...posting('fee:1', 'provider_fees', 'provider_balance', 103),
    ],
    applied: [entry('pledged', 'pledged'), entry('2:captured', 'captured')],
    outbox: [
      anEvent('donations', 'donation.pledged.v1', 0),
      anEvent('donations', 'donation.captured.v1', 2),
      anEvent('payments', 'payment.authorized.v1', 1),
      anEvent('payments', 'payment.captured.v1', 2),
    ],
    receipt: TERMS,
    notices: [],
    commands: [],
    provider: [aProviderPayment()],
    providerRefunds: [],
    providerDisputes: [],
    openEvents: [],
    workflow: {
      runId: 'r1',
      status: 'COMPLETED',
      startedAt: THEN,
      closedAt: THEN,
      needsAttention: false,
      result: { status: 'CAPTURED', version: 2 },
    },
    aftercare: null,
    ...change,
  };
}

export function aFailedDonation(change: Partial<DonationSnapshot> = {}): DonationSnapshot {
  const captured = aCapturedDonation();
  return {
    ...captured,
    pledge: { ...TERMS, status: 'FAILED', version: 1, updatedAt: THEN },
    payment: {
      ...PAYMENT,
      state: 'FAILED',
      authorized: false,
      capturedMinor: 0,
      version: 1,
      closedAs: 'FAILED',
      closedCode: 'generic_decline',
      feeMinor: null,
      feeCurrency: null,
    },
    transitions: [
      {
        version: 1,
        fromState: 'INITIATED',
        toState: 'FAILED',
        change: { type: 'closed', as: 'FAILED', code: 'generic_decline' },
        entries: [entry('1:unpledged', 'unpledged')],
        at: THEN,
      },
    ],
    ledger: [],
    applied: [entry('pledged', 'pledged'), entry('1:unpledged', 'unpledged')],
    outbox: [
      anEvent('donations', 'donation.pledged.v1', 0),
      anEvent('donations', 'donation.failed.v1', 1),
      anEvent('payments', 'payment.closed.v1', 1),
    ],
    receipt: null,
    provider: [aProviderPayment({ status: 'canceled', amountReceivedMinor: 0, fee: null })],
    workflow: {
      runId: 'r1',
      status: 'COMPLETED',
      startedAt: THEN,
      closedAt: THEN,
      needsAttention: false,
      result: { status: 'FAILED', version: 1 },
    },
    ...change,
  };
}

/** Accepted two seconds ago: authorized, and not yet captured. */
export function aDonationInFlight(change: Partial<DonationSnapshot> = {}): DonationSnapshot {
  const captured = aCapturedDonation();
  return {
    ...captured,
    request: { ...REQUEST, acceptedAt: JUST_NOW, startedAt: JUST_NOW },
    pledge: { ...TERMS, status: 'INITIATED', version: 0, updatedAt: JUST_NOW },
    payment: {
      ...PAYMENT,
      state: 'AUTHORIZED',
      capturedMinor: 0,
      version: 1,
      feeMinor: null,
      feeCurrency: null,
    },
    transitions: captured.transitions.slice(0, 1),
    ledger: [],
    applied: captured.applied.slice(0, 1),
    outbox: [
      anEvent('donations', 'donation.pledged.v1', 0, { createdAt: JUST_NOW, processedAt: null }),
      anEvent('payments', 'payment.authorized.v1', 1, { createdAt: JUST_NOW, processedAt: null }),
    ],
    receipt: null,
    provider: [
      aProviderPayment({
        status: 'requires_capture',
        amountReceivedMinor: 0,
        amountCapturableMinor: 2_500,
        fee: null,
      }),
    ],
    workflow: {
      runId: 'r1',
      status: 'RUNNING',
      startedAt: JUST_NOW,
      closedAt: null,
      needsAttention: false,
      result: null,
    },
    ...change,
  };
}

export function aPayment(change: Partial<PaymentRow> = {}): PaymentRow {
  return { ...PAYMENT, ...change };
}

export function aCampaign(change: Partial<CampaignSnapshot> = {}): CampaignSnapshot {
  const totals = { ...EMPTY_TOTALS, totalPledgedMinor: 2_500, totalCapturedMinor: 2_500, donationCount: 1 };
  return {
    id: CAMPAIGN,
    currency: 'USD',
    version: 1,
    totals: { ...totals, version: 2, updatedAt: THEN },
    recomputed: totals,
    refusedEntries: [],
    payable: { ledgerMinor: 2_500, countedMinor: 2_500 },
    outbox: [
      anEvent('campaigns', 'campaign.changed.v1', 1),
      anEvent('campaigns', 'campaign.totals_changed.v1', 2),
    ],
    ...change,
  };
}

export function aWebhook(change: Partial<WebhookRow> = {}): WebhookRow {
  return {
    eventId: 'evt_1',
    type: 'payment_intent.succeeded',
    donationId: ID,
    objectId: 'pi_1',
    chargeId: null,
    receivedAt: THEN,
    deliveredAt: null,
    parkedAt: null,
    lastError: null,
    ...change,
  };
}

const REFUND = '00000000-0000-8000-8000-0000000000f1';
const DISPUTE = '00000000-0000-8000-8000-0000000000d1';

export function aRefundRow(change: Partial<RefundRow> = {}): RefundRow {
  return {
    id: REFUND,
    providerRefundId: 're_1',
    amountMinor: 1_000,
    status: 'succeeded',
    requestedBy: 'operator',
    failureCode: null,
    createdAt: THEN,
    ...change,
  };
}

export function aProviderRefund(change: Partial<ProviderRefund> = {}): ProviderRefund {
  return {
    id: 're_1',
    status: 'succeeded',
    amountMinor: 1_000,
    currency: 'USD',
    paymentId: 'pi_1',
    chargeId: 'ch_1',
    donationId: ID,
    refundId: REFUND,
    failureReason: null,
    createdAt: THEN,
    ...change,
  };
}

export function aDisputeRow(change: Partial<DisputeRow> = {}): DisputeRow {
  return { id: DISPUTE, providerDisputeId: 'du_1', amountMinor: 1_500, status: 'opened', ...change };
}

export function aProviderDispute(change: Partial<ProviderDispute> = {}): ProviderDispute {
  return {
    id: 'du_1',
    status: 'opened',
    amountMinor: 1_500,
    currency: 'USD',
    paymentId: 'pi_1',
    chargeId: 'ch_1',
    reason: 'fraudulent',
    createdAt: THEN,
    ...change,
  };
}

export function aCommand(change: Partial<CommandRow> = {}): CommandRow {
  return {
    service: 'payments',
    id: 'c1',
    type: 'refund',
    createdAt: THEN,
    deliveredAt: THEN,
    parkedAt: null,
    lastError: null,
    ...change,
  };
}

type Transition = DonationSnapshot['transitions'][0];

/** v3: 10.00 promised; `change.version` and so on for what follows. */
export function aRefundTransition(
  version: number,
  status: RefundRow['status'],
  [fromState, toState]: readonly [string, string],
  entries: readonly AppliedEntry[] = [],
): Transition {
  return {
    version,
    fromState,
    toState,
    change: { type: 'refund', refundId: REFUND, amountMinor: 1_000, status },
    entries,
    at: THEN,
  };
}

export function aDisputeTransition(
  version: number,
  status: DisputeRow['status'],
  state: string,
  entries: readonly AppliedEntry[] = [],
): Transition {
  return {
    version,
    fromState: state,
    toState: state,
    change: { type: 'dispute', disputeId: DISPUTE, amountMinor: 1_500, status },
    entries,
    at: THEN,
  };
}

/** 25.00 captured, 10.00 of it promised at v3 and given back at v4; the rest disputed at v5. */
export function aReversedDonation(change: Partial<DonationSnapshot> = {}): DonationSnapshot {
  const captured = aCapturedDonation();
  const refunded = entry('4:refunded', 'refunded', 1_000);
  return {
    ...captured,
    pledge: { ...TERMS, status: 'PARTIALLY_REFUNDED', version: 5, updatedAt: THEN },
    payment: { ...PAYMENT, state: 'PARTIALLY_REFUNDED', refundedMinor: 1_000, version: 5 },
    operations: [
      {
        operation: 'refund',
        n: 1,
        refundId: REFUND,
        attempts: 1,
        lastReason: null,
        startedAt: THEN,
        answeredAt: THEN,
      },
    ],
    transitions: [
      ...captured.transitions,
      aRefundTransition(3, 'pending', ['CAPTURED', 'CAPTURED']),
      aRefundTransition(4, 'succeeded', ['CAPTURED', 'PARTIALLY_REFUNDED'], [refunded]),
      aDisputeTransition(5, 'opened', 'PARTIALLY_REFUNDED'),
    ],
    refunds: [aRefundRow()],
    disputes: [aDisputeRow()],
    ledger: [
      ...captured.ledger,
      ...posting('4:refunded', 'campaign_payable', 'provider_balance', 1_000),
      ...posting('5:dispute_opened', 'disputed_funds', 'provider_balance', 1_500),
    ],
    applied: [...captured.applied, refunded],
    outbox: [
      ...captured.outbox,
      anEvent('donations', 'donation.refunded.v1', 4),
      anEvent('payments', 'refund.requested.v1', 3),
      anEvent('payments', 'refund.succeeded.v1', 4),
      anEvent('payments', 'dispute.opened.v1', 5),
    ],
    notices: [
      { messageId: 'refund.succeeded.v1:4', kind: 'refund.succeeded', amountMinor: 1_000, currency: 'USD' },
      { messageId: 'dispute.opened.v1:5', kind: 'dispute.opened', amountMinor: 1_500, currency: 'USD' },
    ],
    commands: [aCommand()],
    providerRefunds: [aProviderRefund()],
    providerDisputes: [aProviderDispute()],
    ...change,
  };
}

/** 25.00 USD of a payment that is none of ours, as it stands in suspense. */
export function inSuspense(change: Partial<SuspenseSnapshot> = {}): SuspenseSnapshot {
  return {
    providerPaymentId: 'pi_9',
    lines: posting('suspense', 'provider_balance', 'suspense', 2_500),
    donationId: null,
    provider: aProviderPayment({ id: 'pi_9', donationId: null }),
    ...change,
  };
}
