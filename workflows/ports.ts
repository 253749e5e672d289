/** What the workflows need done, by service. Activities implement these; arguments and results are all that history sees. */
import type { CurrencyCode } from '../domain/money.ts';
import type { PaymentStatus } from '../domain/payment.ts';
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
