/** One donation, from the accepted request to CAPTURED, FAILED or EXPIRED. */
import { CancellationScope, isCancellation, setHandler } from '@temporalio/workflow';
import type { DonationInput } from '../domain/donation.ts';
import type { FailureCode } from '../domain/failures.ts';
import { RANK } from '../domain/payment.ts';
import { pledgedEntry } from '../domain/totals.ts';
import { activitiesFor } from './activities.ts';
import { askForAttention } from './attention.ts';
import { cancelSignal, type Queues } from './messages.ts';
import { untilKnown } from './outcomes.ts';
import { followPayment } from './payment-progress.ts';
import type { PaymentView } from './ports.ts';
import { settle, type Settled } from './settle.ts';
import { createUndoStack } from './undo-stack.ts';

export async function donation(input: DonationInput & { readonly queues: Queues }): Promise<Settled> {
  const { donationId, campaignId, amountMinor, currency, paymentMethod, policy } = input;
  const activities = activitiesFor(input.placement, policy, input.queues);
  const payment = followPayment(donationId, activities, policy);
  const undo = createUndoStack();
  const order = { donationId, campaignId, amountMinor, currency, paymentMethod };
  let claimed = false;
  let { cancelled } = input;
  let cancelledByOperator = false;
  setHandler(cancelSignal, () => {
    cancelled = true;
  });
  const stop = (): boolean => cancelled;
  const limitMs = policy.abandonAfterMs;

  const pledge = async (): Promise<void> => {
    await activities.persistPledge(donationId);
    await activities.addToTotals([pledgedEntry(donationId, campaignId, amountMinor)]);
  };

  const give = async (): Promise<void> => {
    undo.push(async () => {
      const release = () => activities.release({ order, code: reasonOf(cancelled, cancelledByOperator) });
      payment.note(await untilKnown(release, policy, () => isEnded(payment.latest())));
    });
    // Half a pledge could not be undone: FAILED is recorded on it, and takes out of the totals what it put there.
    await CancellationScope.nonCancellable(pledge);
    if (cancelled) return;
    const authorized = await payment.reach('AUTHORIZED', () => activities.authorize(order), {
      stop,
      limitMs,
    });
    if (stop() || authorized.status !== 'AUTHORIZED') return;

    claimed = await activities.claimCapture({ donationId, authorizedVersion: authorized.version });
    cancelled = !claimed;
    if (cancelled) return;
    await payment.reach('CAPTURED', () => activities.capture(donationId), { stop: () => false, limitMs });
  };

  const finish = async (): Promise<Settled> => {
    if (!isEnded(payment.latest())) await undo.run();
    return await settle(order, payment, activities, claimed);
  };

  const giveOrUndo = async (): Promise<Settled> => {
    try {
      await give();
      return await finish();
    } catch (error) {
      if (!isCancellation(error)) throw error;
      cancelledByOperator = true;
      return await CancellationScope.nonCancellable(finish);
    }
  };

  try {
    return await giveOrUndo();
  } catch (error) {
    // Can neither finish nor undo by itself: fail visibly and leave the payment in its last proven state.
    askForAttention();
    throw error;
  }
}

function reasonOf(cancelled: boolean, cancelledByOperator: boolean): FailureCode {
  if (cancelled) return 'cancelled_by_donor';
  return cancelledByOperator ? 'cancelled_by_operator' : 'abandoned';
}

/** Nothing is held, and nothing can be confirmed later: captured, or closed here and at the provider. */
function isEnded({ status, needsRelease }: PaymentView): boolean {
  return RANK[status] >= RANK.FAILED && !needsRelease;
}
