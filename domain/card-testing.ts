/** Card testing: whoever has stolen card numbers finds out which of them work by giving small amounts. */
import { isFailureCode } from './failures.ts';
import type { PaymentStatus } from './payment.ts';

/** What is known of one subject (an address, an account, a campaign) in the window. */
export type CardsTried = {
  /** Different payment methods, whatever came of them. */
  readonly triedCards: number;
  /** Different payment methods of which one was declined, among the attempts decided last. */
  readonly declinedCards: number;
  /** Different payment methods of those attempts: a good card of one's own, given again and again, is one. */
  readonly decidedCards: number;
};

export type DeclineRule = {
  /** From so many different declined payment methods on … */
  readonly declinedCards: number;
  /** … when they are at least this share of those decided: of people, most are not declined. */
  readonly declinedShare: number;
};

export type CardRule = DeclineRule & {
  /** From so many different payment methods on, declined or not. */
  readonly triedCards: number;
};

export function isDeclining(tried: CardsTried, rule: DeclineRule): boolean {
  return (
    tried.declinedCards >= rule.declinedCards &&
    tried.declinedCards >= rule.declinedShare * tried.decidedCards
  );
}

export function isTesting(tried: CardsTried, rule: CardRule): boolean {
  return tried.triedCards >= rule.triedCards || isDeclining(tried, rule);
}

/** Whether the provider refused the card; null while nobody knows, and for what ended for another reason. */
export function wasDeclined(status: PaymentStatus, failureCode: string | null): boolean | null {
  if (status === 'CAPTURED' || status === 'AUTHORIZED') return false;
  // A code of our own says that we gave up or that somebody cancelled; the provider's are its decline codes.
  const isDecline =
    failureCode !== null && (failureCode === 'payment_declined' || !isFailureCode(failureCode));
  return status === 'FAILED' && isDecline ? true : null;
}
