import type { PaymentStatus } from '../domain/payment.ts';
import type { PaymentProgress } from './payment-progress.ts';
import type { Activities } from './ports.ts';

/** How a payment stands when its workflow closes; also the workflow's result. */
export type Settled = { readonly status: PaymentStatus; readonly version: number };

/**
 * Brings totals and pledge up to the payment. Totals first: a donor who reads CAPTURED also sees the money counted.
 * Events that arrive meanwhile are settled as well.
 */
export async function settle(
  donationId: string,
  payment: PaymentProgress,
  activities: Pick<Activities, 'addToTotals' | 'recordOutcome'>,
): Promise<Settled> {
  for (;;) {
    const { status, version, failureCode, entries } = payment.latest();
    await activities.addToTotals(entries);
    await activities.recordOutcome({ donationId, status, version, failureCode });
    await payment.quiet();
    if (payment.latest().version === version) return { status, version };
  }
}
