import { expect, test } from 'vitest';
import { DEFAULT_POLICY, resolvePauseMs } from '../../../domain/donation.ts';

const STRIPE_KEY_LIFE_MS = 86_400_000;

test('a local provider call is cut off well before a regular one, and retries start small and stay bounded', () => {
  expect(DEFAULT_POLICY.localProviderCallTimeoutMs).toBeLessThan(DEFAULT_POLICY.providerCallTimeoutMs);
  expect(DEFAULT_POLICY.retryInitialMs).toBeLessThan(DEFAULT_POLICY.retryMaxMs);
});

test('a donation is abandoned no later than the provider forgets its idempotency keys', () => {
  expect(DEFAULT_POLICY.abandonAfterMs).toBeLessThanOrEqual(STRIPE_KEY_LIFE_MS);
});

test('the provider is asked every 5 s at first, and ever more rarely the longer a question is open', () => {
  const pauseAfter = (openMs: number): number => resolvePauseMs(DEFAULT_POLICY, openMs);
  expect([0, 29_999].map(pauseAfter)).toEqual([5_000, 5_000]);
  expect([30_000, 299_999].map(pauseAfter)).toEqual([30_000, 30_000]);
  expect([300_000, 3_599_999].map(pauseAfter)).toEqual([300_000, 300_000]);
  expect([3_600_000, 86_399_999].map(pauseAfter)).toEqual([3_600_000, 3_600_000]);
  expect(pauseAfter(86_400_000)).toBe(86_400_000);
});

test.each([
  ['a donor who never acts', DEFAULT_POLICY.abandonAfterMs, 60],
  ['an outcome that is never told', DEFAULT_POLICY.giveUpAfterMs, 100],
])('%s costs a history few questions', (_who, endMs, most) => {
  let questions = 0;
  for (let openMs = 0; openMs < endMs; openMs += resolvePauseMs(DEFAULT_POLICY, openMs)) questions += 1;
  expect(questions).toBeGreaterThan(20);
  expect(questions).toBeLessThan(most);
});

test('every duration is a positive whole number of milliseconds', () => {
  for (const durationMs of Object.values(DEFAULT_POLICY).flat())
    expect(Number.isSafeInteger(durationMs) && durationMs > 0).toBe(true);
});
