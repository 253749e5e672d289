import fc from 'fast-check';
import { expect, test } from 'vitest';
import { retryDelayMs } from '../../../platform/relay.ts';

test('the first retry comes after 200 ms, each next after twice as long, none later than 5 s', () => {
  expect([1, 2, 3, 4, 5, 6, 7, 100].map(retryDelayMs)).toEqual([
    200, 400, 800, 1_600, 3_200, 5_000, 5_000, 5_000,
  ]);
});

test('a delay is finite and within its limits after any number of attempts', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 2 ** 31 - 1 }), (attempts) => {
      const ms = retryDelayMs(attempts);
      expect(ms).toBeGreaterThanOrEqual(200);
      expect(ms).toBeLessThanOrEqual(5_000);
    }),
  );
});
