import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { MAX_AMOUNT_MINOR, MAX_SPLIT_PARTS } from '../../../domain/limits.ts';
import {
  CURRENCY_EXPONENT,
  addMinor,
  formatMoney,
  isAmountMinor,
  isCurrencyCode,
  splitMinor,
  subtractMinor,
} from '../../../domain/money.ts';
import type { CurrencyCode } from '../../../domain/money.ts';

const CURRENCIES = Object.keys(CURRENCY_EXPONENT) as CurrencyCode[];
const anyAmount = fc.integer({ min: 1, max: MAX_AMOUNT_MINOR });
const anyTotal = fc.maxSafeNat();

describe('currencies', () => {
  test('every code has the shape of ISO 4217 and an exponent of 0, 2 or 3', () => {
    for (const currency of CURRENCIES) {
      expect(currency).toMatch(/^[A-Z]{3}$/);
      expect([0, 2, 3]).toContain(CURRENCY_EXPONENT[currency]);
      expect(isCurrencyCode(currency)).toBe(true);
    }
  });

  test.each([
    ['JPY', 0],
    ['KRW', 0],
    ['USD', 2],
    ['EUR', 2],
    ['BHD', 3],
    ['KWD', 3],
  ] as const)('%s has %i digits after the point', (currency, exponent) => {
    expect(CURRENCY_EXPONENT[currency]).toBe(exponent);
  });

  test.each([
    'usd',
    'XXX',
    'US',
    'USDT',
    '',
    'toString',
    '__proto__',
    'constructor',
    null,
    undefined,
    840,
    ['USD'],
  ])('%j is no currency', (value) => {
    expect(isCurrencyCode(value)).toBe(false);
  });

  test.each(['ISK', 'UGX', 'HUF', 'TWD', 'MGA'])(
    '%s is left out: the provider counts its minor units its own way',
    (code) => {
      expect(isCurrencyCode(code)).toBe(false);
    },
  );
});

describe('amounts', () => {
  test('one minor unit and the largest amount are amounts', () => {
    expect(isAmountMinor(1)).toBe(true);
    expect(isAmountMinor(MAX_AMOUNT_MINOR)).toBe(true);
  });

  test.each([
    0,
    -0,
    -1,
    0.5,
    25.000000001,
    1e21,
    NaN,
    Infinity,
    MAX_AMOUNT_MINOR + 1,
    Number.MAX_SAFE_INTEGER + 1,
    '2500',
    '1e3',
    null,
    undefined,
    true,
    [2500],
    {},
    2500n,
    new Number(2500),
  ])('%s is not an amount', (value) => {
    expect(isAmountMinor(value)).toBe(false);
  });
});

describe('adding and subtracting', () => {
  test('a sum is exact, commutative, and taking a term away gives the other back', () => {
    fc.assert(
      fc.property(anyAmount, anyTotal, (a, b) => {
        fc.pre(a + b <= Number.MAX_SAFE_INTEGER);
        const sum = addMinor(a, b);
        expect(BigInt(sum)).toBe(BigInt(a) + BigInt(b));
        expect(addMinor(b, a)).toBe(sum);
        expect(subtractMinor(sum, b)).toBe(a);
      }),
    );
  });

  test('a sum beyond the safe integers is refused, the largest safe one is not', () => {
    expect(addMinor(Number.MAX_SAFE_INTEGER - 1, 1)).toBe(Number.MAX_SAFE_INTEGER);
    expect(() => addMinor(Number.MAX_SAFE_INTEGER, 1)).toThrow(RangeError);
  });

  test('a difference below zero is refused, zero is not', () => {
    expect(subtractMinor(1, 1)).toBe(0);
    expect(() => subtractMinor(1, 2)).toThrow(RangeError);
  });

  test.each([0.1, NaN, Infinity, 2 ** 53])('%d is no term', (term) => {
    expect(() => addMinor(term, 1)).toThrow(RangeError);
    expect(() => addMinor(1, term)).toThrow(RangeError);
    expect(() => subtractMinor(term, 1)).toThrow(RangeError);
    expect(() => subtractMinor(1, term)).toThrow(RangeError);
  });
});

describe('splitting', () => {
  test('the parts add up to the whole and differ by at most one minor unit', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: MAX_AMOUNT_MINOR }),
        fc.integer({ min: 1, max: 500 }),
        (amount, parts) => {
          const split = splitMinor(amount, parts);
          expect(split).toHaveLength(parts);
          expect(split.reduce(addMinor, 0)).toBe(amount);
          expect(Math.max(...split) - Math.min(...split)).toBeLessThanOrEqual(1);
          expect(Math.min(...split)).toBeGreaterThanOrEqual(0);
        },
      ),
    );
  });

  test('100.00 in three is 33.34 and twice 33.33, and three times 33.33 is 99.99', () => {
    expect(splitMinor(10_000, 3)).toEqual([3_334, 3_333, 3_333]);
    expect([3_333, 3_333, 3_333].reduce(addMinor, 0)).toBe(9_999);
    expect(splitMinor(9_999, 3)).toEqual([3_333, 3_333, 3_333]);
  });

  test('one minor unit in three is one, nothing, nothing', () => {
    expect(splitMinor(1, 3)).toEqual([1, 0, 0]);
  });

  test('the largest amount and the largest safe integer split without a loss', () => {
    expect(splitMinor(MAX_AMOUNT_MINOR, 7).reduce(addMinor, 0)).toBe(MAX_AMOUNT_MINOR);
    expect(splitMinor(Number.MAX_SAFE_INTEGER, 2).reduce(addMinor, 0)).toBe(Number.MAX_SAFE_INTEGER);
    expect(splitMinor(5, MAX_SPLIT_PARTS)).toHaveLength(MAX_SPLIT_PARTS);
  });

  test.each([
    [-1, 2],
    [0.5, 2],
    [NaN, 2],
    [10, 0],
    [10, -1],
    [10, 1.5],
    [10, MAX_SPLIT_PARTS + 1],
  ])('splitting %d into %d is refused', (amount, parts) => {
    expect(() => splitMinor(amount, parts)).toThrow(RangeError);
  });
});

describe('formatting', () => {
  test.each([
    [2_500, 'USD', '25.00 USD'],
    [2_500, 'JPY', '2500 JPY'],
    [2_500, 'BHD', '2.500 BHD'],
    [1, 'USD', '0.01 USD'],
    [1, 'JPY', '1 JPY'],
    [1, 'BHD', '0.001 BHD'],
    [0, 'EUR', '0.00 EUR'],
    [3_333, 'EUR', '33.33 EUR'],
    [MAX_AMOUNT_MINOR, 'USD', '999999.99 USD'],
    [MAX_AMOUNT_MINOR, 'KRW', '99999999 KRW'],
    [MAX_AMOUNT_MINOR, 'KWD', '99999.999 KWD'],
    [Number.MAX_SAFE_INTEGER, 'USD', '90071992547409.91 USD'],
  ] as const)('%d minor units of %s read %s', (amountMinor, currency, text) => {
    expect(formatMoney({ amountMinor, currency })).toBe(text);
  });

  test('in every currency the digits without the point are the minor units', () => {
    fc.assert(
      fc.property(anyTotal, fc.constantFrom(...CURRENCIES), (amountMinor, currency) => {
        const [digits = '', code] = formatMoney({ amountMinor, currency }).split(' ');
        const [, fraction = ''] = digits.split('.');
        expect(code).toBe(currency);
        expect(fraction).toHaveLength(CURRENCY_EXPONENT[currency]);
        expect(Number(digits.replace('.', ''))).toBe(amountMinor);
        expect(digits).toMatch(/^(0|[1-9]\d*)(\.\d+)?$/);
      }),
    );
  });

  test.each([-1, 0.5, NaN])('%d minor units cannot be formatted', (amountMinor) => {
    expect(() => formatMoney({ amountMinor, currency: 'USD' })).toThrow(RangeError);
  });
});
