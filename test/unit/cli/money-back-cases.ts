// Money that went back, is disputed or came late: healthy donations, and each way of being wrong with the check that finds it.
import type { DonationSnapshot } from '../../../cli/audit/snapshot.ts';
import {
  aCapturedDonation,
  aCommand,
  aDisputeRow,
  aDisputeTransition,
  aDonationInFlight,
  aFailedDonation,
  anEvent,
  aPayment,
  aProviderDispute,
  aProviderPayment,
  aProviderRefund,
  aRefundRow,
  aRefundTransition,
  aReversedDonation,
  entry,
  JUST_NOW,
  posting,
  THEN,
} from './snapshots.ts';

const clean = aCapturedDonation();
const reversed = aReversedDonation();
const [pledge, request] = [reversed.pledge, reversed.request] as [
  NonNullable<DonationSnapshot['pledge']>,
  NonNullable<DonationSnapshot['request']>,
];

/** 10.00 promised at v3, and nothing more: the pledge follows when it is made. */
const promised = aCapturedDonation({
  payment: aPayment({ reservedMinor: 1_000, version: 3 }),
  transitions: [...clean.transitions, aRefundTransition(3, 'pending', ['CAPTURED', 'CAPTURED'])],
  refunds: [aRefundRow({ status: 'pending', providerRefundId: null })],
  outbox: [...clean.outbox, anEvent('payments', 'refund.requested.v1', 3)],
  commands: [aCommand()],
});

/** The bank of the donor sent the refund back. */
const bounced = aReversedDonation({
  pledge: { ...pledge, status: 'CAPTURED' },
  payment: aPayment({ version: 5 }),
  transitions: [
    ...reversed.transitions.slice(0, 4),
    aRefundTransition(
      5,
      'failed',
      ['PARTIALLY_REFUNDED', 'CAPTURED'],
      [entry('5:refund_failed', 'refund_failed', 1_000)],
    ),
  ],
  refunds: [aRefundRow({ status: 'failed', failureCode: 'expired_or_canceled_card' })],
  disputes: [],
  ledger: [
    ...reversed.ledger.slice(0, 6),
    ...posting('5:refund_failed', 'provider_balance', 'campaign_payable', 1_000),
  ],
  applied: [...reversed.applied, entry('5:refund_failed', 'refund_failed', 1_000)],
  outbox: [
    ...reversed.outbox.slice(0, -1),
    anEvent('donations', 'donation.captured.v1', 5),
    anEvent('payments', 'refund.failed.v1', 5),
  ],
  notices: [
    ...reversed.notices.slice(0, 1),
    { messageId: 'refund.failed.v1:5', kind: 'refund.failed', amountMinor: 1_000, currency: 'USD' },
  ],
  providerRefunds: [aProviderRefund({ status: 'failed' })],
  providerDisputes: [],
});

function decided(status: 'won' | 'lost'): DonationSnapshot {
  const lost = status === 'lost';
  const counted = entry('6:dispute_lost', 'dispute_lost', 1_500);
  return aReversedDonation({
    pledge: { ...pledge, version: 6 },
    payment: aPayment({ state: 'PARTIALLY_REFUNDED', refundedMinor: 1_000, version: 6 }),
    transitions: [
      ...reversed.transitions,
      aDisputeTransition(6, status, 'PARTIALLY_REFUNDED', lost ? [counted] : []),
    ],
    disputes: [aDisputeRow({ status })],
    ledger: [
      ...reversed.ledger,
      ...(lost
        ? posting('6:dispute_lost', 'campaign_payable', 'disputed_funds', 1_500)
        : posting('6:dispute_won', 'provider_balance', 'disputed_funds', 1_500)),
    ],
    applied: lost ? [...reversed.applied, counted] : reversed.applied,
    outbox: [...reversed.outbox, anEvent('payments', `dispute.${status}.v1`, 6)],
    notices: [
      ...reversed.notices,
      {
        messageId: `dispute.${status}.v1:6`,
        kind: `dispute.${status}`,
        amountMinor: 1_500,
        currency: 'USD',
      },
    ],
    providerDisputes: [aProviderDispute({ status })],
  });
}

/** Captured after it had failed, and the campaign keeps it. */
function late(lateMoney: 'undecided' | 'kept'): DonationSnapshot {
  const failed = aFailedDonation();
  const entries = [entry('2:pledged', 'pledged'), entry('2:captured', 'captured')];
  return aFailedDonation({
    pledge: { ...pledge, status: 'CAPTURED', version: 2 },
    payment: aPayment({ closedAs: 'FAILED', closedCode: 'generic_decline', lateMoney }),
    transitions: [
      ...failed.transitions,
      {
        version: 2,
        fromState: 'FAILED',
        toState: 'CAPTURED',
        change: { type: 'captured', amountMinor: 2_500 },
        entries,
        at: THEN,
      },
    ],
    applied: [...failed.applied, ...entries],
    ledger: clean.ledger,
    outbox: [
      ...failed.outbox,
      anEvent('donations', 'donation.captured.v1', 2),
      anEvent('payments', 'payment.captured.v1', 2),
      ...(lateMoney === 'kept' ? [anEvent('payments', 'late_capture.kept.v1', 2)] : []),
    ],
    receipt: clean.receipt,
    notices:
      lateMoney === 'kept'
        ? [
            {
              messageId: 'late_capture.kept.v1:2',
              kind: 'late_capture.kept',
              amountMinor: 2_500,
              currency: 'USD',
            },
          ]
        : [],
    provider: clean.provider,
  });
}

const waiting = aDonationInFlight({
  request,
  payment: aPayment({
    state: 'INITIATED',
    authorized: false,
    capturedMinor: 0,
    version: 0,
    feeMinor: null,
    feeCurrency: null,
    waitingFor: 'action',
  }),
  transitions: [],
  outbox: [anEvent('donations', 'donation.pledged.v1', 0)],
  provider: [aProviderPayment({ status: 'requires_action', amountReceivedMinor: 0, fee: null })],
});

export const healthyMoneyBack: Readonly<Record<string, DonationSnapshot>> = {
  'refunded in part, the rest disputed': reversed,
  'refunded, and the refund came back': bounced,
  'disputed and won': decided('won'),
  'disputed and lost': decided('lost'),
  'an inquiry of the bank, which moves no money': {
    ...clean,
    providerDisputes: [aProviderDispute({ status: 'inquiry' })],
  },
  'a refund promised a moment ago': {
    ...promised,
    refunds: [aRefundRow({ status: 'pending', providerRefundId: null, createdAt: JUST_NOW })],
  },
  'a refund that a bank takes its time with, and an aftercare that waits for it': {
    ...promised,
    pledge: { ...pledge, status: 'CAPTURED', version: 3 },
    refunds: [aRefundRow({ status: 'pending' })],
    providerRefunds: [aProviderRefund({ status: 'pending' })],
    aftercare: {
      runId: 'r2',
      status: 'RUNNING',
      startedAt: THEN,
      closedAt: null,
      needsAttention: false,
      result: null,
    },
  },
  'a refund that was made, and its answer was lost a moment ago': {
    ...promised,
    refunds: [aRefundRow({ status: 'pending', providerRefundId: null, createdAt: JUST_NOW })],
    providerRefunds: [aProviderRefund({ createdAt: JUST_NOW })],
  },
  'a refund by hand whose event is on its way': {
    ...clean,
    providerRefunds: [aProviderRefund({ refundId: null, donationId: null, createdAt: JUST_NOW })],
    openEvents: [JUST_NOW],
  },
  'a dispute whose outcome was told a moment ago': {
    ...reversed,
    providerDisputes: [aProviderDispute({ status: 'lost' })],
    openEvents: [JUST_NOW],
  },
  'a refund counted and not yet shown': {
    ...reversed,
    pledge: { ...pledge, status: 'CAPTURED', version: 3 },
    applied: clean.applied,
    transitions: reversed.transitions.map((transition) => ({
      ...transition,
      at: transition.version < 4 ? THEN : JUST_NOW,
    })),
    outbox: reversed.outbox.filter(({ type }) => type !== 'donation.refunded.v1'),
  },
  'a second charge that was given back whole': {
    ...clean,
    provider: [...clean.provider, aProviderPayment({ id: 'pi_2', chargeId: 'ch_2' })],
    providerRefunds: [
      aProviderRefund({
        id: 're_2',
        paymentId: 'pi_2',
        amountMinor: 2_500,
        refundId: null,
        donationId: null,
      }),
    ],
  },
  'late money that is kept': late('kept'),
  'late money that waits for a bank': {
    ...late('undecided'),
    payment: aPayment({
      closedAs: 'FAILED',
      closedCode: 'generic_decline',
      lateMoney: 'undecided',
      version: 3,
    }),
    pledge: { ...pledge, status: 'CAPTURED', version: 3 },
    transitions: [...late('undecided').transitions, aDisputeTransition(3, 'opened', 'CAPTURED')],
    disputes: [aDisputeRow()],
    ledger: [...clean.ledger, ...posting('3:dispute_opened', 'disputed_funds', 'provider_balance', 1_500)],
    outbox: [...late('undecided').outbox, anEvent('payments', 'dispute.opened.v1', 3)],
    notices: [
      { messageId: 'dispute.opened.v1:3', kind: 'dispute.opened', amountMinor: 1_500, currency: 'USD' },
    ],
    providerDisputes: [aProviderDispute()],
  },
  'a donor who is at the bank’s page': waiting,
  'a fee that the provider does not tell': {
    ...clean,
    provider: [aProviderPayment({ fee: null })],
  },
  'a fee that was corrected': {
    ...clean,
    payment: aPayment({ feeMinor: 90 }),
    provider: [aProviderPayment({ fee: { amountMinor: 90, currency: 'USD' } })],
    ledger: [...clean.ledger, ...posting('fee:2', 'provider_balance', 'provider_fees', 13)],
  },
  'a fee in the currency of our account': {
    ...clean,
    payment: aPayment({ feeMinor: 70, feeCurrency: 'EUR' }),
    provider: [aProviderPayment({ fee: { amountMinor: 70, currency: 'EUR' } })],
    ledger: [
      ...clean.ledger.slice(0, 2),
      ...posting('fee:1', 'provider_fees', 'provider_balance', 70).map((line) => ({
        ...line,
        currency: 'EUR',
      })),
    ],
  },
};

type Case = [name: string, donation: DonationSnapshot, checks: readonly string[]];

export const moneyBackCases: readonly Case[] = [
  // Refunds at the provider
  [
    'a refund that only the provider knows',
    { ...clean, providerRefunds: [aProviderRefund({ refundId: null, donationId: null })] },
    ['refund-unknown'],
  ],
  [
    'a refund that names its charge alone, and that only the provider knows',
    { ...clean, providerRefunds: [aProviderRefund({ refundId: null, donationId: null, paymentId: null })] },
    ['refund-unknown'],
  ],
  [
    'a refund that we call failed, made by the provider all the same',
    {
      ...bounced,
      refunds: [aRefundRow({ status: 'failed', providerRefundId: null })],
      providerRefunds: [aProviderRefund()],
    },
    ['refund-unknown'],
  ],
  ['a refund that the provider never made', { ...reversed, providerRefunds: [] }, ['refund-unproven']],
  [
    'a refund that succeeded without the provider',
    { ...reversed, refunds: [aRefundRow({ providerRefundId: null })], providerRefunds: [] },
    ['refund-unproven'],
  ],
  [
    'a refund of another amount',
    { ...reversed, providerRefunds: [aProviderRefund({ amountMinor: 1_100 })] },
    ['refund-differs'],
  ],
  [
    'a refund in another currency',
    { ...reversed, providerRefunds: [aProviderRefund({ currency: 'EUR' })] },
    ['refund-differs'],
  ],
  [
    'a refund that has failed at the provider',
    { ...reversed, providerRefunds: [aProviderRefund({ status: 'failed' })] },
    ['refund-differs'],
  ],
  [
    'a refund that still waits at the provider',
    { ...reversed, providerRefunds: [aProviderRefund({ status: 'requires_action' })] },
    ['refund-differs'],
  ],
  [
    'a refund on the payment of another donation',
    { ...reversed, providerRefunds: [aProviderRefund({ paymentId: 'pi_2', chargeId: 'ch_2' })] },
    ['refund-differs'],
  ],
  [
    'a refund made twice',
    { ...reversed, providerRefunds: [aProviderRefund(), aProviderRefund({ id: 're_2' })] },
    ['refunded-twice'],
  ],
  [
    'more refunded than taken',
    {
      ...clean,
      payment: aPayment({ needsReview: 'refund re_1: exceeds_capture (event:evt_1)' }),
      providerRefunds: [aProviderRefund({ amountMinor: 2_600, refundId: null })],
    },
    ['over-refunded', 'needs-review'],
  ],
  [
    'a second charge that was given back in part',
    {
      ...clean,
      provider: [...clean.provider, aProviderPayment({ id: 'pi_2', chargeId: 'ch_2' })],
      providerRefunds: [aProviderRefund({ id: 're_2', paymentId: 'pi_2', refundId: null, donationId: null })],
    },
    ['charge-unknown', 'charged-twice'],
  ],
  // Disputes at the provider
  [
    'a dispute that only the provider knows',
    { ...clean, providerDisputes: [aProviderDispute()] },
    ['dispute-unknown'],
  ],
  ['a dispute that no bank has opened', { ...reversed, providerDisputes: [] }, ['dispute-unproven']],
  [
    'a dispute that is an inquiry',
    { ...reversed, providerDisputes: [aProviderDispute({ status: 'inquiry' })] },
    ['dispute-unproven'],
  ],
  [
    'a dispute with another outcome',
    { ...reversed, providerDisputes: [aProviderDispute({ status: 'lost' })] },
    ['dispute-differs'],
  ],
  [
    'a dispute of another amount',
    { ...reversed, providerDisputes: [aProviderDispute({ amountMinor: 1_400 })] },
    ['dispute-differs'],
  ],
  [
    'a dispute in another currency',
    { ...reversed, providerDisputes: [aProviderDispute({ currency: 'EUR' })] },
    ['dispute-differs'],
  ],
  // The facts
  [
    'a refund that no transition tells of',
    { ...clean, refunds: [aRefundRow()], providerRefunds: [aProviderRefund()] },
    ['reversals-differ'],
  ],
  [
    'a refund that only transitions tell of',
    { ...reversed, refunds: [], operations: [], providerRefunds: [] },
    ['reversals-differ'],
  ],
  [
    'a promised refund that no transition tells of',
    { ...clean, refunds: [aRefundRow({ status: 'pending', providerRefundId: null, createdAt: JUST_NOW })] },
    ['reversals-differ'],
  ],
  [
    'a lost dispute that no transition tells of',
    {
      ...clean,
      disputes: [aDisputeRow({ status: 'lost' })],
      providerDisputes: [aProviderDispute({ status: 'lost' })],
    },
    ['reversals-differ'],
  ],
  [
    'more given back than the transitions say',
    { ...reversed, payment: aPayment({ state: 'PARTIALLY_REFUNDED', refundedMinor: 1_100, version: 5 }) },
    ['transitions-differ'],
  ],
  [
    'more promised than the transitions say',
    {
      ...reversed,
      payment: aPayment({
        state: 'PARTIALLY_REFUNDED',
        refundedMinor: 1_000,
        reservedMinor: 1,
        version: 5,
      }),
    },
    ['transitions-differ'],
  ],
  // The ledger
  [
    'a refund that is not in the ledger',
    { ...reversed, ledger: reversed.ledger.filter(({ postingId }) => !postingId.endsWith(':refunded')) },
    ['ledger-differs'],
  ],
  [
    'a refund booked to the wrong account',
    {
      ...reversed,
      ledger: reversed.ledger.map((line) =>
        line.postingId.endsWith(':refunded') && line.account === 'campaign_payable'
          ? { ...line, account: 'suspense' }
          : line,
      ),
    },
    ['ledger-differs'],
  ],
  [
    'a refund that came back and is not booked',
    { ...bounced, ledger: bounced.ledger.slice(0, -2) },
    ['ledger-differs'],
  ],
  ['a dispute that is not booked', { ...reversed, ledger: reversed.ledger.slice(0, -2) }, ['ledger-differs']],
  [
    'a lost dispute booked as won',
    {
      ...decided('lost'),
      ledger: [...reversed.ledger, ...posting('6:dispute_lost', 'provider_balance', 'disputed_funds', 1_500)],
    },
    ['ledger-differs'],
  ],
  [
    'a promise booked as if it had been kept',
    {
      ...promised,
      refunds: [aRefundRow({ status: 'pending', providerRefundId: null, createdAt: JUST_NOW })],
      ledger: [...clean.ledger, ...posting('3:refunded', 'campaign_payable', 'provider_balance', 1_000)],
    },
    ['ledger-differs'],
  ],
  [
    'a fee that is booked and not on the payment',
    {
      ...clean,
      payment: aPayment({ feeMinor: null, feeCurrency: null }),
      provider: [aProviderPayment({ fee: null })],
    },
    ['ledger-differs'],
  ],
  [
    'a fee that is on the payment and not booked',
    { ...clean, ledger: clean.ledger.slice(0, 2) },
    ['balance-differs'],
  ],
  [
    'a fee booked twice',
    { ...clean, ledger: [...clean.ledger, ...posting('fee:2', 'provider_fees', 'provider_balance', 103)] },
    ['balance-differs'],
  ],
  [
    'another fee than the provider keeps',
    { ...clean, provider: [aProviderPayment({ fee: { amountMinor: 104, currency: 'USD' } })] },
    ['fee-differs'],
  ],
  [
    'a fee that we never booked',
    { ...clean, payment: aPayment({ feeMinor: null, feeCurrency: null }), ledger: clean.ledger.slice(0, 2) },
    ['fee-differs'],
  ],
  // The totals' entries
  ['a refund that the totals do not count', { ...reversed, applied: clean.applied }, ['entry-missing']],
  [
    'a lost dispute that the totals do not count',
    { ...decided('lost'), applied: reversed.applied },
    ['entry-missing'],
  ],
  // Events
  [
    'a promise that was never announced',
    { ...reversed, outbox: reversed.outbox.filter(({ type }) => type !== 'refund.requested.v1') },
    ['event-missing'],
  ],
  [
    'a refunded pledge that was never announced',
    { ...reversed, outbox: reversed.outbox.filter(({ type }) => type !== 'donation.refunded.v1') },
    ['event-missing'],
  ],
  [
    'kept money whose decision was never announced',
    { ...late('kept'), outbox: late('undecided').outbox, notices: [] },
    ['event-missing'],
  ],
  [
    'a refund announced that was never made',
    {
      ...clean,
      outbox: [...clean.outbox, anEvent('payments', 'refund.requested.v1', 3)],
    },
    ['event-unexplained'],
  ],
  [
    'late money announced twice',
    {
      ...late('kept'),
      outbox: [
        ...late('kept').outbox,
        anEvent('payments', 'late_capture.kept.v1', 1, { processedAt: null, createdAt: JUST_NOW }),
      ],
    },
    ['event-unexplained'],
  ],
  // Notices
  [
    'a refund that nobody was told of',
    { ...reversed, notices: reversed.notices.slice(1) },
    ['notice-missing'],
  ],
  [
    'an organiser who does not know of a dispute',
    { ...reversed, notices: reversed.notices.slice(0, 1) },
    ['notice-missing'],
  ],
  [
    'a notice of nothing',
    {
      ...reversed,
      notices: [
        ...reversed.notices,
        { messageId: 'x', kind: 'dispute.won', amountMinor: 1_500, currency: 'USD' },
      ],
    },
    ['notice-unearned'],
  ],
  [
    'a notice of another amount',
    { ...reversed, notices: reversed.notices.map((notice) => ({ ...notice, amountMinor: 1 })) },
    ['notice-differs'],
  ],
  [
    'a notice of another kind',
    { ...reversed, notices: reversed.notices.map((notice) => ({ ...notice, kind: 'dispute.won' })) },
    ['notice-differs'],
  ],
  // Progress
  ['a refund promised long ago and never sent', promised, ['refund-stuck']],
  [
    'a refund whose answer was lost long ago',
    { ...promised, providerRefunds: [aProviderRefund()] },
    ['refund-stuck'],
  ],
  [
    'a refund that its workflow was never told of',
    { ...promised, commands: [aCommand({ deliveredAt: null })] },
    ['command-undelivered'],
  ],
  [
    'a command that is parked, however young',
    { ...promised, commands: [aCommand({ deliveredAt: null, createdAt: JUST_NOW, parkedAt: JUST_NOW })] },
    ['command-undelivered'],
  ],
  [
    'a cancel that its workflow was never told of',
    { ...clean, commands: [aCommand({ service: 'donations', type: 'cancel', deliveredAt: null })] },
    ['command-undelivered'],
  ],
  ['late money that nobody decides about', late('undecided'), ['late-money-undecided']],
  [
    'money taken although the donor’s cancel had won',
    { ...clean, request: { ...request, captureStartedAt: null, cancelRequestedAt: THEN } },
    ['late-money-undecided'],
  ],
  [
    'a payment that waits for its donor and is captured',
    { ...clean, payment: aPayment({ waitingFor: 'action' }) },
    ['waiting-for-nobody'],
  ],
  [
    'a donor who went to the bank’s page two days ago',
    { ...waiting, request: { ...request, acceptedAt: new Date('2026-12-30T12:00:00Z') } },
    ['not-finished'],
  ],
  [
    'a pledge that does not follow a refund',
    {
      ...reversed,
      pledge: { ...pledge, status: 'CAPTURED', version: 2 },
      outbox: reversed.outbox.filter(({ type }) => type !== 'donation.refunded.v1'),
    },
    ['status-differs'],
  ],
  [
    'an aftercare that goes on after the end',
    {
      ...reversed,
      aftercare: {
        runId: 'r2',
        status: 'RUNNING',
        startedAt: THEN,
        closedAt: null,
        needsAttention: false,
        result: null,
      },
    },
    ['workflow-running'],
  ],
];
