/** Every way that a payment can go after its donation has ended, and how to make it go there. */
import type { WorkflowHandle } from '@temporalio/client';
import { EVERY_CALL, POLICY, type Donation, type DonationStage } from '../workflow/donation-stage.ts';
import {
  aftercareHears,
  authorizedLate,
  campaignCloses,
  captured,
  capturedAtTheProvider,
  declinedAndOpen,
  failed,
  FOR_EVER,
  learnt,
  paidWithAnotherCard,
  paymentIdOf,
  refundAsked,
  running,
  takenRefund,
  told,
} from './acts.ts';
import type { Path, Paths } from './path.ts';

const FEW_TRIES = { ...POLICY, stepAttempts: 2 };
/** Too patient to find anything out by itself. */
const WAITS = { ...POLICY, resolvePausesMs: [30_000] };

export const AFTERCARE_PATHS: Paths = {
  // Money that comes late.
  'late-capture-kept': {
    shows: ['applyProviderEvent: CAPTURED', 'isOpen: true', 'settleLateMoney: CAPTURED', 'ends: CAPTURED'],
    record: async (stage) => {
      const donation = await declinedAndOpen(stage);
      await paidWithAnotherCard(stage, donation);
      return await tellsOf(stage, donation, /succeeded/);
    },
  },
  'late-capture-refunded': {
    shows: [
      'applyProviderEvent: CAPTURED',
      'isOpen: false',
      'settleLateMoney: CAPTURED',
      'makeRefund: REFUNDED',
      'ends: REFUNDED',
    ],
    record: async (stage) => {
      const donation = await declinedAndOpen(stage);
      await campaignCloses(stage, donation);
      await paidWithAnotherCard(stage, donation);
      return await tellsOf(stage, donation, /succeeded/);
    },
  },
  'late-capture-after-a-cancel': {
    shows: [
      'applyProviderEvent: CAPTURED',
      'settleLateMoney: CAPTURED',
      'makeRefund: REFUNDED',
      'ends: REFUNDED',
    ],
    record: async (stage) => {
      const donation = await failed(stage);
      await capturedAtTheProvider(stage, donation, await authorizedLate(stage, donation));
      return await tellsOf(stage, donation, /succeeded/);
    },
  },
  'late-authorization-released': {
    shows: ['applyProviderEvent: FAILED', 'release: FAILED', 'ends: FAILED'],
    record: async (stage) => {
      const donation = await failed(stage);
      await authorizedLate(stage, donation);
      return await tellsOf(stage, donation, /amount_capturable_updated/);
    },
  },
  'late-authorization-released-after-an-outage': {
    shows: [
      'applyProviderEvent: FAILED',
      'release fails: provider_unknown',
      'timer',
      'release: FAILED',
      'ends: FAILED',
    ],
    record: async (stage) => {
      const donation = { ...(await failed(stage)), policy: FEW_TRIES };
      const { donationId } = donation;
      await stage.simulator.arm({ operation: 'cancel', fault: 'error503', times: 3, donationId });
      await authorizedLate(stage, donation);
      return await tellsOf(stage, donation, /amount_capturable_updated/);
    },
  },

  // Refunds.
  'refund-made': refund(undefined, ['makeRefund: REFUNDED', 'recordOutcome', 'ends: REFUNDED']),
  'refund-made-of-a-part': refund(1_000, ['makeRefund: PARTIALLY_REFUNDED', 'ends: PARTIALLY_REFUNDED']),
  'refunds-made-two-at-once': {
    shows: ['makeRefund: PARTIALLY_REFUNDED', 'makeRefund: REFUNDED', 'ends: REFUNDED'],
    record: async (stage) => {
      const donation = await captured(stage);
      await refundAsked(stage, donation, 1_000);
      await refundAsked(stage, donation, 1_500);
      return await aftercareHears(stage, donation, 'work');
    },
  },
  'refund-made-after-an-outage': {
    shows: ['makeRefund fails: provider_unknown', 'timer', 'makeRefund: REFUNDED', 'ends: REFUNDED'],
    record: async (stage) => {
      const donation = await captured(stage, { policy: FEW_TRIES });
      const { donationId } = donation;
      await stage.simulator.arm({ operation: 'refund', fault: 'error503', times: 3, donationId });
      await refundAsked(stage, donation);
      return await aftercareHears(stage, donation, 'work');
    },
  },
  'refund-unknown-while-a-dispute-is-opened': {
    shows: [
      'makeRefund fails: provider_unknown',
      'addToTotals',
      'signal providerEvent',
      'applyProviderEvent: CAPTURED',
      'makeRefund: CAPTURED',
      'addToTotals',
      'ends: CAPTURED',
    ],
    record: async (stage) => {
      const donation = await captured(stage, { policy: { ...WAITS, stepAttempts: 2 } });
      const { donationId } = donation;
      await stage.simulator.arm({ operation: 'refund', fault: 'error503', times: 2, donationId });
      await refundAsked(stage, donation);
      const handle = await aftercareHears(stage, donation, 'work');
      await learnt(handle, 'recordOutcome');
      await stage.simulator.disputePayment(await paymentIdOf(stage, donation));
      await told(stage, donation, /^charge[.]dispute[.]created/);
      return handle;
    },
  },
  'refund-refused': {
    shows: ['makeRefund: CAPTURED', 'ends: CAPTURED'],
    record: async (stage) => {
      const donation = await captured(stage);
      await stage.simulator.disputePayment(await paymentIdOf(stage, donation));
      await refundAsked(stage, donation);
      return await aftercareHears(stage, donation, 'work');
    },
  },
  'refund-pending-then-succeeded-by-webhook': {
    shows: ['makeRefund: CAPTURED', 'signal providerEvent', 'applyProviderEvent: REFUNDED', 'ends: REFUNDED'],
    record: async (stage) => {
      const { donation, handle, refundId } = await pendingRefund(stage, { policy: WAITS });
      await stage.simulator.succeedRefund(refundId);
      await told(stage, donation, /^refund[.]updated/);
      return handle;
    },
  },
  'refund-pending-then-succeeded-by-look': {
    shows: ['makeRefund: CAPTURED', 'timer', 'look: REFUNDED', 'ends: REFUNDED'],
    record: async (stage) => {
      const { handle, refundId } = await pendingRefund(stage);
      await stage.simulator.succeedRefund(refundId);
      return handle;
    },
  },
  'refund-pending-then-failed-by-webhook': {
    shows: ['makeRefund: CAPTURED', 'signal providerEvent', 'applyProviderEvent: CAPTURED', 'ends: CAPTURED'],
    record: async (stage) => {
      const { donation, handle, refundId } = await pendingRefund(stage, { policy: WAITS });
      await stage.simulator.failRefund(refundId);
      await told(stage, donation, /^refund[.]failed/);
      return handle;
    },
  },
  'refund-pending-in-an-outage': {
    shows: [
      'makeRefund: CAPTURED',
      'timer',
      'look fails: provider_unknown',
      'timer',
      'look: REFUNDED',
      'ends: REFUNDED',
    ],
    record: async (stage) => {
      const policy = { ...FEW_TRIES, resolvePausesMs: [1_000] };
      const { donation, handle, refundId } = await pendingRefund(stage, { policy });
      const { donationId } = donation;
      await stage.simulator.arm({ operation: 'retrieve', fault: 'error503', times: 2, donationId });
      await learnt(handle, 'look');
      await stage.simulator.succeedRefund(refundId);
      return handle;
    },
  },
  'refund-pending-for-ever': {
    shows: ['makeRefund: CAPTURED', 'timer', 'look: CAPTURED', 'ends: CAPTURED'],
    record: async (stage) =>
      (await pendingRefund(stage, { policy: { ...POLICY, giveUpAfterMs: 2_000 } })).handle,
  },
  'refund-asked-for-while-another-is-pending': {
    shows: [
      'makeRefund: CAPTURED',
      'signal work',
      'makeRefund: CAPTURED',
      'signal providerEvent',
      'applyProviderEvent: REFUNDED',
      'ends: REFUNDED',
    ],
    record: async (stage) => {
      const { donation, handle, refundId } = await pendingRefund(stage, { policy: WAITS }, 1_000);
      const second = await refundAsked(stage, donation, 1_500);
      await aftercareHears(stage, donation, 'work');
      await stage.simulator.succeedRefund(await takenRefund(stage, second));
      await learnt(handle, 'makeRefund', 2);
      await stage.simulator.succeedRefund(refundId);
      // The first one told of makes us fetch both.
      await told(stage, donation, /^refund[.]updated/);
      return handle;
    },
  },
  'refund-failed-after-success': {
    shows: ['signal providerEvent', 'applyProviderEvent: CAPTURED', 'recordOutcome', 'ends: CAPTURED'],
    record: async (stage) => {
      const donation = await captured(stage);
      const refundId = await refundAsked(stage, donation);
      await (await aftercareHears(stage, donation, 'work')).result();
      await stage.simulator.failRefund(await takenRefund(stage, refundId));
      return await tellsOf(stage, donation, /^refund[.]failed/);
    },
  },
  'refund-made-by-hand': {
    shows: ['applyProviderEvent: REFUNDED', 'ends: REFUNDED'],
    record: async (stage) => {
      const donation = await captured(stage);
      await stage.simulator.refundByHand(await paymentIdOf(stage, donation));
      return await tellsOf(stage, donation, /^charge[.]refunded/);
    },
  },

  // Disputes.
  'dispute-opened': {
    shows: ['applyProviderEvent: CAPTURED', 'addToTotals', 'ends: CAPTURED'],
    record: async (stage) => (await disputed(stage)).handle,
  },
  'dispute-won': dispute('won'),
  'dispute-lost': dispute('lost'),

  // Signals.
  'two-signals-at-once': {
    shows: ['signal work', 'ends: REFUNDED'],
    record: async (stage) => {
      const donation = await captured(stage);
      await stage.simulator.refundByHand(await paymentIdOf(stage, donation), { amountMinor: 500 });
      await refundAsked(stage, donation, 2_000);
      await Promise.all([
        aftercareHears(stage, donation, 'work'),
        told(stage, donation, /^charge[.]refunded/),
      ]);
      return await running(stage, donation);
    },
  },
  'look-asked-for': {
    shows: ['signal look', 'look: CAPTURED', 'ends: CAPTURED'],
    record: async (stage) => await aftercareHears(stage, await captured(stage), 'look'),
  },
  'nothing-to-do': {
    shows: ['signal work', 'currentPayment: CAPTURED', 'ends: CAPTURED'],
    record: async (stage) => await aftercareHears(stage, await captured(stage), 'work'),
  },
  'webhook-of-a-second-payment': {
    shows: ['applyProviderEvent: CAPTURED', 'ends: CAPTURED'],
    record: async (stage) => {
      const donation = await captured(stage);
      const key = (step: string): string => `${donation.donationId}:by-hand:${step}`;
      const twin = await stage.provider.createPayment({ ...donation, currency: 'USD' }, key('create'));
      if (twin.kind !== 'yes') throw new Error(`create was answered ${twin.kind}`);
      await told(stage, donation, /^payment_intent[.]created/, twin.payment.id);
      return await running(stage, donation);
    },
  },
  'webhook-that-cannot-be-applied-yet': {
    shows: ['signal providerEvent', 'applyProviderEvent fails: provider_unknown', 'ends: CAPTURED'],
    record: async (stage) => {
      const donation = await captured(stage, { policy: FEW_TRIES });
      const { donationId } = donation;
      await stage.simulator.refundByHand(await paymentIdOf(stage, donation));
      await stage.simulator.arm({ operation: 'retrieve', fault: 'error503', times: FOR_EVER, donationId });
      return await tellsOf(stage, donation, /^charge[.]refunded/);
    },
  },

  // It cannot go on.
  'key-refused-at-the-refund': {
    shows: [
      'makeRefund fails: provider_rejected',
      'addToTotals',
      'recordOutcome',
      'fails visibly: provider_rejected',
    ],
    record: async (stage) => {
      const donation = await captured(stage);
      await refundAsked(stage, donation);
      stage.refuse(['createRefund']);
      return await aftercareHears(stage, donation, 'work');
    },
  },
  'key-refused-at-a-look': {
    shows: ['signal look', 'look fails: provider_rejected', 'fails visibly: provider_rejected'],
    record: async (stage) => {
      const donation = await captured(stage);
      stage.refuse(EVERY_CALL);
      return await aftercareHears(stage, donation, 'look');
    },
  },
  'refund-never-answered': {
    shows: [
      'makeRefund fails: provider_unknown',
      'timer',
      'makeRefund fails: provider_unknown',
      'fails visibly: outcome_unproven',
    ],
    record: async (stage) => {
      const donation = await captured(stage, { policy: { ...FEW_TRIES, giveUpAfterMs: 4_000 } });
      const { donationId } = donation;
      await stage.simulator.arm({ operation: 'refund', fault: 'error503', times: FOR_EVER, donationId });
      await refundAsked(stage, donation);
      return await aftercareHears(stage, donation, 'work');
    },
  },
};

/** Hands over what the provider tells of one kind, and returns the aftercare that this starts. */
async function tellsOf(stage: DonationStage, donation: Donation, type: RegExp): Promise<WorkflowHandle> {
  await told(stage, donation, type);
  return await running(stage, donation);
}

function refund(amountMinor: number | undefined, shows: readonly string[]): Path {
  return {
    shows: ['signal work', 'currentPayment: CAPTURED', ...shows],
    record: async (stage) => {
      const donation = await captured(stage);
      await refundAsked(stage, donation, amountMinor);
      return await aftercareHears(stage, donation, 'work');
    },
  };
}

/** One that the provider has taken and that succeeds or fails when it is told to; `refundId` is the provider's. */
async function pendingRefund(
  stage: DonationStage,
  change: Partial<Donation> = {},
  amountMinor?: number,
): Promise<{ readonly donation: Donation; readonly handle: WorkflowHandle; readonly refundId: string }> {
  await stage.simulator.turn({ refundSettleMs: 600_000 });
  const donation = await captured(stage, { ...change, paymentMethod: 'pm_card_pendingRefund' });
  const asked = await refundAsked(stage, donation, amountMinor);
  const handle = await aftercareHears(stage, donation, 'work');
  await learnt(handle, 'makeRefund');
  return { donation, handle, refundId: await takenRefund(stage, asked) };
}

async function disputed(
  stage: DonationStage,
): Promise<{ readonly donation: Donation; readonly handle: WorkflowHandle; readonly disputeId: string }> {
  const donation = await captured(stage);
  const disputeId = await stage.simulator.disputePayment(await paymentIdOf(stage, donation));
  return { donation, disputeId, handle: await tellsOf(stage, donation, /^charge[.]dispute[.]created/) };
}

function dispute(outcome: 'won' | 'lost'): Path {
  return {
    shows: ['applyProviderEvent: CAPTURED', 'addToTotals', 'ends: CAPTURED'],
    record: async (stage) => {
      const { donation, disputeId, handle } = await disputed(stage);
      await handle.result();
      await stage.simulator.closeDispute(disputeId, outcome);
      return await tellsOf(stage, donation, /^charge[.]dispute[.]closed/);
    },
  };
}
