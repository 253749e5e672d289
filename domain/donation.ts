import type { CurrencyCode } from './money.ts';

/** `local`: the happy path runs as local activities of one worker. `queues`: each service's own task queue. */
export type Placement = 'local' | 'queues';

/** Durations travel in the workflow's input, so that a running donation keeps the ones it was started with. */
export type DonationPolicy = {
  readonly providerCallTimeoutMs: number;
  /** Short: a slow provider call in a local activity slot stops every other donation of the worker. */
  readonly localProviderCallTimeoutMs: number;
  readonly retryInitialMs: number;
  readonly retryMaxMs: number;
  /** Tries of one step at the provider, with back-off, before its outcome counts as unknown and is asked for. */
  readonly stepAttempts: number;
  /**
   * How long to wait before the provider is asked again while something is open: each pause takes over from the one
   * before it once the question is as old as itself.
   */
  readonly resolvePausesMs: readonly number[];
  /** A donor who has not acted by then has left: the payment is released. An unknown outcome asks for attention. */
  readonly abandonAfterMs: number;
  /** A question this old fails the workflow visibly; the payment stays in its last proven state. */
  readonly giveUpAfterMs: number;
};

export const DEFAULT_POLICY: DonationPolicy = {
  providerCallTimeoutMs: 10_000,
  localProviderCallTimeoutMs: 1_000,
  retryInitialMs: 1_000,
  retryMaxMs: 60_000,
  stepAttempts: 6,
  resolvePausesMs: [5_000, 30_000, 300_000, 3_600_000, 86_400_000],
  abandonAfterMs: 86_400_000,
  giveUpAfterMs: 30 * 86_400_000,
};

/** The pause before the next question, for one that has been open for `openMs`. */
export function resolvePauseMs({ resolvePausesMs }: DonationPolicy, openMs: number): number {
  const [first = 0, ...longer] = resolvePausesMs;
  return longer.reduce((pause, next) => (openMs >= next ? next : pause), first);
}

/** The input of the `donation` workflow: ids, amounts and enums, nothing about the person who gives. */
export type DonationInput = {
  readonly donationId: string;
  readonly campaignId: string;
  readonly amountMinor: number;
  readonly currency: CurrencyCode;
  readonly paymentMethod: string;
  /** The donor cancelled before the workflow was started: nothing is asked of the provider. */
  readonly cancelled: boolean;
  readonly placement: Placement;
  readonly policy: DonationPolicy;
};
