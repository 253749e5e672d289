import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseIdempotencyKey } from '../../../domain/idempotency-key.ts';

const KEY = 'a1b2c3d4-e5f6-4711';
const visible = fc.integer({ min: 0x21, max: 0x7e }).map((code) => String.fromCharCode(code));
const bareKey = fc
  .string({ unit: visible, minLength: 16, maxLength: 255 })
  .filter((key) => !key.startsWith('"'));
const anyKey = fc.string({ unit: visible, minLength: 16, maxLength: 255 });

function quote(key: string): string {
  return `"${key.replace(/["\\]/g, '\\$&')}"`;
}

const missing = { ok: false, code: 'idempotency_key_missing' };
const invalid = { ok: false, code: 'idempotency_key_invalid' };
const repeated = { ok: false, code: 'idempotency_key_repeated' };

describe('parseIdempotencyKey', () => {
  test.each([[[]], [['']], [['""']], [['   ']], [['\t']]])('no key in %j is a missing key', (values) => {
    expect(parseIdempotencyKey(values)).toEqual(missing);
  });

  test.each([
    [1, false],
    [15, false],
    [16, true],
    [255, true],
    [256, false],
    [10_000, false],
  ])('a key of %i characters: accepted is %s, bare and quoted', (length, ok) => {
    const key = 'k'.repeat(length);
    expect(parseIdempotencyKey([key])).toEqual(ok ? { ok, key } : invalid);
    expect(parseIdempotencyKey([quote(key)])).toEqual(ok ? { ok, key } : invalid);
  });

  test('every visible ASCII character is accepted, bare and quoted', () => {
    fc.assert(
      fc.property(bareKey, anyKey, (bare, quoted) => {
        expect(parseIdempotencyKey([bare])).toEqual({ ok: true, key: bare });
        expect(parseIdempotencyKey([quote(quoted)])).toEqual({ ok: true, key: quoted });
      }),
    );
  });

  test('any other character makes the key invalid wherever it stands, bare and quoted', () => {
    const foreign = fc.oneof(
      fc.integer({ min: 0, max: 0x1f }),
      fc.constantFrom(0x20, 0x7f),
      fc.integer({ min: 0x80, max: 0xffff }),
    );
    fc.assert(
      fc.property(foreign, fc.nat({ max: KEY.length - 2 }), (code, at) => {
        const key = `${KEY.slice(0, at + 1)}${String.fromCharCode(code)}${KEY.slice(at + 1)}`;
        expect(parseIdempotencyKey([key])).toEqual(invalid);
        expect(parseIdempotencyKey([`"${key}"`])).toEqual(invalid);
      }),
    );
  });

  test.each(['\r\n', '\r', '\n', '\0', '\u007f', '\u2028', '\u00a0', '\ufeff'])(
    '%j before or after a key makes it invalid',
    (odd) => {
      expect(parseIdempotencyKey([`${KEY}${odd}`])).toEqual(invalid);
      expect(parseIdempotencyKey([`${odd}${KEY}`])).toEqual(invalid);
      expect(parseIdempotencyKey([`"${KEY}"${odd}`])).toEqual(invalid);
    },
  );

  test('a header smuggled in behind CR LF makes the key invalid', () => {
    expect(parseIdempotencyKey([`${KEY}\r\nAuthorization: Bearer x`])).toEqual(invalid);
  });

  test.each([[[KEY, KEY]], [[KEY, `${KEY}2`]], [['', KEY]], [[KEY, '']], [['', '']], [['short', KEY, KEY]]])(
    'a header sent more than once is refused: %j',
    (values) => {
      expect(parseIdempotencyKey(values)).toEqual(repeated);
    },
  );

  test('two values that a proxy joined with a comma and a space are refused', () => {
    expect(parseIdempotencyKey([`${KEY}, ${KEY}`])).toEqual(invalid);
    expect(parseIdempotencyKey([`"${KEY}", "${KEY}"`])).toEqual(invalid);
  });

  test('the quoted and the bare form are the same key', () => {
    expect(parseIdempotencyKey([`"${KEY}"`])).toEqual(parseIdempotencyKey([KEY]));
  });

  test('white space around the header value does not matter', () => {
    expect(parseIdempotencyKey([` \t${KEY} `])).toEqual({ ok: true, key: KEY });
    expect(parseIdempotencyKey([` "${KEY}"\t`])).toEqual({ ok: true, key: KEY });
  });

  test('escapes in the quoted form are undone before the length is counted', () => {
    expect(parseIdempotencyKey([String.raw`"say-\"please\"-and-\\"`])).toEqual({
      ok: true,
      key: 'say-"please"-and-\\',
    });
    const backslashes = '\\'.repeat(255);
    expect(parseIdempotencyKey([quote(backslashes)])).toEqual({ ok: true, key: backslashes });
    expect(parseIdempotencyKey([quote('"'.repeat(15))])).toEqual(invalid);
  });

  test.each([
    ['an unknown escape', String.raw`"abcdefghijklmnop\n"`],
    ['an escaped closing quote', String.raw`"abcdefghijklmnopq\"`],
    ['no closing quote', '"abcdefghijklmnopq'],
    ['a quote in the middle', '"abcdefgh"ijklmnopq"'],
    ['a parameter', '"abcdefghijklmnopq";v=1'],
    ['text after the closing quote', '"abcdefghijklmnopq" x'],
    ['a space inside', '"abcdefgh ijklmnopq"'],
    ['a lone quote', '"'],
  ])('a quoted key with %s is invalid', (_, value) => {
    expect(parseIdempotencyKey([value])).toEqual(invalid);
  });

  test('a hostile value of many backslashes is refused at once', () => {
    const started = performance.now();
    expect(parseIdempotencyKey([`"${'\\'.repeat(99_999)}`])).toEqual(invalid);
    expect(parseIdempotencyKey([`${' '.repeat(100_000)}x`])).toEqual(invalid);
    expect(parseIdempotencyKey([`x${' '.repeat(100_000)}x`])).toEqual(invalid);
    expect(performance.now() - started).toBeLessThan(1_000);
  });

  test('two keys are read as one only when they are spellings of the same characters', () => {
    fc.assert(
      fc.property(anyKey, anyKey, (one, other) => {
        fc.pre(one !== other);
        expect(parseIdempotencyKey([quote(one)])).not.toEqual(parseIdempotencyKey([quote(other)]));
      }),
    );
  });
});
