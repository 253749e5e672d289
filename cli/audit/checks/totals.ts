/** A campaign's totals against the increments that made them, added up again by the domain. */
import type { Totals } from '../../../domain/totals.ts';
import type { CampaignCheck } from '../check.ts';

const NAMES = [
  'totalPledgedMinor',
  'totalCapturedMinor',
  'totalRefundedMinor',
  'disputeLostMinor',
  'donationCount',
] as const satisfies (keyof Totals)[];

const totalsDiffer: CampaignCheck = {
  name: 'totals-differ',
  class: 'mismatch',
  meaning: 'The totals that everybody sees are not the sum of the entries that were applied.',
  atOnce: true,
  fix: 'Set campaign_totals of <id> to the recomputed numbers, with its version raised by one, in a reviewed migration.',
  find: ({ totals, recomputed, refusedEntries }) => {
    const refused = refusedEntries.map((entryId) => `entry ${entryId} would make a total negative`);
    if (totals === null) return refused;
    const wrong = NAMES.filter((name) => totals[name] !== recomputed[name]);
    return [
      ...refused,
      ...wrong.map(
        (name) => `${name}: the row says ${totals[name]}, its entries add up to ${recomputed[name]}`,
      ),
    ];
  },
};

const totalsMissing: CampaignCheck = {
  name: 'totals-missing',
  class: 'missing',
  meaning: 'A campaign has no row of totals: every donation to it waits.',
  fix: 'Insert its row into campaign_totals (zeros, or the sums of its applied entries).',
  find: ({ totals }) => (totals === null ? ['there is no row'] : []),
};

const campaignEventMissing: CampaignCheck = {
  name: 'campaign-event-missing',
  class: 'missing',
  meaning: 'The newest change of a campaign or of its totals has no row in the outbox.',
  fix: 'Insert the outbox row in a reviewed migration; readers catch up with the next change in any case.',
  find: ({ version, totals, outbox }) => {
    const expected = [`campaign.changed.v1 v${version}`];
    if (totals !== null && totals.version > 0) expected.push(`campaign.totals_changed.v1 v${totals.version}`);
    const written = new Set(outbox.map((row) => `${row.type} v${row.version}`));
    return expected.filter((event) => !written.has(event)).map((event) => `${event} was never written`);
  },
};

const payableDiffers: CampaignCheck = {
  name: 'payable-differs',
  class: 'mismatch',
  meaning: 'What the ledger owes a campaign is not what its totals count for the same donations.',
  atOnce: true,
  fix: 'Each donation is right in itself, so their sum must be: compare `campaign_payable` with captured − refunded − lost per donation of <id>.',
  find: ({ payable: { ledgerMinor, countedMinor } }) =>
    ledgerMinor === countedMinor
      ? []
      : [`the ledger owes ${ledgerMinor}, captured − refunded − lost disputes are ${countedMinor}`],
};

export const totalsChecks: readonly CampaignCheck[] = [
  totalsDiffer,
  payableDiffers,
  totalsMissing,
  campaignEventMissing,
];
