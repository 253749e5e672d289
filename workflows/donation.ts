/** One donation, from the accepted request to CAPTURED, FAILED or EXPIRED. */
import { CancellationScope, isCancellation } from '@temporalio/workflow';
import type { DonationInput } from '../domain/donation.ts';
import { pledgedEntry } from '../domain/totals.ts';
import { activitiesFor } from './activities.ts';
import { askForAttention } from './attention.ts';
import type { Queues } from './messages.ts';
import { followPayment } from './payment-progress.ts';
import { settle, type Settled } from './settle.ts';
import { createUndoStack } from './undo-stack.ts';

export async function donation(input: DonationInput & { readonly queues: Queues }): Promise<Settled> {
  const { donationId, campaignId, amountMinor, currency, paymentMethod, policy } = input;
  const activities = activitiesFor(input.placement, policy, input.queues);
  const payment = followPayment(activities);
  const undo = createUndoStack();
  const order = { donationId, campaignId, amountMinor, currency, paymentMethod };
  let reason = 'abandoned';

  const pledge = async (): Promise<void> => {
    await activities.persistPledge(donationId);
    await activities.addToTotals([pledgedEntry(donationId, campaignId, amountMinor)]);
  };

  const give = async (): Promise<void> => {
    undo.push(async () => payment.note(await activities.release({ order, code: reason })));
    // Half a pledge could not be undone: FAILED is recorded on it, and takes out of the totals what it put there.
    await CancellationScope.nonCancellable(pledge);
    const authorized = await payment.reach(
      'AUTHORIZED',
      () => activities.authorize(order),
      policy.abandonAfterMs,
    );
    if (authorized.status !== 'AUTHORIZED') return;

    if (!(await activities.claimCapture({ donationId, version: authorized.version }))) {
      reason = 'cancelled_by_donor';
      return;
    }
    await payment.reach('CAPTURED', () => activities.capture(donationId), policy.abandonAfterMs);
  };

  const finish = async (): Promise<Settled> => {
    if (isOpen(payment.latest().status) || payment.latest().needsRelease) await undo.run();
    return await settle(donationId, payment, activities);
  };

  const giveOrUndo = async (): Promise<Settled> => {
    try {
      await give();
      return await finish();
    } catch (error) {
      if (!isCancellation(error)) throw error;
      reason = 'cancelled_by_operator';
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

function isOpen(status: Settled['status']): boolean {
  return status === 'INITIATED' || status === 'AUTHORIZED';
}
