import { defaultPayloadConverter } from '@temporalio/common';
import { describe, expect, it } from 'vitest';
import { happeningsOf } from '../../../cli/watch/history.ts';
import { formatLines, merge } from '../../../cli/watch/timeline.ts';

const payloads = (...values: unknown[]) => ({
  payloads: values.map((value) => defaultPayloadConverter.toPayload(value)),
});
const at = (ms: number) => ({ seconds: Math.floor(ms / 1_000), nanos: (ms % 1_000) * 1e6 });
const happenings = (...events: object[]) => happeningsOf({ events }, 'workflow');
const told = (...events: object[]): string[] => happenings(...events).map(({ what }) => what);

describe('Temporal’s history as happenings', () => {
  it('names local activities, and says when each began and what it answered', () => {
    const [happening] = happenings({
      eventTime: at(9_000),
      markerRecordedEventAttributes: {
        markerName: 'core_local_activity',
        details: {
          data: payloads({ activity_type: 'authorize', attempt: 1, original_schedule_time: at(1_500) }),
          result: payloads({ status: 'AUTHORIZED', version: 1, failureCode: null }),
        },
      },
    });
    expect(happening).toEqual({
      at: new Date(1_500),
      source: 'workflow',
      what: 'authorize (local) → AUTHORIZED v1',
    });
  });

  it('says of a local activity that failed why it did', () => {
    const marker = {
      markerName: 'core_local_activity',
      details: { data: payloads({ activity_type: 'capture', attempt: 2 }) },
      failure: {
        message: 'Activity task failed',
        cause: { message: 'timeout', applicationFailureInfo: { type: 'provider_unknown' } },
      },
    };
    expect(told({ eventTime: at(0), markerRecordedEventAttributes: marker })).toEqual([
      'capture (local) → failed: provider_unknown: timeout, attempt 2',
    ]);
  });

  it('follows an activity through its attempts, and shows signals and the end', () => {
    expect(
      told(
        {
          eventId: 5,
          activityTaskScheduledEventAttributes: {
            activityType: { name: 'release' },
            taskQueue: { name: 'x-payments' },
          },
        },
        {
          activityTaskStartedEventAttributes: {
            scheduledEventId: 5,
            attempt: 3,
            lastFailure: { message: 'reset' },
          },
        },
        {
          activityTaskCompletedEventAttributes: {
            scheduledEventId: 5,
            result: payloads({ status: 'FAILED', version: 2, failureCode: 'abandoned' }),
          },
        },
        { workflowTaskStartedEventAttributes: {} },
        {
          workflowExecutionSignaledEventAttributes: { signalName: 'providerEvent', input: payloads('evt_1') },
        },
        { workflowExecutionCompletedEventAttributes: { result: payloads({ status: 'FAILED', version: 2 }) } },
      ),
    ).toEqual([
      'release scheduled on x-payments',
      'release started, attempt 3, before it: reset',
      'release done: FAILED v2 (abandoned)',
      'signal providerEvent: evt_1',
      'completed: FAILED v2',
    ]);
  });
});

describe('a timeline', () => {
  const start = new Date('2027-01-01T12:00:00.000Z');

  it('is in the order of time, whatever the sources', () => {
    const merged = merge(
      [{ at: new Date(start.getTime() + 30), source: 'workflow', what: 'second' }],
      [{ at: start, source: 'request', what: 'first' }],
    );
    expect(merged.map(({ what }) => what)).toEqual(['first', 'second']);
    expect(formatLines(merged, start)).toEqual([
      '   +0.000 s  request    first',
      '   +0.030 s  workflow   second',
    ]);
  });

  it('lets nothing that was stored command the terminal', () => {
    expect(formatLines([{ at: start, source: 'webhook', what: 'a\u001B[2Jb\nc' }], start)).toEqual([
      '   +0.000 s  webhook    a [2Jb c',
    ]);
  });
});
