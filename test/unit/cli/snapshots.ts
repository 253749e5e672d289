import type { AuditContext } from '../../../cli/audit/check.ts';
import type {
  CampaignSnapshot,
  DonationSnapshot,
  OutboxRow,
  PaymentRow,
  WebhookRow,
} from '../../../cli/audit/snapshot.ts';
import { EMPTY_TOTALS } from '../../../domain/totals.ts';
import type { ProviderPayment } from '../../../provider/port.ts';

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
    fee: null,
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

const entry = (id: string, kind: 'pledged' | 'unpledged' | 'captured') =>
  ({ entryId: `${ID}:${id}`, campaignId: CAMPAIGN, donationId: ID, kind, amountMinor: 2_500 }) as const;

const PAYMENT: PaymentRow = {
  ...TERMS,
  providerPaymentId: 'pi_1',
  state: 'CAPTURED',
  authorized: true,
  closedAs: null,
  closedCode: null,
  capturedMinor: 2_500,
  refundedMinor: 0,
  version: 2,
  needsReview: null,
  createdAt: THEN,
};

export function aCapturedDonation(change: Partial<DonationSnapshot> = {}): DonationSnapshot {
  return {
    id: ID,
    request: { ...TERMS, acceptedAt: THEN, startedAt: THEN, parkedAt: null, lastError: null },
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
      { postingId: `${ID}:2:captured`, account: 'provider_balance', amountMinor: 2_500, currency: 'USD' },
      { postingId: `${ID}:2:captured`, account: 'campaign_payable', amountMinor: -2_500, currency: 'USD' },
    ],
    applied: [entry('pledged', 'pledged'), entry('2:captured', 'captured')],
    outbox: [
      anEvent('donations', 'donation.pledged.v1', 0),
      anEvent('donations', 'donation.captured.v1', 2),
      anEvent('payments', 'payment.authorized.v1', 1),
      anEvent('payments', 'payment.captured.v1', 2),
    ],
    receipt: TERMS,
    provider: [aProviderPayment()],
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
    provider: [aProviderPayment({ status: 'canceled', amountReceivedMinor: 0 })],
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
    request: { ...TERMS, acceptedAt: JUST_NOW, startedAt: JUST_NOW, parkedAt: null, lastError: null },
    pledge: { ...TERMS, status: 'INITIATED', version: 0, updatedAt: JUST_NOW },
    payment: { ...PAYMENT, state: 'AUTHORIZED', capturedMinor: 0, version: 1 },
    transitions: captured.transitions.slice(0, 1),
    ledger: [],
    applied: captured.applied.slice(0, 1),
    outbox: [
      anEvent('donations', 'donation.pledged.v1', 0, { createdAt: JUST_NOW, processedAt: null }),
      anEvent('payments', 'payment.authorized.v1', 1, { createdAt: JUST_NOW, processedAt: null }),
    ],
    receipt: null,
    provider: [
      aProviderPayment({ status: 'requires_capture', amountReceivedMinor: 0, amountCapturableMinor: 2_500 }),
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
    receivedAt: THEN,
    deliveredAt: null,
    parkedAt: null,
    lastError: null,
    ...change,
  };
}
