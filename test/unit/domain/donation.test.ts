import { expect, test } from 'vitest';
import { DEFAULT_POLICY } from '../../../domain/donation.ts';

const STRIPE_KEY_LIFE_MS = 86_400_000;

test('a local provider call is cut off well before a regular one, and retries start small and stay bounded', () => {
  expect(DEFAULT_POLICY.localProviderCallTimeoutMs).toBeLessThan(DEFAULT_POLICY.providerCallTimeoutMs);
  expect(DEFAULT_POLICY.retryInitialMs).toBeLessThan(DEFAULT_POLICY.retryMaxMs);
});

test('a donation is abandoned no later than the provider forgets its idempotency keys', () => {
  expect(DEFAULT_POLICY.abandonAfterMs).toBeLessThanOrEqual(STRIPE_KEY_LIFE_MS);
});

test('every duration is a positive whole number of milliseconds', () => {
  for (const durationMs of Object.values(DEFAULT_POLICY))
    expect(Number.isSafeInteger(durationMs) && durationMs > 0).toBe(true);
});
