import { describe, expect, test } from 'vitest';
import { FAILURES, FAILURE_CODES, NON_RETRYABLE_TYPES, isFailureCode } from '../../../domain/failures.ts';
import type { Failure } from '../../../domain/failures.ts';

describe('the failure registry', () => {
  test.each(FAILURE_CODES)('%s has a stable code, an HTTP error status and a title for people', (code) => {
    const failure: Failure = FAILURES[code];
    expect(code).toMatch(/^[a-z]+(_[a-z]+)*$/);
    expect(failure.status).toBeGreaterThanOrEqual(400);
    expect(failure.status).toBeLessThan(600);
    expect(failure.title).toMatch(/^[A-Z].{9,98}[^.!]$/);
    expect(failure.title).not.toContain(code);
  });

  test('titles are all different', () => {
    expect(new Set(FAILURE_CODES.map((code) => FAILURES[code].title)).size).toBe(FAILURE_CODES.length);
  });

  test('429 and 503 invite a retry, every other 4xx does not', () => {
    const passing = FAILURE_CODES.filter((code) => [429, 503].includes(FAILURES[code].status));
    const others = FAILURE_CODES.filter((code) => FAILURES[code].status < 500 && !passing.includes(code));
    expect(passing.filter((code) => !FAILURES[code].retryable)).toEqual([]);
    expect(others.filter((code) => FAILURES[code].retryable)).toEqual([]);
  });

  test('the types that Temporal must not retry are exactly those that are not retryable', () => {
    const retryable = FAILURE_CODES.filter((code) => !NON_RETRYABLE_TYPES.includes(code));
    expect(retryable.every((code) => FAILURES[code].retryable)).toBe(true);
    expect(NON_RETRYABLE_TYPES.some((code) => FAILURES[code].retryable)).toBe(false);
    expect(NON_RETRYABLE_TYPES).toContain('payment_declined');
    expect(NON_RETRYABLE_TYPES).not.toContain('provider_unknown');
    expect(NON_RETRYABLE_TYPES).not.toContain('database_unavailable');
  });

  test('a code is told from any other string', () => {
    expect(isFailureCode('payment_declined')).toBe(true);
    for (const other of ['toString', '__proto__', 'Payment_declined', '', null, 402])
      expect(isFailureCode(other)).toBe(false);
  });
});
