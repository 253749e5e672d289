/** Double entry: does every posting balance, and is everything that moved money booked, once, and nothing else? */
import type { FactChange, PaymentFacts } from '../../../domain/payment.ts';
import { isMoving, type DonationCheck, type SuspenseCheck } from '../check.ts';
import type { DonationSnapshot, LedgerLine } from '../snapshot.ts';
import { reversalsDiffer, transitionsDiffer } from './facts.ts';
import { isReviewed, money, oursAtProvider } from './provider.ts';
import { recompute } from './recompute.ts';
import { LOOK } from './refunds.ts';

function unbalanced(ledger: readonly LedgerLine[]): string[] {
  const sums = new Map<string, number>();
  for (const { postingId, currency, amountMinor } of ledger) {
    const key = `${postingId} in ${currency}`;
    sums.set(key, (sums.get(key) ?? 0) + amountMinor);
  }
  return [...sums].filter(([, sum]) => sum !== 0).map(([posting, sum]) => `${posting} adds up to ${sum}`);
}

const postingUnbalanced: DonationCheck = {
  name: 'posting-unbalanced',
  class: 'mismatch',
  meaning: 'The lines of one posting do not add up to zero.',
  fix: 'The ledger is append-only: correct it with a second posting that balances the first.',
  find: ({ ledger }) => unbalanced(ledger),
};

/** Written down here once more, on purpose: shared with the writer, a wrong account would look right. */
function movesOf(
  before: PaymentFacts,
  change: FactChange,
): { name: string; debit: string; credit: string } | null {
  switch (change.type) {
    case 'captured':
      return { name: 'captured', debit: 'provider_balance', credit: 'campaign_payable' };
    case 'refund':
      if (change.status === 'succeeded')
        return { name: 'refunded', debit: 'campaign_payable', credit: 'provider_balance' };
      return change.status === 'failed' && before.refunds[change.refundId]?.status === 'succeeded'
        ? { name: 'refund_failed', debit: 'provider_balance', credit: 'campaign_payable' }
        : null;
    case 'dispute':
      return {
        opened: { name: 'dispute_opened', debit: 'disputed_funds', credit: 'provider_balance' },
        won: { name: 'dispute_won', debit: 'provider_balance', credit: 'disputed_funds' },
        lost: { name: 'dispute_lost', debit: 'campaign_payable', credit: 'disputed_funds' },
      }[change.status];
    case 'authorized':
    case 'closed':
      return null;
    default:
      return change satisfies never;
  }
}

type Posting = { readonly id: string; readonly lines: readonly string[] };

const show = (account: string, amountMinor: number, currency: string): string =>
  `${account} ${amountMinor > 0 ? '+' : ''}${amountMinor} ${currency}`;

/** What the transitions move; null where they cannot be read, which is reported as such. */
function expectedPostings(donation: DonationSnapshot): Posting[] | null {
  const recomputed = recompute(donation);
  if (recomputed === null) return donation.payment === null ? [] : null;
  if (recomputed.problems.length > 0) return null;
  const { currency } = recomputed.facts;
  return recomputed.changes.flatMap(({ version, before, change }) => {
    const move = movesOf(before, change);
    if (move === null || !('amountMinor' in change)) return [];
    const { amountMinor } = change;
    return [
      {
        id: `${donation.id}:${version}:${move.name}`,
        lines: [show(move.debit, amountMinor, currency), show(move.credit, -amountMinor, currency)],
      },
    ];
  });
}

const FEE_ACCOUNTS: ReadonlySet<string> = new Set(['provider_fees', 'provider_balance']);

const ledgerDiffers: DonationCheck = {
  name: 'ledger-differs',
  class: 'mismatch',
  meaning: 'The ledger does not book what the payment’s transitions moved, or books something else.',
  fix: 'Add the missing posting, or one that takes the surplus back, in a reviewed migration.',
  find: (donation) => {
    const expected = expectedPostings(donation);
    if (expected === null) return [];
    const { id, ledger, payment } = donation;
    const booked = Map.groupBy(ledger, ({ postingId }) => postingId);
    const findings: string[] = [];
    for (const { id: postingId, lines } of expected) {
      const found = booked.get(postingId) ?? [];
      booked.delete(postingId);
      // Half a posting is reported as unbalanced.
      if (unbalanced(found).length > 0) continue;
      const written = found.map((line) => show(line.account, line.amountMinor, line.currency));
      if (written.toSorted().join() !== lines.toSorted().join())
        findings.push(
          `${postingId} should be ${lines.join(', ')}, is ${written.length === 0 ? 'missing' : written.join(', ')}`,
        );
    }
    // Of the fee only the sum is known, which is compared as a balance.
    for (const [postingId, lines] of booked) {
      const isFee =
        postingId.startsWith(`${id}:fee:`) &&
        lines.every(
          ({ account, currency }) => FEE_ACCOUNTS.has(account) && currency === payment?.feeCurrency,
        );
      if (!isFee && unbalanced(lines).length === 0)
        findings.push(
          `${postingId} (${lines.map((line) => show(line.account, line.amountMinor, line.currency)).join(', ')}) comes from nowhere`,
        );
    }
    return findings.length === 0 ? [] : [findings.join('; ')];
  },
};

const feeDiffers: DonationCheck = {
  name: 'fee-differs',
  class: 'mismatch',
  meaning: 'The provider keeps another fee of a payment than our books say.',
  fix: LOOK,
  find: (donation, context) => {
    const { payment } = donation;
    const theirs = oursAtProvider(donation);
    // Nobody has to know it before the capture; and the provider may need a moment to tell.
    if (payment === null || payment.capturedMinor === 0 || theirs?.fee == null) return [];
    if (isMoving(donation, context) || isReviewed(donation, 'fee')) return [];
    const booked =
      payment.feeMinor === null || payment.feeCurrency === null
        ? 'none'
        : money(payment.feeMinor, payment.feeCurrency);
    const kept = money(theirs.fee.amountMinor, theirs.fee.currency);
    return booked === kept || (booked === 'none' && theirs.fee.amountMinor === 0)
      ? []
      : [`ours ${booked}, provider ${kept}`];
  },
};

const CAUSES: readonly DonationCheck[] = [
  postingUnbalanced,
  ledgerDiffers,
  transitionsDiffer,
  reversalsDiffer,
];

const balanceDiffers: DonationCheck = {
  name: 'balance-differs',
  class: 'mismatch',
  meaning:
    'What the ledger has at the provider is not captured less fee, succeeded refunds and disputes that are not won.',
  fix: 'Book the difference in a reviewed migration: the payment’s row says what it should be.',
  find: (donation, context) => {
    const { payment, refunds, disputes, ledger } = donation;
    // Each of these is a cause, and is reported as that.
    if (payment === null || CAUSES.some((check) => check.find(donation, context).length > 0)) return [];
    const should = new Map<string, number>();
    const add = (currency: string, amountMinor: number): void => {
      should.set(currency, (should.get(currency) ?? 0) + amountMinor);
    };
    add(payment.currency, payment.capturedMinor);
    for (const { status, amountMinor } of refunds)
      if (status === 'succeeded') add(payment.currency, -amountMinor);
    for (const { status, amountMinor } of disputes) if (status !== 'won') add(payment.currency, -amountMinor);
    if (payment.feeMinor !== null && payment.feeCurrency !== null)
      add(payment.feeCurrency, -payment.feeMinor);
    return [...should].flatMap(([currency, amountMinor]) => {
      const booked = ledger
        .filter((line) => line.account === 'provider_balance' && line.currency === currency)
        .reduce((sum, line) => sum + line.amountMinor, 0);
      return booked === amountMinor
        ? []
        : [`the ledger has ${booked} ${currency} at the provider, the payment comes to ${amountMinor}`];
    });
  },
};

export const ledgerChecks: readonly DonationCheck[] = [
  postingUnbalanced,
  ledgerDiffers,
  feeDiffers,
  balanceDiffers,
];

const suspenseUnbalanced: SuspenseCheck = {
  ...postingUnbalanced,
  name: 'suspense-unbalanced',
  find: ({ lines }) => unbalanced(lines),
};

const suspenseUnfounded: SuspenseCheck = {
  name: 'suspense-unfounded',
  class: 'mismatch',
  meaning: 'Money stands in suspense that is ours after all, or that the provider never took.',
  fix: 'Take it out of suspense with a second posting under the same payment, in a reviewed migration.',
  find: ({ lines, donationId, provider }) => {
    const openMinor = lines
      .filter(({ account }) => account === 'suspense')
      .reduce((sum, { amountMinor }) => sum + amountMinor, 0);
    if (openMinor === 0) return [];
    if (donationId !== null)
      return [`${-openMinor} in suspense; it is the payment of donation ${donationId}`];
    if (provider?.status === 'succeeded') return [];
    return [
      `${-openMinor} in suspense; the provider ${provider === null ? 'does not know the payment' : `says ${provider.status}`}`,
    ];
  },
};

export const suspenseChecks: readonly SuspenseCheck[] = [suspenseUnbalanced, suspenseUnfounded];
