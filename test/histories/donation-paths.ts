/** Every way that a donation can go, and how to make it go there. */
import { lookSignal, providerEventSignal } from '../../workflows/messages.ts';
import { EVERY_CALL, PATIENT, POLICY } from '../workflow/donation-stage.ts';
import { tellUntilDone } from '../workflow/told.ts';
import {
  authorizedLate,
  campaignCloses,
  cancelledByDonor,
  cancelWritten,
  capturedAtTheProvider,
  DECLINED,
  FOR_EVER,
  learnt,
  paidWithAnotherCard,
  paymentIdOf,
  pledged,
  whilePledgeIsLocked,
  received,
  told,
  tried,
  waiting,
} from './acts.ts';
import type { Path, Paths } from './path.ts';

/** A step's tries are soon used up, so that the workflow itself has to ask on. */
const FEW_TRIES = { ...POLICY, stepAttempts: 2 };
const WRITES = ['create', 'confirm', 'capture', 'cancel'] as const;

export const DONATION_PATHS: Paths = {
  'captured-local': {
    shows: [
      'persistPledge, local',
      'addToTotals, local',
      'authorize, local: AUTHORIZED',
      'claimCapture, local: true',
      'capture, local: CAPTURED',
      'addToTotals, local',
      'recordOutcome, local',
      'ends: CAPTURED',
    ],
    record: async (stage) => (await stage.give({ policy: PATIENT })).handle,
  },
  'captured-queues': {
    shows: [
      'persistPledge',
      'addToTotals',
      'authorize: AUTHORIZED',
      'claimCapture: true',
      'capture: CAPTURED',
      'addToTotals',
      'recordOutcome',
      'ends: CAPTURED',
    ],
    record: async (stage) => (await stage.give({ placement: 'queues' })).handle,
  },
  'declined-local': {
    shows: ['authorize, local: FAILED', 'release: FAILED', 'recordOutcome, local', 'ends: FAILED'],
    record: async (stage) => (await stage.give({ policy: PATIENT, paymentMethod: DECLINED })).handle,
  },
  'declined-queues': {
    shows: ['authorize: FAILED', 'release: FAILED', 'recordOutcome', 'ends: FAILED'],
    record: async (stage) => (await stage.give({ placement: 'queues', paymentMethod: DECLINED })).handle,
  },

  // The donor has to act.
  'donor-acts-and-a-webhook-tells': {
    shows: [
      'authorize: INITIATED',
      'signal providerEvent',
      'applyProviderEvent: AUTHORIZED',
      'capture: CAPTURED',
      'ends: CAPTURED',
    ],
    record: async (stage) => {
      // Too patient to find it out by itself.
      const donation = await waiting(stage, {
        placement: 'queues',
        policy: { ...POLICY, resolvePausesMs: [30_000] },
      });
      await learnt(donation.handle, 'authorize');
      await stage.simulator.authenticatePayment(donation.paymentId);
      await told(stage, donation, /amount_capturable_updated/);
      return donation.handle;
    },
  },
  'donor-acts-and-a-look-finds-it': {
    shows: [
      'authorize, local: INITIATED',
      'timer',
      'look: AUTHORIZED',
      'capture, local: CAPTURED',
      'ends: CAPTURED',
    ],
    record: async (stage) => {
      const donation = await waiting(stage, { policy: PATIENT });
      await stage.simulator.authenticatePayment(donation.paymentId);
      return donation.handle;
    },
  },
  'donor-acts-and-a-look-is-asked-for': {
    shows: ['authorize: INITIATED', 'signal look', 'look: AUTHORIZED', 'capture: CAPTURED', 'ends: CAPTURED'],
    record: async (stage) => {
      const donation = await waiting(stage, {
        placement: 'queues',
        policy: { ...POLICY, resolvePausesMs: [30_000] },
      });
      await learnt(donation.handle, 'authorize');
      await stage.simulator.authenticatePayment(donation.paymentId);
      await donation.handle.signal(lookSignal);
      return donation.handle;
    },
  },
  'donor-leaves': {
    shows: [
      'authorize, local: INITIATED',
      'timer',
      'release: EXPIRED',
      'recordOutcome, local',
      'ends: EXPIRED',
    ],
    record: async (stage) => (await waiting(stage, { policy: { ...PATIENT, abandonAfterMs: 300 } })).handle,
  },

  // The donor cancels.
  'donor-cancels-before-the-start': {
    shows: ['persistPledge, local', 'addToTotals, local', 'release: FAILED', 'ends: FAILED'],
    record: async (stage) => {
      const donation = await stage.accept({ policy: PATIENT });
      await cancelWritten(stage, donation);
      return await stage.start(donation, { cancelledAt: new Date() });
    },
  },
  'donor-cancels-before-the-authorization': {
    shows: ['persistPledge', 'signal cancelDonation', 'addToTotals', 'release: FAILED', 'ends: FAILED'],
    record: async (stage) => {
      const donation = await pledged(stage);
      await cancelledByDonor(stage, donation);
      await stage.newCampaign(donation.campaignId);
      return donation.handle;
    },
  },
  'donor-cancels-at-the-bank': {
    shows: ['authorize: INITIATED', 'signal cancelDonation', 'release: FAILED', 'ends: FAILED'],
    record: async (stage) => {
      const donation = await waiting(stage, {
        placement: 'queues',
        policy: { ...POLICY, resolvePausesMs: [30_000] },
      });
      await learnt(donation.handle, 'authorize');
      await cancelledByDonor(stage, donation);
      return donation.handle;
    },
  },
  'donor-cancels-in-an-outage': {
    shows: ['authorize fails: provider_unknown', 'signal cancelDonation', 'release: FAILED', 'ends: FAILED'],
    record: async (stage) => {
      const donation = await stage.accept({ placement: 'queues', policy: FEW_TRIES });
      const { donationId } = donation;
      await stage.simulator.arm({ operation: 'confirm', fault: 'error503', times: FOR_EVER, donationId });
      const handle = await stage.start(donation);
      await learnt(handle, 'authorize');
      await cancelledByDonor(stage, donation);
      return handle;
    },
  },
  'donor-cancels-before-the-claim-local': {
    shows: ['authorize, local: AUTHORIZED', 'claimCapture, local: false', 'release: FAILED', 'ends: FAILED'],
    record: async (stage) => {
      const donation = await stage.accept({ policy: PATIENT });
      await cancelWritten(stage, donation);
      return await stage.start(donation);
    },
  },
  'donor-cancels-before-the-claim-queues': {
    shows: ['authorize: AUTHORIZED', 'claimCapture: false', 'release: FAILED', 'ends: FAILED'],
    record: async (stage) => {
      const donation = await stage.accept({ placement: 'queues' });
      await cancelWritten(stage, donation);
      return await stage.start(donation);
    },
  },
  'donor-cancels-and-the-bank-captures': {
    shows: [
      'signal cancelDonation',
      'release: CAPTURED',
      'claimCapture: false',
      'settleLateMoney: CAPTURED',
      'ends: CAPTURED',
    ],
    record: async (stage) => {
      const donation = await waiting(stage, {
        placement: 'queues',
        policy: { ...POLICY, resolvePausesMs: [30_000] },
      });
      await learnt(donation.handle, 'authorize');
      await stage.simulator.authenticatePayment(donation.paymentId);
      await capturedAtTheProvider(stage, donation, donation.paymentId);
      await cancelledByDonor(stage, donation);
      return donation.handle;
    },
  },

  // An operator cancels.
  'operator-cancels-before-the-authorization': {
    shows: ['persistPledge', 'cancel requested', 'addToTotals', 'release: FAILED', 'ends: FAILED'],
    record: async (stage) => {
      const donation = await pledged(stage);
      await donation.handle.cancel();
      await stage.newCampaign(donation.campaignId);
      return donation.handle;
    },
  },
  'operator-cancels-an-authorization': operatorCancels('confirm', [
    'authorize is cancelled',
    'release: FAILED',
  ]),
  'operator-cancels-at-the-bank': {
    shows: ['authorize, local: INITIATED', 'cancel requested', 'release: FAILED', 'ends: FAILED'],
    record: async (stage) => {
      const donation = await waiting(stage, { policy: PATIENT });
      await learnt(donation.handle, 'look');
      await donation.handle.cancel();
      return donation.handle;
    },
  },
  'operator-cancels-a-capture': operatorCancels('capture', ['capture is cancelled', 'release: FAILED']),
  'operator-cancels-a-release': {
    shows: [
      'claimCapture: false',
      'cancel requested',
      'release is cancelled',
      'release: FAILED',
      'ends: FAILED',
    ],
    record: async (stage) => {
      const donation = await stage.accept({ placement: 'queues' });
      const { donationId } = donation;
      await cancelWritten(stage, donation);
      await stage.simulator.arm({ operation: 'cancel', fault: 'error503', times: 3, donationId });
      const handle = await stage.start(donation);
      await tried(stage, donation, 'release');
      await handle.cancel();
      return handle;
    },
  },

  // Nobody knows.
  'first-answers-lost': {
    shows: [
      'authorize, local fails: provider_unknown',
      'authorize: AUTHORIZED',
      'capture, local fails: provider_unknown',
      'capture: CAPTURED',
      'ends: CAPTURED',
    ],
    record: async (stage) => {
      const donation = await stage.accept({ policy: PATIENT });
      const { donationId } = donation;
      await stage.simulator.arm(
        { operation: 'create', fault: 'resetAfter', donationId },
        { operation: 'capture', fault: 'resetAfter', donationId },
      );
      return await stage.start(donation);
    },
  },
  'slow-provider': {
    shows: ['authorize, local fails: unknown', 'authorize: AUTHORIZED', 'ends: CAPTURED'],
    record: async (stage) => {
      const donation = await stage.accept();
      const { donationId } = donation;
      const delayMs = POLICY.localProviderCallTimeoutMs + 200;
      await stage.simulator.arm({ operation: 'confirm', fault: 'latency', delayMs, donationId });
      return await stage.start(donation);
    },
  },
  'outage-at-the-authorization-local': {
    shows: ['authorize fails: provider_unknown', 'timer', 'authorize, local: AUTHORIZED', 'ends: CAPTURED'],
    record: async (stage) => {
      const donation = await stage.accept({ policy: { ...PATIENT, stepAttempts: 2 } });
      const { donationId } = donation;
      await stage.simulator.arm({ operation: 'confirm', fault: 'error503', times: 3, donationId });
      return await stage.start(donation);
    },
  },
  'outage-at-the-authorization-queues': outageAt('confirm', [
    'authorize fails: provider_unknown',
    'timer',
    'authorize: AUTHORIZED',
    'ends: CAPTURED',
  ]),
  'outage-at-the-capture': outageAt('capture', [
    'capture fails: provider_unknown',
    'timer',
    'capture: CAPTURED',
    'ends: CAPTURED',
  ]),
  'outage-at-the-release': {
    shows: [
      'claimCapture: false',
      'release fails: provider_unknown',
      'timer',
      'release: FAILED',
      'ends: FAILED',
    ],
    record: async (stage) => {
      const donation = await stage.accept({ placement: 'queues', policy: FEW_TRIES });
      const { donationId } = donation;
      await cancelWritten(stage, donation);
      await stage.simulator.arm({ operation: 'cancel', fault: 'error503', times: 3, donationId });
      return await stage.start(donation);
    },
  },
  'outage-that-outlasts-the-donor': {
    shows: [
      'authorize fails: provider_unknown',
      'timer',
      'authorize fails: provider_unknown',
      'release: EXPIRED',
      'ends: EXPIRED',
    ],
    record: async (stage) => {
      const policy = { ...FEW_TRIES, abandonAfterMs: 5_000 };
      const donation = await stage.accept({ placement: 'queues', policy });
      const { donationId } = donation;
      await stage.simulator.arm({ operation: 'confirm', fault: 'error503', times: FOR_EVER, donationId });
      return await stage.start(donation);
    },
  },
  'answers-lost-and-only-webhooks-tell': {
    shows: [
      'signal providerEvent',
      'applyProviderEvent: AUTHORIZED',
      'signal providerEvent',
      'ends: CAPTURED',
    ],
    record: async (stage) => {
      const donation = await stage.accept({ placement: 'queues' });
      const { donationId } = donation;
      const lost = { fault: 'loseAllAnswers', times: FOR_EVER };
      await stage.simulator.arm(
        ...[...WRITES, 'retrieve', 'search'].map((operation) => ({ ...lost, operation, donationId })),
        { ...lost, operation: 'list' },
      );
      const handle = await stage.start(donation);
      await tellUntilDone(stage, donation, handle);
      return handle;
    },
  },
  'webhook-overtakes-the-answer-six-times': {
    shows: [...Array<string>(6).fill('signal providerEvent'), 'ends: CAPTURED'],
    record: async (stage) => {
      const donation = await stage.accept({ placement: 'queues' });
      const { donationId } = donation;
      await stage.simulator.arm(
        { operation: 'confirm', fault: 'timeoutAfter', donationId },
        { operation: 'capture', fault: 'error503', times: 3, donationId },
      );
      const handle = await stage.start(donation);
      await paymentIdOf(stage, donation);
      const [last] = (await received(stage, donation)).slice(-1);
      await Promise.all(Array.from({ length: 6 }, () => handle.signal(providerEventSignal, last?.id ?? '')));
      return handle;
    },
  },
  'webhook-of-nobody': {
    shows: ['signal providerEvent', 'applyProviderEvent: null', 'ends: CAPTURED'],
    record: async (stage) => {
      const donation = await pledged(stage);
      await donation.handle.signal(providerEventSignal, 'evt_of_nobody');
      await learnt(donation.handle, 'applyProviderEvent');
      await stage.newCampaign(donation.campaignId);
      return donation.handle;
    },
  },
  'webhook-that-cannot-be-applied-yet': {
    shows: ['signal providerEvent', 'applyProviderEvent fails: provider_unknown', 'ends: CAPTURED'],
    record: async (stage) => {
      const donation = await waiting(stage, {
        placement: 'queues',
        policy: { ...FEW_TRIES, resolvePausesMs: [30_000] },
      });
      const { donationId, handle } = donation;
      await learnt(handle, 'authorize');
      await stage.simulator.arm({ operation: 'retrieve', fault: 'error503', times: 2, donationId });
      const [first, ...others] = await received(stage, donation);
      await handle.signal(providerEventSignal, first?.id ?? '');
      await learnt(handle, 'applyProviderEvent');
      await stage.simulator.authenticatePayment(donation.paymentId);
      await handle.signal(providerEventSignal, others[0]?.id ?? first?.id ?? '');
      return handle;
    },
  },

  // The money goes its own way.
  'authorization-expires-and-a-try-finds-it': {
    shows: ['authorize, local: AUTHORIZED', 'capture: EXPIRED', 'ends: EXPIRED'],
    record: async (stage) => {
      const donation = await stage.accept({ policy: { ...PATIENT, stepAttempts: 100 } });
      const { donationId } = donation;
      await stage.simulator.arm({ operation: 'capture', fault: 'error503', times: FOR_EVER, donationId });
      const handle = await stage.start(donation);
      await tried(stage, donation, 'capture');
      await stage.simulator.expirePayment(await paymentIdOf(stage, donation));
      return handle;
    },
  },
  'authorization-expires-and-a-webhook-tells': {
    shows: [
      'capture fails: provider_unknown',
      'signal providerEvent',
      'applyProviderEvent: EXPIRED',
      'ends: EXPIRED',
    ],
    record: async (stage) => {
      const policy = { ...FEW_TRIES, resolvePausesMs: [30_000] };
      const donation = await stage.accept({ placement: 'queues', policy });
      const { donationId } = donation;
      await stage.simulator.arm({ operation: 'capture', fault: 'error503', times: FOR_EVER, donationId });
      const handle = await stage.start(donation);
      await learnt(handle, 'capture');
      await stage.simulator.expirePayment(await paymentIdOf(stage, donation));
      await told(stage, donation, /canceled/);
      return handle;
    },
  },
  'captured-by-others-before-the-claim': {
    shows: [
      'authorize: INITIATED',
      'signal providerEvent',
      'applyProviderEvent: CAPTURED',
      'claimCapture: true',
      'ends: CAPTURED',
    ],
    record: async (stage) => {
      const donation = await waiting(stage, {
        placement: 'queues',
        policy: { ...POLICY, resolvePausesMs: [30_000] },
      });
      await learnt(donation.handle, 'authorize');
      await stage.simulator.authenticatePayment(donation.paymentId);
      await capturedAtTheProvider(stage, donation, donation.paymentId);
      await told(stage, donation, /succeeded/);
      return donation.handle;
    },
  },
  'late-capture-kept': lateCapture(['release: CAPTURED', 'isOpen: true', 'settleLateMoney: CAPTURED'], false),
  'late-capture-refunded': lateCapture(
    ['release: CAPTURED', 'isOpen: false', 'settleLateMoney: CAPTURED'],
    true,
  ),
  'late-capture-while-it-closes': {
    shows: [
      'signal cancelDonation',
      'release: FAILED',
      'signal providerEvent',
      'applyProviderEvent: CAPTURED',
      'recordOutcome',
      'claimCapture: false',
      'settleLateMoney: CAPTURED',
      'recordOutcome',
      'ends: CAPTURED',
    ],
    record: async (stage) => {
      const donation = await pledged(stage);
      await cancelledByDonor(stage, donation);
      await whilePledgeIsLocked(stage, donation, async () => {
        await stage.newCampaign(donation.campaignId);
        await learnt(donation.handle, 'release');
        await capturedAtTheProvider(stage, donation, await authorizedLate(stage, donation));
        const [last] = (await received(stage, donation)).slice(-1);
        await donation.handle.signal(providerEventSignal, last?.id ?? '');
        await learnt(donation.handle, 'applyProviderEvent');
      });
      return donation.handle;
    },
  },
  // A scope that is cancelled asks nothing: what it was told is delivered again, to aftercare.
  'webhook-after-an-operator-cancelled': {
    shows: ['cancel requested', 'release: FAILED', 'signal providerEvent', 'recordOutcome', 'ends: FAILED'],
    record: async (stage) => {
      const donation = await pledged(stage);
      await donation.handle.cancel();
      await whilePledgeIsLocked(stage, donation, async () => {
        await stage.newCampaign(donation.campaignId);
        await learnt(donation.handle, 'release');
        await authorizedLate(stage, donation);
        const [last] = (await received(stage, donation)).slice(-1);
        await donation.handle.signal(providerEventSignal, last?.id ?? '');
      });
      return donation.handle;
    },
  },

  // It can neither finish nor undo.
  'key-refused-at-the-authorization-local': {
    shows: ['authorize, local fails: provider_rejected', 'fails visibly: provider_rejected'],
    record: async (stage) => {
      stage.refuse(EVERY_CALL);
      return (await stage.give({ policy: PATIENT })).handle;
    },
  },
  'key-refused-at-the-authorization-queues': {
    shows: ['authorize fails: provider_rejected', 'fails visibly: provider_rejected'],
    record: async (stage) => {
      stage.refuse(EVERY_CALL);
      return (await stage.give({ placement: 'queues' })).handle;
    },
  },
  'key-refused-at-the-capture': {
    shows: ['capture fails: provider_rejected', 'fails visibly: provider_rejected'],
    record: async (stage) => {
      stage.refuse(['capturePayment']);
      return (await stage.give({ placement: 'queues' })).handle;
    },
  },
  'key-refused-at-the-release': {
    shows: ['authorize: FAILED', 'release fails: provider_rejected', 'fails visibly: provider_rejected'],
    record: async (stage) => {
      stage.refuse(['cancelPayment']);
      return (await stage.give({ placement: 'queues', paymentMethod: DECLINED })).handle;
    },
  },
  'key-refused-at-a-look': {
    shows: [
      'authorize: INITIATED',
      'signal look',
      'look fails: provider_rejected',
      'fails visibly: provider_rejected',
    ],
    record: async (stage) => {
      const donation = await waiting(stage, {
        placement: 'queues',
        policy: { ...POLICY, resolvePausesMs: [30_000] },
      });
      await learnt(donation.handle, 'authorize');
      stage.refuse(EVERY_CALL);
      await donation.handle.signal(lookSignal);
      return donation.handle;
    },
  },
  'key-refused-at-the-release-after-an-operator-cancelled': {
    shows: [
      'cancel requested',
      'capture is cancelled',
      'release fails: provider_rejected',
      'fails visibly: provider_rejected',
    ],
    record: async (stage) => {
      const donation = await stage.accept({ placement: 'queues', policy: { ...POLICY, stepAttempts: 100 } });
      const { donationId } = donation;
      await stage.simulator.arm({ operation: 'capture', fault: 'error503', times: FOR_EVER, donationId });
      stage.refuse(['cancelPayment']);
      const handle = await stage.start(donation);
      await tried(stage, donation, 'capture');
      await handle.cancel();
      return handle;
    },
  },
  'another-payment-than-asked-for': {
    shows: ['authorize fails: payment_mismatch', 'fails visibly: payment_mismatch'],
    record: async (stage) => {
      const donation = await stage.accept({ placement: 'queues' });
      const { donationId } = donation;
      await stage.simulator.arm({ operation: 'create', fault: 'wrongAmount', times: FOR_EVER, donationId });
      return await stage.start(donation);
    },
  },
  'release-never-answered': {
    shows: [
      'release fails: provider_unknown',
      'timer',
      'release fails: provider_unknown',
      'fails visibly: outcome_unproven',
    ],
    record: async (stage) => {
      const policy = { ...FEW_TRIES, giveUpAfterMs: 4_000 };
      const donation = await stage.accept({ placement: 'queues', policy, paymentMethod: DECLINED });
      const { donationId } = donation;
      await stage.simulator.arm({ operation: 'cancel', fault: 'error503', times: FOR_EVER, donationId });
      return await stage.start(donation);
    },
  },
};

function operatorCancels(operation: 'confirm' | 'capture', shows: readonly string[]): Path {
  return {
    shows: ['cancel requested', ...shows, 'ends: FAILED'],
    record: async (stage) => {
      const donation = await stage.accept({ placement: 'queues', policy: { ...POLICY, stepAttempts: 100 } });
      const { donationId } = donation;
      await stage.simulator.arm({ operation, fault: 'error503', times: FOR_EVER, donationId });
      const handle = await stage.start(donation);
      await tried(stage, donation, operation);
      await handle.cancel();
      return handle;
    },
  };
}

function outageAt(operation: 'confirm' | 'capture', shows: readonly string[]): Path {
  return {
    shows,
    record: async (stage) => {
      const donation = await stage.accept({ placement: 'queues', policy: FEW_TRIES });
      const { donationId } = donation;
      await stage.simulator.arm({ operation, fault: 'error503', times: 3, donationId });
      return await stage.start(donation);
    },
  };
}

/** Declined; and while nobody can cancel it, a browser pays with another card. */
function lateCapture(shows: readonly string[], campaignIsClosed: boolean): Path {
  return {
    shows: ['authorize: FAILED', 'release fails: provider_unknown', ...shows, 'ends: CAPTURED'],
    record: async (stage) => {
      const donation = await stage.accept({
        placement: 'queues',
        policy: { ...FEW_TRIES, resolvePausesMs: [2_000] },
        paymentMethod: DECLINED,
      });
      const { donationId } = donation;
      await stage.simulator.arm({ operation: 'cancel', fault: 'error503', times: 2, donationId });
      const handle = await stage.start(donation);
      await learnt(handle, 'release');
      if (campaignIsClosed) await campaignCloses(stage, donation);
      await paidWithAnotherCard(stage, donation);
      return handle;
    },
  };
}
