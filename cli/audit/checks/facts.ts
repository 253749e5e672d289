/** A payment's row recomputed from its transitions, with the domain's own functions. */
import { z } from 'zod';
import { isCurrencyCode } from '../../../domain/money.ts';
import {
  evolve,
  initialFacts,
  refundedMinor,
  statusOf,
  type DisputeFact,
  type FactChange,
  type PaymentFacts,
  type RefundFact,
} from '../../../domain/payment.ts';
import { entriesFor, type TotalsEntry } from '../../../domain/totals.ts';
import type { DonationCheck } from '../check.ts';
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

type Recomputed = {
  readonly facts: PaymentFacts;
  readonly problems: readonly string[];
  /** Stored totals entries that are not the ones their transition makes. */
  readonly wrongEntries: readonly string[];
};

/** Stops at the first transition that cannot follow: what comes after it means nothing. */
function recompute({ id, payment, transitions }: DonationSnapshot): Recomputed | null {
  if (payment === null || !isCurrencyCode(payment.currency)) return null;
  let facts = initialFacts({ amountMinor: payment.amountMinor, currency: payment.currency });
  const wrongEntries: string[] = [];
  const problems: string[] = [];
  for (const [index, transition] of transitions.entries()) {
    const { version, fromState, toState } = transition;
    if (version !== index + 1) problems.push(`transition v${index + 1} is missing`);
    const change = factChange.safeParse(transition.change);
    if (!change.success) problems.push(`the change of v${version} cannot be read`);
    if (problems.length > 0 || !change.success) break;
    try {
      const before = facts;
      facts = evolve(before, change.data);
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
  return { facts, problems, wrongEntries };
}

const transitionsDiffer: DonationCheck = {
  name: 'transitions-differ',
  class: 'mismatch',
  meaning: 'The payment’s row is not what its recorded transitions add up to.',
  fix: 'The transitions are append-only evidence: find the write that bypassed them, then correct the row in a reviewed migration.',
  find: (donation) => {
    const { payment, transitions } = donation;
    if (payment === null)
      return transitions.length > 0 ? [`${transitions.length} transitions of no payment`] : [];
    const recomputed = recompute(donation);
    if (recomputed === null) return [`currency ${payment.currency} is not one that is taken`];
    const { facts, problems } = recomputed;
    if (problems.length > 0) return problems;
    const row = {
      state: payment.state,
      version: payment.version,
      authorized: payment.authorized,
      captured: payment.capturedMinor,
      refunded: payment.refundedMinor,
      closed: payment.closedAs === null ? 'no' : `${payment.closedAs} ${payment.closedCode ?? ''}`,
    };
    const proven: typeof row = {
      state: statusOf(facts),
      version: transitions.length,
      authorized: facts.authorized,
      captured: facts.capturedMinor,
      refunded: refundedMinor(facts),
      closed: facts.closed === null ? 'no' : `${facts.closed.as} ${facts.closed.code}`,
    };
    return (Object.keys(row) as (keyof typeof row)[])
      .filter((name) => row[name] !== proven[name])
      .map((name) => `${name}: the row says ${String(row[name])}, its transitions ${String(proven[name])}`);
  },
};

const reversalsDiffer: DonationCheck = {
  name: 'reversals-differ',
  class: 'mismatch',
  meaning: 'The rows of refunds or disputes are not what the payment’s transitions say of them.',
  fix: 'Compare both with the provider’s refunds and disputes; its word is what counts.',
  find: (donation) => {
    const recomputed = recompute(donation);
    if (recomputed === null || recomputed.problems.length > 0) return [];
    const { refunds, disputes } = recomputed.facts;
    return [
      // A refund is reserved by its row before the provider knows of it, so a pending row has no transition.
      ...compare(
        'refund',
        refunds,
        donation.refunds.map((row) => ({ ...row, id: row.providerRefundId })),
        'pending',
      ),
      ...compare(
        'dispute',
        disputes,
        donation.disputes.map((row) => ({ ...row, id: row.providerDisputeId })),
        'opened',
      ),
    ];
  },
};

type Reversal = (RefundFact | DisputeFact) & { readonly id: string | null };

function compare(
  what: string,
  proven: Readonly<Record<string, RefundFact | DisputeFact>>,
  rows: readonly Reversal[],
  begun: string,
): string[] {
  const show = (it: RefundFact | DisputeFact | undefined): string =>
    it === undefined ? 'nothing' : `${it.amountMinor} ${it.status}`;
  const stored = new Map(rows.map((row) => [row.id, row]));
  const ids = new Set([
    ...Object.keys(proven),
    ...rows.flatMap(({ id, status }) => (id === null || status === begun ? [] : [id])),
  ]);
  return [...ids]
    .filter((id) => show(stored.get(id)) !== show(proven[id]))
    .map((id) => `${what} ${id}: the row says ${show(stored.get(id))}, the transitions ${show(proven[id])}`);
}

const entriesWrong: DonationCheck = {
  name: 'entries-wrong',
  class: 'mismatch',
  meaning: 'A transition stores other totals entries than its change makes.',
  fix: 'Compare with the campaign’s totals: wrong entries were counted there too, and need a reviewed correction.',
  find: (donation) => recompute(donation)?.wrongEntries ?? [],
};

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

export const factChecks: readonly DonationCheck[] = [transitionsDiffer, reversalsDiffer, entriesWrong];
