/** A payment's facts recomputed from its transitions, with the domain's own functions. */
import { z } from 'zod';
import { isCurrencyCode } from '../../../domain/money.ts';
import {
  evolve,
  initialFacts,
  statusOf,
  type FactChange,
  type PaymentFacts,
} from '../../../domain/payment.ts';
import { entriesFor, type TotalsEntry } from '../../../domain/totals.ts';
import type { DonationSnapshot } from '../snapshot.ts';

const amountMinor = z.number();
const factChange: z.ZodType<FactChange> = z.discriminatedUnion('type', [
  z.object({ type: z.literal('authorized') }),
  z.object({ type: z.literal('closed'), as: z.enum(['FAILED', 'EXPIRED']), code: z.string() }),
  z.object({ type: z.literal('captured'), amountMinor }),
  z.object({
    type: z.literal('refund'),
    refundId: z.string(),
    amountMinor,
    status: z.enum(['pending', 'succeeded', 'failed']),
  }),
  z.object({
    type: z.literal('dispute'),
    disputeId: z.string(),
    amountMinor,
    status: z.enum(['opened', 'won', 'lost']),
  }),
]);

export type Recomputed = {
  readonly facts: PaymentFacts;
  /** Each with the facts before it; none from the first problem on. */
  readonly changes: readonly {
    readonly version: number;
    readonly before: PaymentFacts;
    readonly change: FactChange;
  }[];
  readonly problems: readonly string[];
  /** Stored totals entries that are not the ones their transition makes. */
  readonly wrongEntries: readonly string[];
};

const known = new WeakMap<DonationSnapshot, Recomputed | null>();

/** Several checks ask; a snapshot never changes. Null without a payment in a currency that is taken. */
export function recompute(donation: DonationSnapshot): Recomputed | null {
  const before = known.get(donation);
  if (before !== undefined) return before;
  const recomputed = readTransitions(donation);
  known.set(donation, recomputed);
  return recomputed;
}

/** Stops at the first transition that cannot follow: what comes after it means nothing. */
function readTransitions({ id, payment, transitions }: DonationSnapshot): Recomputed | null {
  if (payment === null || !isCurrencyCode(payment.currency)) return null;
  let facts = initialFacts({ amountMinor: payment.amountMinor, currency: payment.currency });
  const wrongEntries: string[] = [];
  const problems: string[] = [];
  const changes: Recomputed['changes'][number][] = [];
  for (const [index, transition] of transitions.entries()) {
    const { version, fromState, toState } = transition;
    if (version !== index + 1) problems.push(`transition v${index + 1} is missing`);
    const change = factChange.safeParse(transition.change);
    if (!change.success) problems.push(`the change of v${version} cannot be read`);
    if (problems.length > 0 || !change.success) break;
    try {
      const before = facts;
      facts = evolve(before, change.data);
      changes.push({ version, before, change: change.data });
      const moves = `${statusOf(before)} → ${statusOf(facts)}`;
      if (moves !== `${fromState} → ${toState}`)
        problems.push(`v${version} says ${fromState} → ${toState}, its change makes ${moves}`);
      const expected = entriesFor({ donationId: id, campaignId: payment.campaignId }, before, facts, version);
      if (!sameEntries(expected, transition.entries)) {
        wrongEntries.push(
          `v${version} stores ${JSON.stringify(transition.entries)}, its change makes ${JSON.stringify(expected)}`,
        );
      }
    } catch (error) {
      problems.push(`v${version} cannot follow: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  return { facts, changes, problems, wrongEntries };
}

function sameEntries(expected: readonly TotalsEntry[], stored: unknown): boolean {
  if (!Array.isArray(stored) || stored.length !== expected.length) return false;
  const rows: unknown[] = stored;
  return expected.every((entry) =>
    rows.some(
      (row) =>
        typeof row === 'object' &&
        row !== null &&
        Object.entries(entry).every(([name, value]) => Reflect.get(row, name) === value),
    ),
  );
}
