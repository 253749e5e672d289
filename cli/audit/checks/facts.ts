/** A payment's row, its refunds and its disputes against what its transitions prove. */
import {
  refundedMinor,
  reservedMinor,
  statusOf,
  type DisputeFact,
  type RefundFact,
} from '../../../domain/payment.ts';
import type { DonationCheck } from '../check.ts';
import { recompute } from './recompute.ts';

export const transitionsDiffer: DonationCheck = {
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
      reserved: payment.reservedMinor,
      closed: payment.closedAs === null ? 'no' : `${payment.closedAs} ${payment.closedCode ?? ''}`,
    };
    const proven: typeof row = {
      state: statusOf(facts),
      version: transitions.length,
      authorized: facts.authorized,
      captured: facts.capturedMinor,
      refunded: refundedMinor(facts),
      reserved: reservedMinor(facts),
      closed: facts.closed === null ? 'no' : `${facts.closed.as} ${facts.closed.code}`,
    };
    return (Object.keys(row) as (keyof typeof row)[])
      .filter((name) => row[name] !== proven[name])
      .map((name) => `${name}: the row says ${String(row[name])}, its transitions ${String(proven[name])}`);
  },
};

export const reversalsDiffer: DonationCheck = {
  name: 'reversals-differ',
  class: 'mismatch',
  meaning: 'The rows of refunds or disputes are not what the payment’s transitions say of them.',
  fix: 'Compare both with the provider’s refunds and disputes; its word is what counts.',
  find: (donation) => {
    const recomputed = recompute(donation);
    if (recomputed === null || recomputed.problems.length > 0) return [];
    const { refunds, disputes } = recomputed.facts;
    return [
      ...compare('refund', refunds, donation.refunds),
      ...compare('dispute', disputes, donation.disputes),
    ];
  },
};

function compare(
  what: string,
  proven: Readonly<Record<string, RefundFact | DisputeFact>>,
  rows: readonly ((RefundFact | DisputeFact) & { readonly id: string })[],
): string[] {
  const show = (it: RefundFact | DisputeFact | undefined): string =>
    it === undefined ? 'nothing' : `${it.amountMinor} ${it.status}`;
  const stored = new Map(rows.map((row) => [row.id, row]));
  return [...new Set([...Object.keys(proven), ...stored.keys()])]
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

export const factChecks: readonly DonationCheck[] = [transitionsDiffer, reversalsDiffer, entriesWrong];
