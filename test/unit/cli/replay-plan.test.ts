import { describe, expect, it } from 'vitest';
import { needsReplay, plan, type Workflow } from '../../../cli/replay/plan.ts';
import type { RequestStanding } from '../../../cli/replay/requests.ts';

const ID = '2909b4ba-f54c-819a-b2b0-a1ae3e12ff11';
const failed: Workflow = {
  workflowId: `donation/${ID}`,
  kind: 'donation',
  run: { runId: 'newest', status: 'FAILED' },
  matchedRunIds: null,
  request: null,
};
const request: RequestStanding = { id: ID, waiting: false, status: 'INITIATED', recent: true };
const gone = (change: Partial<RequestStanding>): Workflow => ({
  ...failed,
  run: null,
  request: { ...request, ...change },
});

describe('a workflow that Temporal knows', () => {
  it.each(['FAILED', 'TERMINATED', 'TIMED_OUT', 'CANCELLED'])('is reset when it is %s', (status) => {
    const planned = plan({ ...failed, run: { runId: 'newest', status } }, false);
    expect(planned.action).toEqual({ kind: 'reset' });
    expect(needsReplay(planned)).toBe(true);
  });

  it('is reset when it is complete and somebody means it, though nothing asks for it', () => {
    const planned = plan({ ...failed, run: { runId: 'newest', status: 'COMPLETED' } }, false);
    expect(planned.action.kind).toBe('reset');
    expect(needsReplay(planned)).toBe(false);
  });

  it('is left alone while it runs, unless it is to be reset even then', () => {
    const running: Workflow = { ...failed, run: { runId: 'newest', status: 'RUNNING' } };
    expect(plan(running, false).action.kind).toBe('leave');
    expect(plan(running, true).action.kind).toBe('reset');
  });

  it('is superseded when a query has matched only runs that a newer one has followed', () => {
    const matched = (...runs: string[]): string =>
      plan({ ...failed, matchedRunIds: new Set(runs) }, true).action.kind;
    expect(matched('older')).toBe('superseded');
    expect(matched('older', 'newest')).toBe('reset');
  });
});

describe('a workflow that Temporal does not know', () => {
  it.each([null, 'INITIATED', 'AUTHORIZED'])('is started again when its pledge is %s', (status) => {
    const planned = plan(gone({ status }), false);
    expect(planned.action.kind).toBe('start again');
    expect(needsReplay(planned)).toBe(true);
  });

  it.each(['CAPTURED', 'FAILED', 'EXPIRED', 'PARTIALLY_REFUNDED', 'REFUNDED'])(
    'is left alone when its pledge is %s',
    (status) => {
      const planned = plan(gone({ status }), true);
      expect(planned.action.kind).toBe('leave');
      expect(JSON.stringify(planned.action)).toContain(status);
      expect(needsReplay(planned)).toBe(false);
    },
  );

  it('is left to the relay when it waits for it, and to the donor after 30 days', () => {
    expect(plan(gone({ waiting: true, status: null }), true).action.kind).toBe('leave');
    expect(plan(gone({ recent: false }), true).action.kind).toBe('leave');
  });

  it('is nothing to start when it is an aftercare, or when nobody knows of a request', () => {
    const aftercare: Workflow = { ...gone({}), kind: 'aftercare', workflowId: `aftercare/${ID}` };
    expect(plan(aftercare, true).action.kind).toBe('leave');
    expect(plan({ ...failed, run: null }, true).action.kind).toBe('leave');
  });
});
