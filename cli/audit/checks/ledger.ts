/** Double entry: does every posting balance, and is every capture booked for exactly what was captured? */
import type { DonationCheck } from '../check.ts';
import { money } from './provider.ts';

const postingUnbalanced: DonationCheck = {
  name: 'posting-unbalanced',
  class: 'mismatch',
  meaning: 'The lines of one posting do not add up to zero.',
  fix: 'The ledger is append-only: correct it with a second posting that balances the first.',
  find: ({ ledger }) => {
    const sums = new Map<string, number>();
    for (const { postingId, currency, amountMinor } of ledger) {
      const key = `${postingId} in ${currency}`;
      sums.set(key, (sums.get(key) ?? 0) + amountMinor);
    }
    return [...sums].filter(([, sum]) => sum !== 0).map(([posting, sum]) => `${posting} adds up to ${sum}`);
  },
};

const captureNotPosted: DonationCheck = {
  name: 'ledger-differs',
  class: 'mismatch',
  meaning: 'What the ledger books as captured is not what the payment says was captured.',
  fix: 'Add the missing posting, or one that takes the surplus back, in a reviewed migration.',
  find: ({ id, payment, ledger }) => {
    const captures = ledger.filter(({ postingId }) => postingId.endsWith(':captured'));
    const captured = payment?.capturedMinor ?? 0;
    const currency = payment?.currency ?? '';
    const booked = (account: string): number =>
      captures.reduce(
        (sum, line) =>
          line.account === account && line.currency === currency ? sum + line.amountMinor : sum,
        0,
      );
    const findings: string[] = [];
    if (booked('provider_balance') !== captured) {
      findings.push(
        `captured ${money(captured, currency)}, the ledger has ${money(booked('provider_balance'), currency)} at the provider`,
      );
    }
    if (booked('campaign_payable') !== -captured) {
      findings.push(
        `captured ${money(captured, currency)}, the ledger owes the campaign ${money(-booked('campaign_payable'), currency)}`,
      );
    }
    for (const { postingId, currency: other } of ledger) {
      if (other !== currency)
        findings.push(`posting ${postingId} is in ${other}, the payment in ${currency}`);
      if (!postingId.startsWith(`${id}:`)) findings.push(`posting ${postingId} belongs to another payment`);
    }
    return findings.length === 0 ? [] : [[...new Set(findings)].join('; ')];
  },
};

export const ledgerChecks: readonly DonationCheck[] = [postingUnbalanced, captureNotPosted];
