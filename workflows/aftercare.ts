/**
 * What happens to a payment after its donation has closed: late money, refunds, disputes. The only one that makes refunds.
 * Loads what is open, closes when nothing is.
 */
import { condition, setHandler } from '@temporalio/workflow';
import { resolvePauseMs } from '../domain/donation.ts';
import { activitiesFor } from './activities.ts';
import { askForAttention } from './attention.ts';
import { nowMs } from './clock.ts';
import { workSignal, type AftercareInput } from './messages.ts';
import { isUnknownOutcome, untilKnown } from './outcomes.ts';
import { followPayment } from './payment-progress.ts';
import { settle, type Settled } from './settle.ts';

export async function aftercare({ order, policy, queues }: AftercareInput): Promise<Settled> {
  const { donationId } = order;
  // Never as local activities: a signal that meets a running one would make it run again.
  const activities = activitiesFor('queues', policy, queues);
  const payment = followPayment(donationId, activities, policy);
  let toldOfWork = false;
  setHandler(workSignal, () => {
    toldOfWork = true;
  });

  /** Everything that is written down to be done. */
  const work = async (): Promise<void> => {
    toldOfWork = false;
    payment.note(await activities.currentPayment(order));
    if (payment.latest().needsRelease) {
      const code = payment.latest().failureCode ?? 'late_authorization';
      payment.note(await untilKnown(() => activities.release({ order, code }), policy));
    }
    for (const refundId of payment.latest().refundsToMake)
      payment.note(await untilKnown(() => activities.makeRefund({ donationId, refundId }), policy));
  };

  const look = async (): Promise<void> => {
    try {
      payment.note(await activities.look(donationId));
    } catch (error) {
      if (!isUnknownOutcome(error)) throw error;
    }
  };

  try {
    const startedAt = nowMs();
    await payment.quiet();
    for (;;) {
      await work();
      const settled = await settle(order, payment, activities, false);
      if (toldOfWork || payment.latest().refundsToMake.length > 0) continue;
      const openMs = nowMs() - startedAt;
      if (payment.latest().refundsUnderWay === 0 || openMs >= policy.giveUpAfterMs) return settled;
      // The provider has taken a refund and takes its time; its webhook may be lost.
      const news = (): boolean => toldOfWork || payment.latest().version > settled.version;
      if (!(await condition(news, resolvePauseMs(policy, openMs)))) await look();
    }
  } catch (error) {
    askForAttention();
    throw error;
  }
}
