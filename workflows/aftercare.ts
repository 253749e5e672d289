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
import { isUnknownOutcome, unproven } from './outcomes.ts';
import { followPayment } from './payment-progress.ts';
import type { PaymentView } from './ports.ts';
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

  /** The failure of a question whose outcome is still unknown; null once it is known. */
  const ask = async (question: () => Promise<PaymentView>): Promise<Error | null> => {
    try {
      payment.note(await question());
      return null;
    } catch (error) {
      if (error instanceof Error && isUnknownOutcome(error)) return error;
      throw error;
    }
  };

  /** Tries everything that is written down to be done; resolves with what kept it from being done. */
  const work = async (): Promise<{ readonly unknown: Error | null; readonly tried: ReadonlySet<string> }> => {
    toldOfWork = false;
    payment.note(await activities.currentPayment(order));
    const { needsRelease, failureCode, refundsToMake } = payment.latest();
    const code = failureCode ?? 'late_authorization';
    let unknown = needsRelease ? await ask(() => activities.release({ order, code })) : null;
    for (const refundId of refundsToMake)
      unknown = (await ask(() => activities.makeRefund({ donationId, refundId }))) ?? unknown;
    return { unknown, tried: new Set(refundsToMake) };
  };

  const bringUpToDate = (): Promise<Settled> => settle(order, payment, activities, false);

  try {
    let openSinceMs = nowMs();
    await payment.quiet();
    for (;;) {
      const { unknown, tried } = await work().catch(async (error: unknown) => {
        // What cannot be done waits for a person; what has happened is counted all the same.
        await bringUpToDate();
        throw error;
      });
      const settled = await bringUpToDate();
      const { refundsToMake, refundsUnderWay } = payment.latest();
      if (toldOfWork || refundsToMake.some((refundId) => !tried.has(refundId))) {
        openSinceMs = nowMs();
        continue;
      }
      const openMs = nowMs() - openSinceMs;
      if (unknown !== null && openMs >= policy.giveUpAfterMs) throw unproven(openMs, unknown);
      const waiting = unknown !== null || refundsUnderWay > 0;
      if (!waiting || openMs >= policy.giveUpAfterMs) return settled;
      const news = (): boolean => toldOfWork || payment.latest().version > settled.version;
      if (await condition(news, resolvePauseMs(policy, openMs))) continue;
      // The provider has taken a refund and takes its time; its webhook may be lost.
      if (unknown === null) await ask(() => activities.look(donationId));
    }
  } catch (error) {
    askForAttention();
    throw error;
  }
}
