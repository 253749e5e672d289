import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { aftercareWorkflowId, donationWorkflowId, isUuid, providerKey, uuidV8 } from '../../../domain/ids.ts';

const DONATION_ID = '2489e9ad-2ee2-8e00-8ec9-32d5f69181c0';

describe('uuidV8', () => {
  test('the example of RFC 9562, appendix B.2, comes out of its own bytes', () => {
    const sha256 = '5c146b143c524afd938a375d0df1fbf6fe12a66b645f72f6158759387e51f3c8';
    expect(uuidV8(Uint8Array.from(Buffer.from(sha256, 'hex')))).toBe('5c146b14-3c52-8afd-938a-375d0df1fbf6');
  });

  test('any bytes give a lower-case UUID of version 8 and variant 10, and keep the other 122 bits', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 16, maxLength: 64 }), (bytes) => {
        const id = uuidV8(bytes);
        expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
        expect(isUuid(id)).toBe(true);
        const back = Buffer.from(id.replaceAll('-', ''), 'hex');
        for (const [index, byte] of back.entries()) {
          const kept = index === 6 ? 0x0f : index === 8 ? 0x3f : 0xff;
          expect(byte & kept).toBe((bytes[index] ?? NaN) & kept);
        }
      }),
    );
  });

  test('the bytes after the sixteenth do not matter and the input is left as it was', () => {
    const bytes = new Uint8Array(32).fill(0xff);
    const id = uuidV8(bytes);
    expect(uuidV8(bytes.subarray(0, 16))).toBe(id);
    expect(bytes.every((byte) => byte === 0xff)).toBe(true);
  });

  test('fifteen bytes are too few', () => {
    expect(() => uuidV8(new Uint8Array(15))).toThrow(RangeError);
  });
});

describe('isUuid', () => {
  test.each([
    DONATION_ID.toUpperCase(),
    `{${DONATION_ID}}`,
    DONATION_ID.replaceAll('-', ''),
    `${DONATION_ID}\n`,
    ` ${DONATION_ID}`,
    `urn:uuid:${DONATION_ID}`,
    DONATION_ID.replace('2', 'g'),
    '',
    null,
    undefined,
    7,
    [DONATION_ID],
  ])('%j is not one of our ids', (value) => {
    expect(isUuid(value)).toBe(false);
  });
});

describe('ids derived from the donation', () => {
  test('the workflows of a donation carry its id', () => {
    expect(donationWorkflowId(DONATION_ID)).toBe(`donation/${DONATION_ID}`);
    expect(aftercareWorkflowId(DONATION_ID)).toBe(`aftercare/${DONATION_ID}`);
  });

  test('each operation and each number has its own provider key, always the same', () => {
    const operations = ['create', 'confirm', 'capture', 'release', 'refund'] as const;
    const keys = operations.flatMap((operation) =>
      [1, 2, 11].map((n) => providerKey(DONATION_ID, operation, n)),
    );
    expect(new Set(keys).size).toBe(keys.length);
    expect(keys[0]).toBe(`${DONATION_ID}:create:1`);
    expect(Math.max(...keys.map((key) => key.length))).toBeLessThanOrEqual(255);
  });

  test.each([0, -1, 1.5, NaN, Infinity])('an operation number of %d is refused', (n) => {
    expect(() => providerKey(DONATION_ID, 'capture', n)).toThrow(RangeError);
  });
});
