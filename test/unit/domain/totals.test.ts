import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { evolve, initialFacts } from '../../../domain/payment.ts';
import type { FactChange, PaymentFacts } from '../../../domain/payment.ts';
import { EMPTY_TOTALS, applyEntry, entriesFor, pledgedEntry, raisedMinor } from '../../../domain/totals.ts';
import type { Totals, TotalsEntry, TotalsEntryKind } from '../../../domain/totals.ts';
import { capturedHistory, deliver, uncapturedHistory } from './relay-model.ts';

const REF = { donationId: 'd1', campaignId: 'c1' };
const CAPTURED = { type: 'captured', amountMinor: 10_000 } as const;
const FAILED = { type: 'closed', as: 'FAILED', code: 'card_declined' } as const;

function facts(...changes: FactChange[]): PaymentFacts {
  return changes.reduce(evolve, initialFacts({ amountMinor: 10_000, currency: 'USD' }));
}

function refund(refundId: string, amountMinor: number, status: 'pending' | 'succeeded' | 'failed') {
  return { type: 'refund', refundId, amountMinor, status } as const;
}

function entry(kind: TotalsEntryKind, amountMinor: number, donationId = 'd1', version = 1): TotalsEntry {
  return { entryId: `${donationId}:${version}:${kind}`, campaignId: 'c1', donationId, kind, amountMinor };
}

/** The step from `before` by `change`, as kinds and amounts. */
function step(before: PaymentFacts, ...changes: FactChange[]): [TotalsEntryKind, number][] {
  return entriesFor(REF, before, changes.reduce(evolve, before), 7).map(({ kind, amountMinor }) => [
    kind,
    amountMinor,
  ]);
}

function sum(totals: Totals, other: Totals): Totals {
  return {
    totalPledgedMinor: totals.totalPledgedMinor + other.totalPledgedMinor,
    totalCapturedMinor: totals.totalCapturedMinor + other.totalCapturedMinor,
    totalRefundedMinor: totals.totalRefundedMinor + other.totalRefundedMinor,
    disputeLostMinor: totals.disputeLostMinor + other.disputeLostMinor,
    donationCount: totals.donationCount + other.donationCount,
  };
}

describe('entriesFor', () => {
  test('the id says donation, version and kind, and the pledge has one of its own', () => {
    expect(pledgedEntry('d1', 'c1', 5)).toEqual({
      entryId: 'd1:pledged',
      ...REF,
      kind: 'pledged',
      amountMinor: 5,
    });
    expect(entriesFor(REF, facts(), facts(CAPTURED), 2)).toEqual([
      { entryId: 'd1:2:captured', ...REF, kind: 'captured', amountMinor: 10_000 },
    ]);
  });

  test('an authorization counts nothing', () => {
    expect(step(facts(), { type: 'authorized' })).toEqual([]);
  });

  test('an end without money takes the pledge back', () => {
    expect(step(facts(), FAILED)).toEqual([['unpledged', 10_000]]);
    expect(step(facts(), { type: 'closed', as: 'EXPIRED', code: 'x' })).toEqual([['unpledged', 10_000]]);
  });

  test('a late capture pledges again before it captures', () => {
    expect(step(facts(FAILED), CAPTURED)).toEqual([
      ['pledged', 10_000],
      ['captured', 10_000],
    ]);
  });

  test('only a refund that succeeds counts, and one that fails afterwards is taken back', () => {
    const captured = facts(CAPTURED);
    expect(step(captured, refund('re_1', 4_000, 'pending'))).toEqual([]);
    expect(step(captured, refund('re_1', 4_000, 'failed'))).toEqual([]);
    expect(step(captured, refund('re_1', 4_000, 'succeeded'))).toEqual([['refunded', 4_000]]);
    expect(
      step(facts(CAPTURED, refund('re_1', 4_000, 'pending')), refund('re_1', 4_000, 'succeeded')),
    ).toEqual([['refunded', 4_000]]);
    expect(
      step(facts(CAPTURED, refund('re_1', 4_000, 'succeeded')), refund('re_1', 4_000, 'failed')),
    ).toEqual([['refund_failed', 4_000]]);
  });

  test('only a lost dispute counts', () => {
    const opened = facts(CAPTURED, {
      type: 'dispute',
      disputeId: 'dp_1',
      amountMinor: 10_000,
      status: 'opened',
    });
    expect(
      step(facts(CAPTURED), { type: 'dispute', disputeId: 'dp_1', amountMinor: 10_000, status: 'opened' }),
    ).toEqual([]);
    expect(step(opened, { type: 'dispute', disputeId: 'dp_1', amountMinor: 10_000, status: 'won' })).toEqual(
      [],
    );
    expect(step(opened, { type: 'dispute', disputeId: 'dp_1', amountMinor: 10_000, status: 'lost' })).toEqual(
      [['dispute_lost', 10_000]],
    );
  });

  test('a step of several changes can be applied in the order of its entries', () => {
    const before = facts(CAPTURED, refund('re_1', 10_000, 'succeeded'));
    expect(step(before, refund('re_1', 10_000, 'failed'), refund('re_2', 10_000, 'succeeded'))).toEqual([
      ['refund_failed', 10_000],
      ['refunded', 10_000],
    ]);
  });

  test('no step yields no entry', () => {
    expect(step(facts(CAPTURED))).toEqual([]);
  });
});

describe('applyEntry', () => {
  test('each kind moves its own total, and a donation is counted with its capture', () => {
    const kinds: TotalsEntryKind[] = [
      'pledged',
      'captured',
      'refunded',
      'refund_failed',
      'dispute_lost',
      'unpledged',
    ];
    const seen = kinds.map((kind, index) => entry(kind, 10, 'd1', index));
    const totals = seen.reduce<Totals[]>(
      (all, next) => [...all, applyEntry(all.at(-1) ?? EMPTY_TOTALS, next)],
      [],
    );
    expect(totals.map((each) => Object.values(each))).toEqual([
      [10, 0, 0, 0, 0],
      [10, 10, 0, 0, 1],
      [10, 10, 10, 0, 1],
      [10, 10, 0, 0, 1],
      [10, 10, 0, 10, 1],
      [0, 10, 0, 10, 1],
    ]);
  });

  test.each(['unpledged', 'refunded', 'refund_failed', 'dispute_lost'] as const)(
    '%s before what it takes back is refused',
    (kind) => {
      expect(() => applyEntry(EMPTY_TOTALS, entry(kind, 1))).toThrow(RangeError);
    },
  );

  test('a refund and a lost dispute together cannot take more than was captured', () => {
    const totals = [entry('captured', 10), entry('refunded', 6)].reduce(applyEntry, EMPTY_TOTALS);
    expect(() => applyEntry(totals, entry('dispute_lost', 5))).toThrow(RangeError);
    expect(raisedMinor(applyEntry(totals, entry('dispute_lost', 4)))).toBe(0);
  });

  test.each([0, -1, 0.5, NaN])('an entry of %d is refused', (amountMinor) => {
    expect(() => applyEntry(EMPTY_TOTALS, entry('captured', amountMinor))).toThrow(RangeError);
  });

  test('three donations of 33.33 raise 99.99, and 200 of the largest amount are exact', () => {
    const three = ['d1', 'd2', 'd3']
      .map((id) => entry('captured', 3_333, id))
      .reduce(applyEntry, EMPTY_TOTALS);
    expect(raisedMinor(three)).toBe(9_999);
    const many = Array.from({ length: 200 }, (_, n) => entry('captured', 99_999_999, `d${n}`)).reduce(
      applyEntry,
      EMPTY_TOTALS,
    );
    expect(raisedMinor(many)).toBe(19_999_999_800);
    expect(many.donationCount).toBe(200);
  });

  test('leaves the totals that it was given as they were', () => {
    applyEntry(Object.freeze({ ...EMPTY_TOTALS }), entry('captured', 1));
    expect(Object.values(EMPTY_TOTALS)).toEqual([0, 0, 0, 0, 0]);
  });
});

describe('a campaign with many donations', () => {
  const donations = fc
    .array(fc.oneof(capturedHistory, uncapturedHistory), { minLength: 1, maxLength: 6 })
    .map((histories) =>
      histories.map(({ amountMinor, events }, n) =>
        deliver(amountMinor, events, 'keep', { donationId: `d${n}`, campaignId: 'c1' }),
      ),
    );

  test('has the sum of what each raised, however their entries are interleaved', () => {
    fc.assert(
      fc.property(donations, fc.infiniteStream(fc.nat()), (runs, choices) => {
        const queues = runs.map(({ entries }) => [...entries]);
        let totals = EMPTY_TOTALS;
        for (const choice of choices) {
          const open = queues.filter((queue) => queue.length > 0);
          const next = open[choice % Math.max(open.length, 1)]?.shift();
          if (next === undefined) break;
          totals = applyEntry(totals, next);
          expect(raisedMinor(totals)).toBeGreaterThanOrEqual(0);
        }
        expect(totals).toEqual(runs.map((run) => run.totals).reduce(sum, EMPTY_TOTALS));
      }),
      { numRuns: 200 },
    );
  });

  test('a refund that comes before its capture waits for it and is then counted', () => {
    let totals = EMPTY_TOTALS;
    let waiting = [
      entry('refunded', 4),
      entry('unpledged', 5, 'd2'),
      entry('captured', 10),
      entry('pledged', 5, 'd2'),
    ];
    for (let round = 0; round < 3; round += 1) {
      waiting = waiting.filter((next) => {
        try {
          totals = applyEntry(totals, next);
          return false;
        } catch {
          return true;
        }
      });
    }
    expect(waiting).toEqual([]);
    expect(raisedMinor(totals)).toBe(6);
  });

  test('entries of one donation that apply out of the order of their versions can block each other', () => {
    const inOrder = [
      entry('captured', 100),
      entry('refunded', 100, 'd1', 2),
      entry('refund_failed', 100, 'd1', 3),
      entry('refunded', 50, 'd1', 4),
    ];
    expect(raisedMinor(inOrder.reduce(applyEntry, EMPTY_TOTALS))).toBe(50);
    const [captured, first, failed, second] = inOrder as [TotalsEntry, TotalsEntry, TotalsEntry, TotalsEntry];
    const stuck = [captured, second].reduce(applyEntry, EMPTY_TOTALS);
    expect(() => applyEntry(stuck, first)).toThrow(RangeError);
    expect(() => applyEntry(stuck, failed)).toThrow(RangeError);
  });
});
