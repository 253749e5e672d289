import { describe, expect, it } from 'vitest';
import type { AuditContext } from '../../../cli/audit/check.ts';
import { donationChecks } from '../../../cli/audit/checks/index.ts';
import { findAll } from '../../../cli/audit/finding.ts';
import type { DonationSnapshot, WorkflowRun } from '../../../cli/audit/snapshot.ts';
import { healthyMoneyBack, moneyBackCases } from './money-back-cases.ts';
import {
  aCapturedDonation,
  aContext,
  aDonationInFlight,
  aFailedDonation,
  anEvent,
  aPayment,
  aProviderPayment,
  CAMPAIGN,
  ID,
  JUST_NOW,
  THEN,
} from './snapshots.ts';

function checksThatFind(donation: DonationSnapshot, context: AuditContext = aContext()): string[] {
  return [
    ...new Set(findAll(donationChecks, 'donation', donation.id, donation, context).map(({ check }) => check)),
  ];
}

const clean = aCapturedDonation();
const failed = aFailedDonation();
const inFlight = aDonationInFlight();
const [authorized, captured] = clean.transitions as [
  DonationSnapshot['transitions'][0],
  DonationSnapshot['transitions'][0],
];
const [pledgedEntry, capturedEntry] = clean.applied as [
  DonationSnapshot['applied'][0],
  DonationSnapshot['applied'][0],
];
const request = clean.request as NonNullable<DonationSnapshot['request']>;
const pledge = clean.pledge as NonNullable<DonationSnapshot['pledge']>;
const workflow = clean.workflow as WorkflowRun;
const authorizedPayment = aProviderPayment({ status: 'requires_capture', amountReceivedMinor: 0 });

const NOTHING: DonationSnapshot = {
  ...clean,
  request: null,
  pledge: null,
  payment: null,
  transitions: [],
  ledger: [],
  applied: [],
  outbox: [],
  receipt: null,
  provider: [],
  workflow: null,
};

describe('a healthy donation has no findings', () => {
  const healthy: Record<string, DonationSnapshot> = {
    captured: clean,
    declined: failed,
    'in flight': inFlight,
    'accepted this moment, without a workflow': {
      ...NOTHING,
      request: { ...request, acceptedAt: JUST_NOW, startedAt: null },
    },
    'finished long ago, its workflow beyond the retention': aCapturedDonation({
      workflow: null,
      pledge: { ...pledge, updatedAt: new Date('2026-12-30T12:00:00Z') },
    }),
    'captured late, after it had failed': aFailedDonation({
      pledge: { ...pledge, status: 'CAPTURED' },
      payment: aPayment({ closedAs: 'FAILED', closedCode: 'generic_decline' }),
      transitions: [
        ...failed.transitions,
        {
          ...captured,
          fromState: 'FAILED',
          entries: [{ ...pledgedEntry, entryId: `${ID}:2:pledged` }, capturedEntry],
        },
      ],
      applied: [...failed.applied, { ...pledgedEntry, entryId: `${ID}:2:pledged` }, capturedEntry],
      ledger: clean.ledger,
      outbox: [
        ...failed.outbox,
        anEvent('donations', 'donation.captured.v1', 2),
        anEvent('payments', 'payment.captured.v1', 2),
      ],
      receipt: clean.receipt,
      provider: clean.provider,
    }),
    ...healthyMoneyBack,
  };
  it.each(Object.entries(healthy))('%s', (_name, donation) => {
    expect(findAll(donationChecks, 'donation', donation.id, donation, aContext())).toEqual([]);
  });

  it('without a broker events may wait and receipts are not written', () => {
    const waiting = aCapturedDonation({
      outbox: clean.outbox.map((row) => ({ ...row, processedAt: null })),
      receipt: null,
    });
    expect(checksThatFind(waiting, aContext({ broker: false }))).toEqual([]);
    expect(checksThatFind(waiting)).toEqual(['event-unpublished']);
  });
});

describe('each discrepancy is found by its check, and by no other', () => {
  const cases: readonly [name: string, donation: DonationSnapshot, checks: readonly string[]][] = [
    // The provider
    [
      'a second authorization at the provider',
      { ...clean, provider: [...clean.provider, { ...authorizedPayment, id: 'pi_2' }] },
      ['charged-twice', 'charge-unknown'],
    ],
    [
      'a charge for a donation nobody asked for',
      { ...NOTHING, provider: clean.provider },
      ['charge-unknown'],
    ],
    ['money taken that we count as failed', { ...failed, provider: clean.provider }, ['capture-unbooked']],
    [
      'money taken long ago that we count as authorized',
      { ...inFlight, request, provider: clean.provider },
      ['capture-unbooked', 'not-finished'],
    ],
    [
      'a capture of ours that the provider cancelled',
      { ...clean, provider: [aProviderPayment({ status: 'canceled', amountReceivedMinor: 0 })] },
      ['capture-unproven'],
    ],
    ['a capture of ours that the provider does not know', { ...clean, provider: [] }, ['capture-unproven']],
    [
      'another amount at the provider',
      { ...clean, provider: [aProviderPayment({ amountMinor: 2_600 })] },
      ['amount-differs'],
    ],
    [
      'another currency at the provider',
      { ...clean, provider: [aProviderPayment({ currency: 'EUR' })] },
      ['amount-differs'],
    ],
    [
      'a payment of another donation',
      { ...clean, provider: [aProviderPayment({ donationId: CAMPAIGN })] },
      ['amount-differs'],
    ],
    [
      'less received than captured',
      { ...clean, provider: [aProviderPayment({ amountReceivedMinor: 2_400 })] },
      ['amount-differs'],
    ],
    [
      'a failed donation whose authorization is still held',
      { ...failed, provider: [authorizedPayment] },
      ['authorization-unreleased'],
    ],
    [
      'a failed donation that a browser could still confirm',
      {
        ...failed,
        provider: [aProviderPayment({ status: 'requires_confirmation', amountReceivedMinor: 0 })],
      },
      ['authorization-unreleased'],
    ],
    // The rows
    ['a donation without its request', { ...clean, request: null }, ['request-missing']],
    [
      'totals entries of nothing',
      { ...NOTHING, applied: clean.applied },
      ['request-missing', 'entry-unexplained'],
    ],
    [
      'a payment without its pledge',
      { ...inFlight, pledge: null, applied: [], outbox: inFlight.outbox.slice(1) },
      ['pledge-missing'],
    ],
    [
      'a pledge whose payment is gone',
      {
        ...clean,
        payment: null,
        transitions: [],
        ledger: [],
        provider: [],
        outbox: clean.outbox.slice(0, 2),
        applied: clean.applied.slice(0, 1),
        receipt: null,
        workflow: null,
        request: { ...request, startedAt: JUST_NOW },
      },
      ['payment-missing', 'not-finished', 'receipt-missing'],
    ],
    [
      'a pledge of another amount',
      {
        ...clean,
        pledge: { ...pledge, amountMinor: 2_400 },
        applied: [{ ...pledgedEntry, amountMinor: 2_400 }, capturedEntry],
        receipt: { ...request, amountMinor: 2_400 },
      },
      ['terms-differ'],
    ],
    [
      'a pledge ahead of its payment',
      {
        ...clean,
        pledge: { ...pledge, version: 3 },
        outbox: [...clean.outbox, anEvent('donations', 'donation.captured.v1', 3)],
      },
      ['status-differs'],
    ],
    [
      'a pledge that does not follow its payment',
      { ...clean, pledge: { ...pledge, status: 'AUTHORIZED', version: 1 } },
      ['status-differs', 'not-finished'],
    ],
    [
      'a status the payment never had',
      {
        ...clean,
        pledge: { ...pledge, status: 'EXPIRED' },
        outbox: [...clean.outbox, anEvent('donations', 'donation.expired.v1', 2)],
      },
      ['status-differs'],
    ],
    // The facts
    [
      'a captured amount that no transition proves',
      { ...clean, payment: aPayment({ capturedMinor: 2_400 }) },
      ['amount-differs', 'transitions-differ'],
    ],
    [
      'a transition left out',
      {
        ...clean,
        transitions: [captured],
        outbox: clean.outbox.filter(({ type }) => type !== 'payment.authorized.v1'),
      },
      ['transitions-differ'],
    ],
    [
      'a transition that cannot follow',
      {
        ...clean,
        transitions: [authorized, { ...captured, change: { type: 'captured', amountMinor: 9_900 } }],
      },
      ['transitions-differ'],
    ],
    [
      'a change nobody can read',
      { ...clean, transitions: [authorized, { ...captured, change: { type: 'captured' } }] },
      ['transitions-differ'],
    ],
    [
      'a transition that lies about its states',
      { ...clean, transitions: [{ ...authorized, toState: 'FAILED' }, captured] },
      ['transitions-differ'],
    ],
    [
      'transitions of no payment',
      { ...NOTHING, transitions: [authorized], outbox: clean.outbox.slice(2, 3) },
      ['transitions-differ'],
    ],
    [
      'a transition with the wrong totals entry',
      {
        ...clean,
        transitions: [authorized, { ...captured, entries: [{ ...capturedEntry, amountMinor: 2_400 }] }],
        applied: [pledgedEntry, { ...capturedEntry, amountMinor: 2_400 }],
      },
      ['entries-wrong'],
    ],
    // The ledger
    [
      'a posting that does not balance',
      {
        ...clean,
        ledger: [
          ...clean.ledger,
          { postingId: `${ID}:9:fees`, account: 'provider_fees', amountMinor: 30, currency: 'USD' },
        ],
      },
      ['posting-unbalanced'],
    ],
    ['a capture that is not in the ledger', { ...clean, ledger: clean.ledger.slice(2) }, ['ledger-differs']],
    [
      'a capture booked twice',
      {
        ...clean,
        ledger: [
          ...clean.ledger,
          ...clean.ledger.map((line) => ({ ...line, postingId: `${ID}:3:captured` })),
        ],
      },
      ['ledger-differs'],
    ],
    // The totals' entries
    ['a capture that the totals do not count', { ...clean, applied: [pledgedEntry] }, ['entry-missing']],
    [
      'a capture that the totals count twice',
      { ...clean, applied: [...clean.applied, { ...capturedEntry, entryId: `${ID}:3:captured` }] },
      ['entry-unexplained'],
    ],
    [
      'an entry of another amount',
      { ...clean, applied: [pledgedEntry, { ...capturedEntry, amountMinor: 25 }] },
      ['entry-differs'],
    ],
    [
      'an entry counted for another campaign',
      { ...clean, applied: [pledgedEntry, { ...capturedEntry, campaignId: ID }] },
      ['entry-differs'],
    ],
    // Events
    ['a pledge that was never announced', { ...clean, outbox: clean.outbox.slice(1) }, ['event-missing']],
    [
      'an outcome that was never announced',
      { ...failed, outbox: failed.outbox.filter(({ type }) => type !== 'donation.failed.v1') },
      ['event-missing'],
    ],
    [
      'a transition that was never announced',
      { ...clean, outbox: clean.outbox.slice(0, 3) },
      ['event-missing'],
    ],
    [
      'an event that waits',
      {
        ...clean,
        outbox: [
          ...clean.outbox.slice(0, 3),
          anEvent('payments', 'payment.captured.v1', 2, { processedAt: null }),
        ],
      },
      ['event-unpublished'],
    ],
    [
      'an event that is parked, however young',
      {
        ...clean,
        outbox: [
          ...clean.outbox.slice(0, 3),
          anEvent('payments', 'payment.captured.v1', 2, {
            processedAt: null,
            createdAt: JUST_NOW,
            parkedAt: JUST_NOW,
          }),
        ],
      },
      ['event-unpublished'],
    ],
    ['a donor without a receipt', { ...clean, receipt: null }, ['receipt-missing']],
    ['a receipt for a failed donation', { ...failed, receipt: request }, ['receipt-unearned']],
    [
      'a receipt of another amount',
      { ...clean, receipt: { ...request, amountMinor: 2 } },
      ['receipt-differs'],
    ],
    // Progress
    [
      'a donation accepted long ago and still authorized',
      { ...inFlight, request, outbox: inFlight.outbox.map((row) => ({ ...row, processedAt: THEN })) },
      ['not-finished'],
    ],
    [
      'a request that no workflow was started for',
      { ...NOTHING, request: { ...request, startedAt: null } },
      ['not-finished', 'workflow-not-started'],
    ],
    [
      'a parked request',
      {
        ...NOTHING,
        request: {
          ...request,
          acceptedAt: JUST_NOW,
          startedAt: null,
          parkedAt: JUST_NOW,
          lastError: 'refused',
        },
      },
      ['request-parked'],
    ],
    ['a workflow that Temporal has lost', { ...clean, workflow: null }, ['workflow-missing']],
    [
      'a failed workflow',
      { ...clean, workflow: { ...workflow, status: 'FAILED', needsAttention: true, result: null } },
      ['workflow-failed'],
    ],
    [
      'a terminated workflow',
      { ...clean, workflow: { ...workflow, status: 'TERMINATED', result: null } },
      ['workflow-failed'],
    ],
    [
      'a failed aftercare',
      { ...clean, aftercare: { ...workflow, status: 'TIMED_OUT', result: null } },
      ['workflow-failed'],
    ],
    [
      'a running workflow that asks for attention',
      { ...inFlight, workflow: { ...workflow, status: 'RUNNING', needsAttention: true, result: null } },
      ['workflow-failed'],
    ],
    [
      'a workflow that goes on after the end',
      { ...clean, workflow: { ...workflow, status: 'RUNNING', result: null } },
      ['workflow-running'],
    ],
    [
      'a workflow that returned another status',
      { ...clean, workflow: { ...workflow, result: { status: 'FAILED', version: 2 } } },
      ['workflow-result-differs'],
    ],
    [
      'a workflow that completed without an end',
      { ...clean, workflow: { ...workflow, result: { status: 'AUTHORIZED', version: 1 } } },
      ['workflow-result-differs'],
    ],
    [
      'a payment that a person has to look at',
      { ...clean, payment: aPayment({ needsReview: 'amount 1, pledged 2500' }) },
      ['needs-review'],
    ],
    ...moneyBackCases,
  ];
  it.each(cases)('%s', (_name, donation, checks) => {
    expect(checksThatFind(donation).toSorted()).toEqual(checks.toSorted());
  });

  it('no check of donations is left without such a case', () => {
    const proven = new Set(cases.flatMap(([, , checks]) => checks));
    expect(donationChecks.map(({ name }) => name).filter((name) => !proven.has(name))).toEqual([]);
  });

  it('a currency that the campaign does not take is found', () => {
    expect(checksThatFind(clean, aContext({ currencies: new Map([[CAMPAIGN, 'EUR']]) }))).toEqual([
      'terms-differ',
    ]);
    expect(checksThatFind(clean, aContext({ currencies: new Map() }))).toEqual(['terms-differ']);
  });
});
