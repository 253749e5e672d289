import { addMinor, subtractMinor } from './money.ts';
import type { PaymentFacts } from './payment.ts';

export type TotalsEntryKind =
  | 'pledged'
  | 'unpledged'
  | 'captured'
  | 'refunded'
  | 'refund_failed'
  | 'dispute_lost';

/** One increment of a campaign's totals. The amount is positive, the kind carries the sign; the id applies once. */
export type TotalsEntry = {
  readonly entryId: string;
  readonly campaignId: string;
  readonly donationId: string;
  readonly kind: TotalsEntryKind;
  readonly amountMinor: number;
};

export type Totals = {
  /** Pledges that are not FAILED or EXPIRED. */
  readonly totalPledgedMinor: number;
  readonly totalCapturedMinor: number;
  readonly totalRefundedMinor: number;
  readonly disputeLostMinor: number;
  /** Donations ever captured; a refund does not take one away. */
  readonly donationCount: number;
};

export const EMPTY_TOTALS: Totals = {
  totalPledgedMinor: 0,
  totalCapturedMinor: 0,
  totalRefundedMinor: 0,
  disputeLostMinor: 0,
  donationCount: 0,
};

export type DonationRef = { readonly donationId: string; readonly campaignId: string };

/** Counts a new pledge; once per donation. */
export function pledgedEntry(donationId: string, campaignId: string, amountMinor: number): TotalsEntry {
  return { entryId: `${donationId}:pledged`, campaignId, donationId, kind: 'pledged', amountMinor };
}

/**
 * What a step from one set of facts to the next adds to the totals. `version` is the payment's after the step, so
 * that the same step always yields the same entry ids. Apply one donation's entries in the order of their versions;
 * a refund that failed and the one after it can block each other otherwise. Donations may interleave at will.
 */
export function entriesFor(
  ref: DonationRef,
  before: PaymentFacts,
  after: PaymentFacts,
  version: number,
): TotalsEntry[] {
  const pledged = pledgedMinor(after) - pledgedMinor(before);
  const amounts: readonly (readonly [TotalsEntryKind, number])[] = [
    // FAILED, EXPIRED → CAPTURED counts the pledge again; → FAILED, EXPIRED takes it back
    ['pledged', Math.max(pledged, 0)],
    ['unpledged', Math.max(-pledged, 0)],
    ['captured', subtractMinor(after.capturedMinor, before.capturedMinor)],
    ['refund_failed', turnedMinor(after.refunds, before.refunds, 'succeeded')],
    ['refunded', turnedMinor(before.refunds, after.refunds, 'succeeded')],
    ['dispute_lost', turnedMinor(before.disputes, after.disputes, 'lost')],
  ];
  return amounts
    .filter(([, amountMinor]) => amountMinor > 0)
    .map(([kind, amountMinor]) => ({
      entryId: `${ref.donationId}:${version}:${kind}`,
      ...ids(ref),
      kind,
      amountMinor,
    }));
}

/**
 * @throws RangeError when a total, or what was raised, would go below zero: the entry came before the one it takes
 * back, and applies after it.
 */
export function applyEntry(totals: Totals, entry: TotalsEntry): Totals {
  if (!Number.isSafeInteger(entry.amountMinor) || entry.amountMinor < 1) {
    throw new RangeError(`entry ${entry.entryId} has no positive amount`);
  }
  const next = increment(totals, entry);
  raisedMinor(next);
  return next;
}

/** What the campaign has: captured less refunded less lost disputes. @throws RangeError when that is below zero. */
export function raisedMinor(totals: Totals): number {
  return subtractMinor(
    totals.totalCapturedMinor,
    addMinor(totals.totalRefundedMinor, totals.disputeLostMinor),
  );
}

function increment(totals: Totals, { kind, amountMinor }: TotalsEntry): Totals {
  switch (kind) {
    case 'pledged':
      return { ...totals, totalPledgedMinor: addMinor(totals.totalPledgedMinor, amountMinor) };
    case 'unpledged':
      return { ...totals, totalPledgedMinor: subtractMinor(totals.totalPledgedMinor, amountMinor) };
    case 'captured':
      return {
        ...totals,
        totalCapturedMinor: addMinor(totals.totalCapturedMinor, amountMinor),
        donationCount: totals.donationCount + 1,
      };
    case 'refunded':
      return { ...totals, totalRefundedMinor: addMinor(totals.totalRefundedMinor, amountMinor) };
    case 'refund_failed':
      return { ...totals, totalRefundedMinor: subtractMinor(totals.totalRefundedMinor, amountMinor) };
    case 'dispute_lost':
      return { ...totals, disputeLostMinor: addMinor(totals.disputeLostMinor, amountMinor) };
    default:
      return kind satisfies never;
  }
}

/** What a payment adds to `totalPledged`: all of it, unless it ended without money. */
function pledgedMinor(facts: PaymentFacts): number {
  return facts.closed !== null && facts.capturedMinor === 0 ? 0 : facts.amountMinor;
}

type Statuses = Readonly<Record<string, { readonly amountMinor: number; readonly status: string }>>;

/** Σ of what has a status in `to` that it did not have in `from`. */
function turnedMinor(from: Statuses, to: Statuses, status: string): number {
  return Object.entries(to).reduce((sum, [id, fact]) => {
    const had = Object.hasOwn(from, id) && from[id]?.status === status;
    return fact.status === status && !had ? addMinor(sum, fact.amountMinor) : sum;
  }, 0);
}

function ids({ campaignId, donationId }: DonationRef): DonationRef {
  return { campaignId, donationId };
}
