import { expect, test } from 'vitest';
import { createRateTokens } from '../../../platform/rate-tokens.ts';

function tokens(perSecond: number) {
  let nowMs = 1_000;
  const bucket = createRateTokens(perSecond, () => nowMs);
  return {
    pass: (ms: number): void => {
      nowMs += ms;
    },
    /** How many calls of so many get a token right now. */
    taken: (calls: number): number =>
      Array.from({ length: calls }, () => bucket.take()).filter(Boolean).length,
  };
}

test('a new bucket gives one second’s worth at once and then none', () => {
  const { taken } = tokens(80);
  expect(taken(200)).toBe(80);
  expect(taken(10)).toBe(0);
});

test('tokens come back evenly with time', () => {
  const { taken, pass } = tokens(80);
  taken(80);
  pass(12);
  expect(taken(5)).toBe(0);
  pass(1);
  expect(taken(5)).toBe(1);
  pass(500);
  expect(taken(100)).toBe(40);
});

test('a bucket never holds more than one second’s worth, however long nobody asks', () => {
  const { taken, pass } = tokens(80);
  pass(3_600_000);
  expect(taken(500)).toBe(80);
});

test('fractions are kept: a caller who asks all the time gets the whole rate and no more', () => {
  const { taken, pass } = tokens(80);
  taken(80);
  let sum = 0;
  for (let ms = 0; ms < 10_000; ms += 1) {
    pass(1);
    sum += taken(3);
  }
  expect(sum).toBeGreaterThanOrEqual(799);
  expect(sum).toBeLessThanOrEqual(800);
});

test('the real clock is used when none is given', () => {
  const bucket = createRateTokens(1);
  expect([bucket.take(), bucket.take()]).toEqual([true, false]);
});
