/** Counts what was compared, so that "0 discrepancies" says over what. */
import { isCaptured, isFinal, isInFlight, type AuditContext } from './check.ts';
import type { Money } from './report.ts';
import type { DonationSnapshot } from './snapshot.ts';

export type Tally = {
  count(donation: DonationSnapshot, context: AuditContext): void;
  countNewer(): void;
  totals(): {
    readonly donations: number;
    readonly captured: number;
    readonly endedWithoutMoney: number;
    readonly inFlight: number;
    readonly newer: number;
    readonly money: readonly Money[];
  };
};

export function createTally(): Tally {
  const counts = { donations: 0, captured: 0, endedWithoutMoney: 0, inFlight: 0, newer: 0 };
  const money = new Map<string, { capturedMinor: number; refundedMinor: number; lostMinor: number }>();
  return {
    count: (donation, context) => {
      const { payment } = donation;
      counts.donations += 1;
      if (payment !== null && isCaptured(payment.state)) {
        counts.captured += 1;
        const sum = money.get(payment.currency) ?? { capturedMinor: 0, refundedMinor: 0, lostMinor: 0 };
        sum.capturedMinor += payment.capturedMinor;
        sum.refundedMinor += payment.refundedMinor;
        for (const { status, amountMinor } of donation.disputes)
          if (status === 'lost') sum.lostMinor += amountMinor;
        money.set(payment.currency, sum);
      } else if (isFinal(donation)) counts.endedWithoutMoney += 1;
      if (isInFlight(donation, context)) counts.inFlight += 1;
    },
    countNewer: () => {
      counts.newer += 1;
    },
    totals: () => ({
      ...counts,
      money: [...money]
        .map(([currency, sums]) => ({ currency, ...sums }))
        .toSorted((a, b) => (a.currency < b.currency ? -1 : 1)),
    }),
  };
}
