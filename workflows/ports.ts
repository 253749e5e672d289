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
  /** False when the donor's cancel came first; from true on a cancel is refused. */
  claimCapture(claim: { readonly donationId: string; readonly version: number }): Promise<boolean>;
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
  /** Fetches the object an event speaks of and applies what it proves; null when it belongs to none of our payments. */
  applyProviderEvent(eventId: string): Promise<PaymentView | null>;
}

export interface CampaignActivities {
  addToTotals(entries: readonly TotalsEntry[]): Promise<void>;
}

export type Activities = DonationActivities & PaymentActivities & CampaignActivities;
