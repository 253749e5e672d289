/** What happens to a payment after its donation has closed: a late capture, a late authorization. Closes when idle. */
import { activitiesFor } from './activities.ts';
import { askForAttention } from './attention.ts';
import type { AftercareInput } from './messages.ts';
import { followPayment } from './payment-progress.ts';
import { settle, type Settled } from './settle.ts';

export async function aftercare({ order, placement, policy, queues }: AftercareInput): Promise<Settled> {
  const activities = activitiesFor(placement, policy, queues);
  const payment = followPayment(activities);
  try {
    await payment.quiet();
    if (payment.latest().needsRelease) {
      payment.note(
        await activities.release({ order, code: payment.latest().failureCode ?? 'late_authorization' }),
      );
    }
    return await settle(order.donationId, payment, activities);
  } catch (error) {
    askForAttention();
    throw error;
  }
}
