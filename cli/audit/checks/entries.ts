/** The increments of the campaign's totals: is everything counted that happened, once, and nothing else? */
import { pledgedEntry, type TotalsEntry } from '../../../domain/totals.ts';
import { isInFlight, isMoving, type DonationCheck } from '../check.ts';
import type { AppliedEntry, DonationSnapshot } from '../snapshot.ts';

/** What should be applied in the end: the pledge, and what each transition stored. Unreadable ones are reported elsewhere. */
function expectedEntries({ id, pledge, transitions }: DonationSnapshot): Map<string, TotalsEntry> {
  const entries = transitions.flatMap(({ entries: stored }) =>
    Array.isArray(stored) ? (stored as TotalsEntry[]) : [],
  );
  if (pledge !== null) entries.unshift(pledgedEntry(id, pledge.campaignId, pledge.amountMinor));
  return new Map(entries.map((entry) => [entry.entryId, entry]));
}

const show = ({ kind, amountMinor, campaignId, donationId }: TotalsEntry | AppliedEntry): string =>
  `${kind} ${amountMinor} of donation ${donationId} for campaign ${campaignId}`;

const entryMissing: DonationCheck = {
  name: 'entry-missing',
  class: 'missing',
  meaning: 'Something happened to this donation that the campaign’s totals do not count.',
  fix: 'Run `careforall replay <id>`; addToTotals applies what is missing, once.',
  find: (donation, context) => {
    if (isInFlight(donation, context) || isMoving(donation, context)) return [];
    const applied = new Set(donation.applied.map(({ entryId }) => entryId));
    return [...expectedEntries(donation).values()]
      .filter(({ entryId }) => !applied.has(entryId))
      .map((entry) => `${entry.entryId} (${show(entry)}) is not applied`);
  },
};

const entryUnexplained: DonationCheck = {
  name: 'entry-unexplained',
  class: 'duplicate',
  meaning: 'The campaign’s totals count something that no pledge and no transition explains.',
  fix: 'Applied entries are append-only: find who wrote it, then correct the totals in a reviewed migration.',
  find: (donation) => {
    const expected = expectedEntries(donation);
    return donation.applied
      .filter(({ entryId }) => !expected.has(entryId))
      .map((entry) => `${entry.entryId} (${show(entry)}) comes from nowhere`);
  },
};

const entryDiffers: DonationCheck = {
  name: 'entry-differs',
  class: 'mismatch',
  meaning: 'An entry was applied with another kind, amount, donation or campaign than it should have.',
  fix: 'Correct the totals in a reviewed migration; the transition says what the entry should be.',
  find: (donation) => {
    const expected = expectedEntries(donation);
    return donation.applied.flatMap((entry) => {
      const should = expected.get(entry.entryId);
      return should === undefined || show(should) === show(entry)
        ? []
        : [`${entry.entryId} is ${show(entry)}, should be ${show(should)}`];
    });
  },
};

export const entryChecks: readonly DonationCheck[] = [entryMissing, entryUnexplained, entryDiffers];
