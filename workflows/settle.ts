import { RANK, type PaymentStatus } from '../domain/payment.ts';
import type { PaymentProgress } from './payment-progress.ts';
import type { Activities, PaymentOrder } from './ports.ts';

/** How a payment stands when its workflow closes; also the workflow's result. */
export type Settled = { readonly status: PaymentStatus; readonly version: number };

/**
 * Brings totals and pledge up to the payment. Totals first: a donor who reads CAPTURED also sees the money counted.
 * Events that arrive meanwhile are settled as well. `claimed`: the capture had won over any cancel before it was made.
 */
export async function settle(
  order: PaymentOrder,
  payment: PaymentProgress,
  activities: Activities,
  claimed: boolean,
): Promise<Settled> {
  const { donationId } = order;
  for (;;) {
    if (RANK[payment.latest().status] >= RANK.CAPTURED)
      await settleCapture(order, payment, activities, claimed);
    const { status, version, failureCode, entries } = payment.latest();
    await activities.addToTotals(entries);
    await activities.recordOutcome({ donationId, status, version, failureCode });
    await payment.quiet();
    if (payment.latest().version === version) return { status, version };
  }
}

/** Money that came after a cancel goes back; what came after another end is kept while its campaign is open. */
async function settleCapture(
  { donationId, campaignId }: PaymentOrder,
  payment: PaymentProgress,
  activities: Activities,
  claimed: boolean,
): Promise<void> {
  const wanted = claimed || (await activities.claimCapture({ donationId, authorizedVersion: null }));
  if (!wanted) {
    const reason = 'cancelled_by_donor';
    payment.note(await activities.settleLateMoney({ donationId, keep: false, reason }));
  } else if (payment.latest().lateMoneyUndecided) {
    const keep = await activities.isOpen(campaignId);
    payment.note(await activities.settleLateMoney({ donationId, keep, reason: 'late_capture' }));
  }
}
