import fc from 'fast-check';
import { decide, evolve, initialFacts, refusalOf } from '../../../domain/payment.ts';
import type { Command, FactChange, LatePolicy, PaymentEvent, PaymentFacts } from '../../../domain/payment.ts';
import { EMPTY_TOTALS, applyEntry, entriesFor, pledgedEntry } from '../../../domain/totals.ts';
import type { Totals, TotalsEntry } from '../../../domain/totals.ts';

export type Step = {
  readonly before: PaymentFacts;
  readonly change: FactChange;
  readonly after: PaymentFacts;
  readonly totals: Totals;
};

export type Run = {
  readonly facts: PaymentFacts;
  readonly totals: Totals;
  readonly steps: readonly Step[];
  readonly entries: readonly TotalsEntry[];
  readonly commands: readonly Command[];
  /** Refused to the end: what a human would have to look at. */
  readonly refused: readonly PaymentEvent[];
};

/**
 * What the relay and the activity do with the events of one payment, less the databases: in the order of arrival,
 * each change one version, a refused event delivered again after the others until a round changes nothing.
 */
export function deliver(
  amountMinor: number,
  events: readonly PaymentEvent[],
  late: LatePolicy = 'keep',
  ref = REF,
): Run {
  let facts = initialFacts({ amountMinor, currency: 'USD' });
  const entries = [pledgedEntry(ref.donationId, ref.campaignId, amountMinor)];
  let totals = entries.reduce(applyEntry, EMPTY_TOTALS);
  const steps: Step[] = [];
  const commands: Command[] = [];
  for (let waiting = events; ;) {
    const refused: PaymentEvent[] = [];
    const stepsBefore = steps.length;
    for (const event of waiting) {
      if (refusalOf(facts, event) !== null) refused.push(event);
      const decision = decide(facts, event, late);
      for (const change of decision.changes) {
        const before = facts;
        facts = evolve(facts, change);
        const added = entriesFor(ref, before, facts, steps.length + 1);
        totals = added.reduce(applyEntry, totals);
        entries.push(...added);
        steps.push({ before, change, after: facts, totals });
      }
      commands.push(...decision.commands);
    }
    if (steps.length === stepsBefore || refused.length === 0)
      return { facts, totals, steps, entries, commands, refused };
    waiting = refused;
  }
}

const REF = { donationId: 'donation-1', campaignId: 'campaign-1' };

type Ended<Status> = { readonly id: string; readonly amountMinor: number; readonly status: Status };

/** What really happened at the provider, and the events that told of it, in the order of arrival. */
export type History = {
  readonly amountMinor: number;
  readonly captured: boolean;
  readonly refunds: readonly Ended<'pending' | 'succeeded' | 'failed'>[];
  readonly disputes: readonly Ended<'opened' | 'won' | 'lost'>[];
  readonly events: readonly PaymentEvent[];
};

const REFUND_PATHS = [
  ['pending'],
  ['succeeded'],
  ['failed'],
  ['pending', 'succeeded'],
  ['pending', 'failed'],
  ['succeeded', 'failed'],
  ['pending', 'succeeded', 'failed'],
] as const;
const DISPUTE_PATHS = [['opened'], ['won'], ['lost'], ['opened', 'won'], ['opened', 'lost']] as const;
const CLOSINGS: readonly PaymentEvent[] = [
  { type: 'declined', code: 'card_declined' },
  { type: 'declined', code: 'insufficient_funds' },
  { type: 'released', code: 'cancelled_by_donor' },
  { type: 'expired' },
];

const anyAmountMinor = fc.oneof(
  fc.constantFrom(1, 2, 3, 9_999, 99_999_999),
  fc.integer({ min: 1, max: 99_999_999 }),
);

/** Repeats each event one to three times and puts all of them in any order. */
function shuffledWithRepeats(events: readonly PaymentEvent[]): fc.Arbitrary<PaymentEvent[]> {
  return fc
    .tuple(
      ...events.map((event) => fc.integer({ min: 1, max: 3 }).map((n) => Array<PaymentEvent>(n).fill(event))),
    )
    .chain((copies) => {
      const all = copies.flat();
      return fc.shuffledSubarray(all, { minLength: all.length });
    });
}

/**
 * Every history that a provider can have: what is given back or lost in the end is never more than the capture, but
 * refunds that failed in the end may have been of any amount before.
 */
export const capturedHistory: fc.Arbitrary<History> = anyAmountMinor.chain((amountMinor) =>
  fc
    .record({
      shares: fc.array(
        fc.record({
          share: fc.double({ min: 0, max: 1, noNaN: true }),
          path: fc.nat(),
          dispute: fc.boolean(),
        }),
        { maxLength: 4 },
      ),
      authorized: fc.boolean(),
      closings: fc.subarray([...CLOSINGS]),
    })
    .chain(({ shares, authorized, closings }) => {
      let left = amountMinor;
      const refunds: Ended<'pending' | 'succeeded' | 'failed'>[] = [];
      const disputes: Ended<'opened' | 'won' | 'lost'>[] = [];
      const events: PaymentEvent[] = [{ type: 'captured', amountMinor }, ...closings];
      if (authorized) events.push({ type: 'authorized' });
      for (const [index, { share, path, dispute }] of shares.entries()) {
        if (dispute) {
          const statuses = DISPUTE_PATHS[path % DISPUTE_PATHS.length] ?? DISPUTE_PATHS[0];
          const status = statuses[statuses.length - 1] ?? 'opened';
          const part = partOf(status === 'lost' ? left : amountMinor, share);
          if (part === 0) continue;
          if (status === 'lost') left -= part;
          disputes.push({ id: `dp_${index}`, amountMinor: part, status });
          for (const told of statuses)
            events.push({ type: 'dispute', disputeId: `dp_${index}`, amountMinor: part, status: told });
        } else {
          const statuses = REFUND_PATHS[path % REFUND_PATHS.length] ?? REFUND_PATHS[0];
          const status = statuses[statuses.length - 1] ?? 'pending';
          const part = partOf(status === 'succeeded' ? left : amountMinor, share);
          if (part === 0) continue;
          if (status === 'succeeded') left -= part;
          refunds.push({ id: `re_${index}`, amountMinor: part, status });
          for (const told of statuses)
            events.push({ type: 'refund', refundId: `re_${index}`, amountMinor: part, status: told });
        }
      }
      return shuffledWithRepeats(events).map((told) => ({
        amountMinor,
        captured: true,
        refunds,
        disputes,
        events: told,
      }));
    }),
);

/** Histories without a capture, with any of the events that a payment can have before one. */
export const uncapturedHistory: fc.Arbitrary<History> = fc
  .tuple(anyAmountMinor, fc.subarray<PaymentEvent>([{ type: 'authorized' }, ...CLOSINGS]))
  .chain(([amountMinor, events]) =>
    shuffledWithRepeats(events).map((told) => ({
      amountMinor,
      captured: false,
      refunds: [],
      disputes: [],
      events: told,
    })),
  );

/** Anything at all, also what no provider would say. */
export const anyEvent: fc.Arbitrary<PaymentEvent> = fc.oneof(
  fc.constant<PaymentEvent>({ type: 'authorized' }),
  fc.constantFrom(...CLOSINGS),
  oddAmount().map((amountMinor): PaymentEvent => ({ type: 'captured', amountMinor })),
  fc
    .record({
      refundId: anyId(),
      amountMinor: oddAmount(),
      status: fc.constantFrom('pending' as const, 'succeeded' as const, 'failed' as const),
    })
    .map((refund): PaymentEvent => ({ type: 'refund', ...refund })),
  fc
    .record({
      disputeId: anyId(),
      amountMinor: oddAmount(),
      status: fc.constantFrom('opened' as const, 'won' as const, 'lost' as const),
    })
    .map((dispute): PaymentEvent => ({ type: 'dispute', ...dispute })),
);

function anyId(): fc.Arbitrary<string> {
  return fc.constantFrom('a', 'b', 'c', '__proto__', 'constructor');
}

function oddAmount(): fc.Arbitrary<number> {
  return fc.oneof(
    { weight: 9, arbitrary: fc.integer({ min: 1, max: 12 }) },
    { weight: 1, arbitrary: fc.constantFrom(0, -1, 0.5, NaN, Infinity, Number.MAX_SAFE_INTEGER, 2 ** 60) },
  );
}

function partOf(whole: number, share: number): number {
  return share > 0.8 ? whole : Math.min(whole, Math.max(1, Math.floor(whole * share)));
}
