import { describe, expect, test } from 'vitest';
import { isDeclining, isTesting, wasDeclined } from '../../../domain/card-testing.ts';

const RULE = { declinedCards: 10, declinedShare: 0.5, triedCards: 100 };
const tried = (declinedCards: number, decidedCards: number, triedCards = decidedCards) => ({
  triedCards,
  declinedCards,
  decidedCards,
});

describe('who is taken for a card tester', () => {
  test.each([
    ['ten cards declined of ten', tried(10, 10)],
    ['ten of twenty, half', tried(10, 20)],
    ['a hundred cards, whatever came of them', tried(0, 0, 100)],
  ])('%s', (_name, seen) => {
    expect(isTesting(seen, RULE)).toBe(true);
  });

  test.each([
    ['nobody known', tried(0, 0)],
    ['nine cards declined of nine', tried(9, 9)],
    ['an office where ten of a hundred and fifty are declined', tried(10, 150, 99)],
    ['ten of twenty-one, less than half', tried(10, 21)],
    ['one card, however often it is declined: its holder tries again', tried(1, 1)],
  ])('not %s', (_name, seen) => {
    expect(isTesting(seen, RULE)).toBe(false);
  });
});

test('a campaign is under attack when many cards are declined, not when many are tried', () => {
  expect(isDeclining(tried(50, 60), { declinedCards: 50, declinedShare: 0.5 })).toBe(true);
  expect(isDeclining(tried(50, 1_000), { declinedCards: 50, declinedShare: 0.5 })).toBe(false);
});

describe('whether the provider refused the card', () => {
  test.each([
    ['FAILED', 'insufficient_funds', true],
    ['FAILED', 'payment_declined', true],
    ['CAPTURED', null, false],
    ['AUTHORIZED', null, false],
    ['FAILED', 'cancelled_by_donor', null],
    ['FAILED', 'provider_rejected', null],
    ['FAILED', null, null],
    ['EXPIRED', 'abandoned', null],
    ['INITIATED', null, null],
  ] as const)('%s with %s: %s', (status, code, declined) => {
    expect(wasDeclined(status, code)).toBe(declined);
  });
});
