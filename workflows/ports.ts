/** What the workflows need done, by service. Activities implement these; arguments and results are all that history sees. */
import type { CurrencyCode } from '../domain/money.ts';
import type { PaymentStatus } from '../domain/payment.ts';
import type { FindingClass, ReconciliationKind, ReconciliationPolicy } from '../domain/reconciliation.ts';
import type { TotalsEntry } from '../domain/totals.ts';

/** A payment as last proven, and all totals entries its transitions have made so far (applying them again adds nothing). */
export type PaymentView = {
  readonly status: PaymentStatus;
  /** Grows by one with every applied change; 0 before the first. */
  readonly version: number;
  readonly failureCode: string | null;
  /** Closed at ours, but not yet cancelled at the provider: a browser could still confirm it. */
  readonly needsRelease: boolean;
  /** Captured although the donation had ended: whether it is kept is still to be said. */
  readonly lateMoneyUndecided: boolean;
  /** Our ids of the refunds that were promised and have to be made at the provider. */
  readonly refundsToMake: readonly string[];
  /** How many the provider has taken and not finished. */
  readonly refundsUnderWay: number;
  readonly entries: readonly TotalsEntry[];
};

export type PaymentOrder = {
  readonly donationId: string;
  readonly campaignId: string;
  readonly amountMinor: number;
  readonly currency: CurrencyCode;
  readonly paymentMethod: string;
};

export interface DonationActivities {
  /** Pledge and outbox row in one transaction. */
  persistPledge(donationId: string): Promise<void>;
  /**
   * False when the donor's cancel came first; from true on a cancel is refused. `authorizedVersion` is the payment's
   * when it is about to be captured, and null when it is captured already.
   */
  claimCapture(claim: {
    readonly donationId: string;
    readonly authorizedVersion: number | null;
  }): Promise<boolean>;
  /** Mirrors the payment into the pledge; an older version changes nothing. */
  recordOutcome(outcome: {
    readonly donationId: string;
    readonly status: PaymentStatus;
    readonly version: number;
    readonly failureCode: string | null;
  }): Promise<void>;
}

export interface PaymentActivities {
  /** Creates and confirms the provider's payment; a decline is an answer, not an error. */
  authorize(order: PaymentOrder): Promise<PaymentView>;
  capture(donationId: string): Promise<PaymentView>;
  /** Cancels an authorization; `code` says why. Finds it captured? Then that is what the view says. */
  release(undo: { readonly order: PaymentOrder; readonly code: string }): Promise<PaymentView>;
  /** Fetches what an event of this donation speaks of and applies what that proves; null without such an event. */
  applyProviderEvent(event: {
    readonly eventId: string;
    readonly donationId: string;
  }): Promise<PaymentView | null>;
  /** Asks the provider how the payment stands, refunds and disputes included, and applies it. */
  look(donationId: string): Promise<PaymentView>;
  /** As our database has it. */
  currentPayment(order: PaymentOrder): Promise<PaymentView>;
  /** Makes a refund that was asked for; the provider's no is an answer, not an error. */
  makeRefund(refund: { readonly donationId: string; readonly refundId: string }): Promise<PaymentView>;
  /** Keeps money that came too late, or asks for all of it to be given back; once. */
  settleLateMoney(late: {
    readonly donationId: string;
    readonly keep: boolean;
    readonly reason: string;
  }): Promise<PaymentView>;
}

export interface CampaignActivities {
  addToTotals(entries: readonly TotalsEntry[]): Promise<void>;
  /** Whether the campaign still takes money. */
  isOpen(campaignId: string): Promise<boolean>;
}

export type Activities = DonationActivities & PaymentActivities & CampaignActivities;

/** One reconciliation, as each of its activities has to know it. */
export type ReconciliationRun = {
  readonly runId: string;
  readonly kind: ReconciliationKind;
  /** Finds and reports, and changes nothing else. */
  readonly dryRun: boolean;
  readonly fromMs: number;
  /** What changed after this is under way. */
  readonly freshAfterMs: number;
};

/** Where payments to compare come from: the provider's three lists, ours, and what people are looking at already. */
export type ExamineSource = 'payments' | 'refunds' | 'disputes' | 'ours' | 'reviewed';

/** Counts and ids alone: nothing bigger enters a history. */
export type Examined = {
  /** Where to go on; null at the end. */
  readonly cursor: string | null;
  readonly count: number;
  /** The provider's payments of which we have none, with the donation that they name, if any. */
  readonly unmatched: readonly Unmatched[];
};
export type Unmatched = { readonly providerPaymentId: string; readonly donationId: string | null };

/** A payment in as few characters as its comparison with pledge and totals needs. */
export type BookLine = {
  readonly donationId: string;
  readonly campaignId: string;
  readonly status: PaymentStatus;
  readonly version: number;
  /** Their ids without the donation's, with which each begins. */
  readonly entries: readonly { readonly id: string; readonly kind: string; readonly amountMinor: number }[];
};
export type BookPage = { readonly lines: readonly BookLine[]; readonly cursor: string | null };

/** What a pledge, or the totals, say instead of what their payment says; `isBehind`: settling it again can mend it. */
export type BookDifference = {
  readonly donationId: string;
  readonly isBehind: boolean;
  readonly expected: string;
  readonly found: string | null;
};

export type Violation = {
  readonly class: FindingClass;
  readonly subject: string;
  readonly donationId: string | null;
  readonly expected: number | null;
  readonly found: number | null;
};

export type RunCounts = {
  readonly examined: number;
  readonly findings: number;
  readonly repaired: number;
  /** Repairs that were asked for and not seen to have happened. */
  readonly unrepaired: number;
  readonly openReviews: number;
};

export interface ReconciliationPaymentActivities {
  /** One at a time: the other run's id when there is one. */
  beginReconciliation(asked: {
    readonly runId: string;
    readonly kind: ReconciliationKind;
    readonly dryRun: boolean;
    /** How far back; null for what the kind says. */
    readonly sinceMs: number | null;
    readonly policy: ReconciliationPolicy;
  }): Promise<
    | { readonly kind: 'begun'; readonly run: ReconciliationRun }
    | { readonly kind: 'busy'; readonly runId: string }
  >;
  /** Compares page after page, writes down what differs and asks for its repair. Heartbeats where it is. */
  examine(page: {
    readonly run: ReconciliationRun;
    readonly source: ExamineSource;
    readonly cursor: string | null;
  }): Promise<Examined>;
  /** Decides about the provider's payments of which we have none; resolves with the donations to start again. */
  placeUnmatched(found: {
    readonly run: ReconciliationRun;
    readonly unmatched: readonly Unmatched[];
    readonly orders: readonly PaymentOrder[];
  }): Promise<{ readonly restart: readonly string[] }>;
  /** Payments that changed in the window, or those named. */
  bookPage(page: {
    readonly run: ReconciliationRun;
    readonly cursor: string | null;
    readonly size: number;
    readonly only?: readonly string[];
  }): Promise<BookPage>;
  recordDifferences(found: {
    readonly run: ReconciliationRun;
    readonly pledges: readonly BookDifference[];
    readonly totals: readonly BookDifference[];
  }): Promise<void>;
  /** Payments that ask for a person themselves. */
  recordMarked(run: ReconciliationRun): Promise<void>;
  /** Those of this database, and those that the other services have found. */
  recordViolations(found: {
    readonly run: ReconciliationRun;
    readonly stuckAfterMs: number;
    readonly violations: readonly Violation[];
  }): Promise<void>;
  /** Looks again at what was to be repaired; names the donations whose books are still to be compared. */
  verifyRepairs(
    run: ReconciliationRun,
  ): Promise<{ readonly open: number; readonly books: readonly string[] }>;
  /** Of these donations, whatever is not in `still` is repaired. */
  recordRepaired(looked: {
    readonly run: ReconciliationRun;
    readonly donationIds: readonly string[];
    readonly still: readonly string[];
  }): Promise<void>;
  /** Closes what people need not look at any more, and the run. */
  finishReconciliation(end: {
    readonly run: ReconciliationRun;
    readonly examined: number;
  }): Promise<RunCounts>;
  failReconciliation(runId: string): Promise<void>;
}

export interface ReconciliationDonationActivities {
  /** Of those ids that are requests of ours. */
  requestedOrders(donationIds: readonly string[]): Promise<PaymentOrder[]>;
  /** Their workflows are started again, unless Temporal still has them. */
  restartDonations(donationIds: readonly string[]): Promise<void>;
  differingPledges(lines: readonly BookLine[]): Promise<BookDifference[]>;
  donationViolations(stuckAfterMs: number): Promise<Violation[]>;
}

export interface ReconciliationCampaignActivities {
  differingTotals(lines: readonly BookLine[]): Promise<BookDifference[]>;
  campaignViolations(): Promise<Violation[]>;
}
