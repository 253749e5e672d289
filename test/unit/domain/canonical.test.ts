import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { canonicalJson } from '../../../domain/canonical.ts';
import type { JsonValue } from '../../../domain/canonical.ts';
import { MAX_JSON_DEPTH } from '../../../domain/limits.ts';

const anyJson = fc.jsonValue({ maxDepth: 5 }) as fc.Arbitrary<JsonValue>;

/** The same value with the keys of every object put in another order. */
function reordered(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(reordered);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .toReversed()
      .map(([key, item]) => [key, reordered(item)]),
  );
}

function nested(depth: number): JsonValue {
  return depth === 0 ? [] : [nested(depth - 1)];
}

describe('canonicalJson', () => {
  test('says the same as the value', () => {
    fc.assert(
      fc.property(anyJson, (value) => {
        expect(JSON.parse(canonicalJson(value))).toEqual(JSON.parse(JSON.stringify(value)));
      }),
    );
  });

  test('does not depend on the order of the keys or on the white space of the source', () => {
    fc.assert(
      fc.property(anyJson, (value) => {
        const respelled = JSON.parse(JSON.stringify(reordered(value), null, 3)) as JsonValue;
        expect(canonicalJson(respelled)).toBe(canonicalJson(value));
      }),
    );
  });

  test('is a fixed point: the canonical text of what it says is itself', () => {
    fc.assert(
      fc.property(anyJson, (value) => {
        const text = canonicalJson(value);
        expect(canonicalJson(JSON.parse(text) as JsonValue)).toBe(text);
      }),
    );
  });

  test('differs for different values', () => {
    fc.assert(
      fc.property(anyJson, anyJson, (one, other) => {
        const same = canonicalJson(one) === canonicalJson(other);
        const equal = JSON.stringify(reorderedSorted(one)) === JSON.stringify(reorderedSorted(other));
        expect(same).toBe(equal);
      }),
    );
  });

  test('sorts keys by UTF-16 code units, as in the example of RFC 8785, section 3.2.3', () => {
    const sorted = canonicalJson({
      '\u20ac': 'Euro Sign',
      '\r': 'Carriage Return',
      '\ufb33': 'Hebrew Letter Dalet With Dagesh',
      '1': 'One',
      '\ud83d\ude00': 'Emoji: Grinning Face',
      '\u0080': 'Control',
      '\u00f6': 'Latin Small Letter O With Diaeresis',
    });
    expect([...sorted.matchAll(/:"([^"]+)"/g)].map(([, name]) => name)).toEqual([
      'Carriage Return',
      'One',
      'Control',
      'Latin Small Letter O With Diaeresis',
      'Euro Sign',
      'Emoji: Grinning Face',
      'Hebrew Letter Dalet With Dagesh',
    ]);
  });

  test('writes numbers and strings as in the example of RFC 8785, section 3.2.2', () => {
    expect(
      canonicalJson({
        numbers: [Number('333333333.33333329'), 1e30, 4.5, 2e-3, 0.000000000000000000000000001],
        string: '\u20ac$\u000f\u000aA\'\u0042\u0022\u005c\\"/',
        literals: [null, true, false],
      }),
    ).toBe(
      String.raw`{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\u000f\nA'B\"\\\\\"/"}`,
    );
  });

  test('keeps the order of arrays, tells 1 from "1" and null from absent, and writes minus zero as zero', () => {
    expect(canonicalJson([2, 1])).not.toBe(canonicalJson([1, 2]));
    expect(canonicalJson({ a: 1 })).not.toBe(canonicalJson({ a: '1' }));
    expect(canonicalJson({ a: null })).not.toBe(canonicalJson({}));
    expect(canonicalJson(-0)).toBe('0');
  });

  test('an undefined property is absent', () => {
    expect(canonicalJson({ b: undefined, a: 1 })).toBe('{"a":1}');
  });

  test('a property called __proto__ is a property like any other', () => {
    expect(canonicalJson(JSON.parse('{"__proto__":{"a":1}}') as JsonValue)).toBe('{"__proto__":{"a":1}}');
  });

  test.each([
    NaN,
    Infinity,
    -Infinity,
    undefined,
    1n,
    Symbol('s'),
    () => 1,
    [undefined],
    Array(1),
    { a: 1n },
  ])('refuses what JSON cannot say (%#)', (value) => {
    expect(() => canonicalJson(value as never)).toThrow(TypeError);
  });

  test('refuses a value that is nested too deeply', () => {
    expect(canonicalJson(nested(MAX_JSON_DEPTH))).toHaveLength(2 * (MAX_JSON_DEPTH + 1));
    expect(() => canonicalJson(nested(MAX_JSON_DEPTH + 1))).toThrow(RangeError);
  });
});

/** An independent normal form: objects become sorted lists of pairs. */
function reorderedSorted(value: unknown): unknown {
  if (Array.isArray(value)) return ['array', value.map(reorderedSorted)];
  if (typeof value !== 'object' || value === null) return ['scalar', Object.is(value, -0) ? 0 : value];
  const pairs = Object.entries(value).map(([key, item]) => [key, reorderedSorted(item)] as const);
  return ['object', pairs.toSorted(([a], [b]) => (a < b ? -1 : 1))];
}
