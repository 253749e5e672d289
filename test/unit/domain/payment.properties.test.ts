import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  RANK,
  REFUND_RANK,
  decide,
  initialFacts,
  lostToDisputesMinor,
  refundedMinor,
  refusalOf,
  statusOf,
} from '../../../domain/payment.ts';
import type { PaymentEvent, PaymentFacts, PaymentStatus } from '../../../domain/payment.ts';
import { raisedMinor } from '../../../domain/totals.ts';
import type { Totals } from '../../../domain/totals.ts';
import { anyEvent, capturedHistory, deliver, uncapturedHistory } from './relay-model.ts';
import type { History, Run, Step } from './relay-model.ts';

const RUNS = { numRuns: 500 };
const anyHistory = fc.oneof(capturedHistory, uncapturedHistory);
const anyPolicy = fc.constantFrom('keep' as const, 'refund' as const);
/** No order, no sense: the amounts of a payment of 10 minor units are small enough to collide often. */
const anyStream = fc.array(anyEvent, { maxLength: 25 });

/** The totals that facts stand for, written down a second time. */
function totalsOf(facts: PaymentFacts): Totals {
  const lost = ['FAILED', 'EXPIRED'].includes(statusOf(facts));
  return {
    totalPledgedMinor: lost ? 0 : facts.amountMinor,
    totalCapturedMinor: facts.capturedMinor,
    totalRefundedMinor: refundedMinor(facts),
    disputeLostMinor: lostToDisputesMinor(facts),
    donationCount: facts.capturedMinor > 0 ? 1 : 0,
  };
}

/** The first end that was told before the first capture: the one fact that depends on the order, on purpose. */
function firstClosing(events: readonly PaymentEvent[]): PaymentFacts['closed'] {
  for (const event of events) {
    if (event.type === 'captured') return null;
    if (event.type === 'declined' || event.type === 'released') return { as: 'FAILED', code: event.code };
    if (event.type === 'expired') return { as: 'EXPIRED', code: 'authorization_expired' };
  }
  return null;
}

/** What the facts must be, computed from what really happened and not from the events' order. */
function truthOf(history: History): PaymentFacts {
  const refunds = history.refunds.map(
    ({ id, amountMinor, status }) => [id, { amountMinor, status }] as const,
  );
  const disputes = history.disputes.map(
    ({ id, amountMinor, status }) => [id, { amountMinor, status }] as const,
  );
  return {
    ...initialFacts({ amountMinor: history.amountMinor, currency: 'USD' }),
    authorized: true,
    capturedMinor: history.captured ? history.amountMinor : 0,
    closed: firstClosing(history.events),
    refunds: Object.fromEntries(refunds),
    disputes: Object.fromEntries(disputes),
  };
}

function statusOfTruth({ amountMinor, refunds }: History): PaymentStatus {
  const back = refunds
    .filter(({ status }) => status === 'succeeded')
    .reduce((sum, { amountMinor: returned }) => sum + returned, 0);
  if (back === 0) return 'CAPTURED';
  return back === amountMinor ? 'REFUNDED' : 'PARTIALLY_REFUNDED';
}

function refundTurnedOut({ before, change }: Step): boolean {
  if (change.type !== 'refund' || change.status !== 'failed') return false;
  return (
    Object.hasOwn(before.refunds, change.refundId) && before.refunds[change.refundId]?.status === 'succeeded'
  );
}

function expectGuarded({ steps, totals, facts }: Run): void {
  expect(totals).toEqual(totalsOf(facts));
  for (const step of steps) {
    const { before, after } = step;
    expect(after).not.toEqual(before);
    if (!refundTurnedOut(step)) expect(RANK[statusOf(after)]).toBeGreaterThanOrEqual(RANK[statusOf(before)]);
    expect(after.capturedMinor).toBeGreaterThanOrEqual(before.capturedMinor);
    expect(after.authorized || !before.authorized).toBe(true);
    if (before.closed !== null) expect(after.closed).toEqual(before.closed);
    for (const [id, known] of Object.entries(before.refunds)) {
      const now = after.refunds[id];
      expect(now?.amountMinor).toBe(known.amountMinor);
      expect(REFUND_RANK[now?.status ?? 'pending']).toBeGreaterThanOrEqual(REFUND_RANK[known.status]);
    }
    for (const [id, known] of Object.entries(before.disputes)) {
      if (known.status !== 'opened') expect(after.disputes[id]).toEqual(known);
    }
    expect(after.capturedMinor).toBeLessThanOrEqual(after.amountMinor);
    expect(refundedMinor(after) + lostToDisputesMinor(after)).toBeLessThanOrEqual(after.capturedMinor);
    expect(Math.min(...Object.values(step.totals))).toBeGreaterThanOrEqual(0);
    expect(raisedMinor(step.totals)).toBeGreaterThanOrEqual(0);
    expect(step.totals).toEqual(totalsOf(after));
  }
}

describe('whatever the order and the repetitions', () => {
  test('a captured payment ends in the facts, the status and the totals of what really happened', () => {
    fc.assert(
      fc.property(capturedHistory, anyPolicy, (history, late) => {
        const { facts, totals, refused } = deliver(history.amountMinor, history.events, late);
        expect(facts).toEqual(truthOf(history));
        expect(statusOf(facts)).toBe(statusOfTruth(history));
        expect(totals).toEqual(totalsOf(truthOf(history)));
        expect(refused).toEqual([]);
      }),
      RUNS,
    );
  });

  test('the same events in two orders differ in nothing but which end came first', () => {
    const twice = capturedHistory.chain((history) =>
      fc
        .shuffledSubarray([...history.events], { minLength: history.events.length })
        .map((other) => [history, other] as const),
    );
    fc.assert(
      fc.property(twice, ([{ amountMinor, events }, other]) => {
        const [one, two] = [deliver(amountMinor, events), deliver(amountMinor, other)];
        expect({ ...one.facts, closed: null }).toEqual({ ...two.facts, closed: null });
        expect(one.totals).toEqual(two.totals);
      }),
      RUNS,
    );
  });

  test('a payment without a capture ends as its first end says, with nothing pledged or raised', () => {
    fc.assert(
      fc.property(uncapturedHistory, ({ amountMinor, events }) => {
        const { facts, totals } = deliver(amountMinor, events);
        const closing = firstClosing(events);
        const held = events.some(({ type }) => type === 'authorized');
        expect(facts.closed).toEqual(closing);
        expect(statusOf(facts)).toBe(closing?.as ?? (held ? 'AUTHORIZED' : 'INITIATED'));
        expect(totals).toEqual({
          ...totalsOf(facts),
          totalPledgedMinor: closing === null ? amountMinor : 0,
          totalCapturedMinor: 0,
        });
      }),
      RUNS,
    );
  });

  test.each<[string, PaymentEvent[], PaymentStatus, number]>([
    [
      'authorized, captured, refunded, each twice',
      [
        { type: 'authorized' },
        { type: 'authorized' },
        captured(),
        captured(),
        refund('re_1', 'succeeded'),
        refund('re_1', 'succeeded'),
      ],
      'REFUNDED',
      0,
    ],
    [
      'authorized, captured, declined, expired and a refund that was pending',
      [
        { type: 'authorized' },
        captured(),
        { type: 'declined', code: 'x' },
        { type: 'expired' },
        refund('re_1', 'pending'),
        refund('re_1', 'succeeded'),
      ],
      'REFUNDED',
      0,
    ],
    [
      'captured, a refund that succeeded and then failed, and the one that replaced it',
      [
        captured(),
        refund('re_1', 'pending'),
        refund('re_1', 'succeeded'),
        refund('re_1', 'failed'),
        refund('re_2', 'succeeded'),
        { type: 'released', code: 'y' },
      ],
      'REFUNDED',
      0,
    ],
    [
      'captured, a refund that failed, a dispute that was lost',
      [
        captured(),
        refund('re_1', 'succeeded'),
        refund('re_1', 'failed'),
        dispute('opened'),
        dispute('lost'),
        { type: 'expired' },
      ],
      'CAPTURED',
      0,
    ],
    [
      'captured, a dispute that was won, a refund that failed',
      [
        captured(),
        dispute('opened'),
        dispute('won'),
        refund('re_1', 'pending'),
        refund('re_1', 'failed'),
        { type: 'authorized' },
      ],
      'CAPTURED',
      9_999,
    ],
  ])('all 720 orders of %s end alike', (_, events, status, raised) => {
    let orders = 0;
    for (const order of permutations(events)) {
      const run = deliver(9_999, order);
      expect(statusOf(run.facts)).toBe(status);
      expect(raisedMinor(run.totals)).toBe(raised);
      expect(run.totals.donationCount).toBe(1);
      orders += 1;
    }
    expect(orders).toBe(720);
  });
});

describe('on the way', () => {
  test('a status never falls but by a refund that turned out to have failed, and no total is ever negative', () => {
    fc.assert(
      fc.property(anyHistory, anyPolicy, (history, late) => {
        expectGuarded(deliver(history.amountMinor, history.events, late));
      }),
      RUNS,
    );
  });

  test('the same holds for events that contradict each other', () => {
    fc.assert(
      fc.property(anyStream, anyPolicy, (events, late) => {
        expectGuarded(deliver(10, events, late));
      }),
      { numRuns: 1_000 },
    );
  });

  test('an event that was applied yields no change when it comes again, and no second refund', () => {
    fc.assert(
      fc.property(anyStream, anyEvent, anyPolicy, (events, event, late) => {
        const { facts } = deliver(10, [...events, event], late);
        const again = decide(facts, event, 'refund');
        expect(again.changes).toEqual([]);
        expect(again.commands.filter(({ type }) => type === 'refund')).toEqual([]);
      }),
      RUNS,
    );
  });

  test('a refused event yields nothing', () => {
    fc.assert(
      fc.property(anyStream, anyEvent, anyPolicy, (events, event, late) => {
        const { facts } = deliver(10, events, late);
        fc.pre(refusalOf(facts, event) !== null);
        expect(decide(facts, event, late)).toEqual({ changes: [], commands: [] });
      }),
      RUNS,
    );
  });

  test('every change has a version and entry ids of its own, and delivering anew yields the same ids', () => {
    fc.assert(
      fc.property(anyHistory, ({ amountMinor, events }) => {
        const { entries } = deliver(amountMinor, events);
        expect(new Set(entries.map(({ entryId }) => entryId)).size).toBe(entries.length);
        expect(deliver(amountMinor, events).entries).toEqual(entries);
        for (const entry of entries)
          expect(Number.isSafeInteger(entry.amountMinor) && entry.amountMinor > 0).toBe(true);
      }),
      RUNS,
    );
  });
});

describe('late money', () => {
  test('is refunded exactly once when the policy says so and an end came before the capture', () => {
    fc.assert(
      fc.property(capturedHistory, anyPolicy, (history, late) => {
        const { commands } = deliver(history.amountMinor, history.events, late);
        const refunds = commands.filter(({ type }) => type === 'refund');
        const wanted = late === 'refund' && firstClosing(history.events) !== null;
        expect(refunds).toEqual(
          wanted ? [{ type: 'refund', amountMinor: history.amountMinor, reason: 'late_capture' }] : [],
        );
      }),
      RUNS,
    );
  });

  test('an authorization that is told after the end is released each time it is told', () => {
    fc.assert(
      fc.property(uncapturedHistory, ({ amountMinor, events }) => {
        const { facts } = deliver(amountMinor, events);
        const { commands } = decide(facts, { type: 'authorized' }, 'keep');
        expect(commands).toEqual(facts.closed === null ? [] : [{ type: 'release', code: facts.closed.code }]);
      }),
    );
  });
});

function captured(): PaymentEvent {
  return { type: 'captured', amountMinor: 9_999 };
}

function refund(refundId: string, status: 'pending' | 'succeeded' | 'failed'): PaymentEvent {
  return { type: 'refund', refundId, amountMinor: 9_999, status };
}

function dispute(status: 'opened' | 'won' | 'lost'): PaymentEvent {
  return { type: 'dispute', disputeId: 'dp_1', amountMinor: 9_999, status };
}

function* permutations<T>(items: readonly T[]): Generator<T[]> {
  if (items.length === 0) yield [];
  for (const [index, item] of items.entries()) {
    for (const rest of permutations([...items.slice(0, index), ...items.slice(index + 1)]))
      yield [item, ...rest];
  }
}
