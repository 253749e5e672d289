import {
  ServiceError,
  WorkflowExecutionAlreadyStartedError,
  WorkflowNotFoundError,
} from '@temporalio/client';
import { describe, expect, test } from 'vitest';
import { isTemporalAway } from '../../../platform/temporal.ts';

/** As the client wraps what gRPC said. */
function failure(code: number): ServiceError {
  const cause = Object.assign(new Error('14 UNAVAILABLE'), { code, details: '', metadata: {} });
  return new ServiceError('Failed to start Workflow', { cause });
}

describe('Temporal is away', () => {
  test.each([
    ['UNAVAILABLE', 14],
    ['DEADLINE_EXCEEDED', 4],
    ['CANCELLED', 1],
    ['UNKNOWN', 2],
    ['RESOURCE_EXHAUSTED', 8],
    ['INTERNAL', 13],
  ])('when the answer is %s', (_, code) => {
    expect(isTemporalAway(failure(code))).toBe(true);
  });
});

describe('Temporal is there', () => {
  test.each([
    ['INVALID_ARGUMENT', 3],
    ['NOT_FOUND', 5],
    ['ALREADY_EXISTS', 6],
    ['PERMISSION_DENIED', 7],
    ['FAILED_PRECONDITION', 9],
  ])('when the answer is %s', (_, code) => {
    expect(isTemporalAway(failure(code))).toBe(false);
  });

  test('when it knows the workflow, or knows that there is none', () => {
    expect(
      isTemporalAway(new WorkflowExecutionAlreadyStartedError('started', 'donation/1', 'donation')),
    ).toBe(false);
    expect(isTemporalAway(new WorkflowNotFoundError('not found', 'donation/1', undefined))).toBe(false);
  });

  test('when the mistake is ours', () => {
    expect(isTemporalAway(new TypeError('not a function'))).toBe(false);
  });
});
