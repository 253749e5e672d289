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
  /** From here on nothing new is posted: Stripe forgets idempotency keys after 24 h, so only questions are safe. */
  readonly abandonAfterMs: number;
};

export const DEFAULT_POLICY: DonationPolicy = {
  providerCallTimeoutMs: 10_000,
  localProviderCallTimeoutMs: 1_000,
  retryInitialMs: 1_000,
  retryMaxMs: 60_000,
  abandonAfterMs: 86_400_000,
};

/** The input of the `donation` workflow: ids, amounts and enums, nothing about the person who gives. */
export type DonationInput = {
  readonly donationId: string;
  readonly campaignId: string;
  readonly amountMinor: number;
  readonly currency: CurrencyCode;
  readonly paymentMethod: string;
  readonly placement: Placement;
  readonly policy: DonationPolicy;
};
