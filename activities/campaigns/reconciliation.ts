/** What reconciliation has done in the campaigns database. */
import type { Pool } from 'pg';
import type { TotalsEntryKind } from '../../domain/totals.ts';
import type {
  BookDifference,
  BookLine,
  ReconciliationCampaignActivities,
  Violation,
} from '../../workflows/ports.ts';

const MAX_VIOLATIONS = 500;

type EntryRow = {
  entry_id: string;
  donation_id: string;
  campaign_id: string;
  kind: string;
  amount: number;
};

export function createCampaignReconciliation(pool: Pool): ReconciliationCampaignActivities {
  return {
    differingTotals: async (lines) => {
      const { rows } = await pool.query<EntryRow>(
        'SELECT entry_id, donation_id, campaign_id, kind, amount FROM applied_entries WHERE entry_id = ANY($1)',
        [lines.flatMap(possibleIds)],
      );
      const applied = Map.groupBy(rows, (row) => row.donation_id);
      return lines.flatMap((line) => differenceOf(line, applied.get(line.donationId) ?? []));
    },

    campaignViolations: async () => {
      const { rows } = await pool.query<Violation>(
        `WITH sums AS (
           SELECT t.campaign_id, t.total_pledged, t.total_captured, t.total_refunded, t.dispute_lost, t.donation_count,
             coalesce(sum(amount) FILTER (WHERE kind = 'pledged'), 0) - coalesce(sum(amount) FILTER (WHERE kind = 'unpledged'), 0) AS pledged,
             coalesce(sum(amount) FILTER (WHERE kind = 'captured'), 0) AS captured,
             coalesce(sum(amount) FILTER (WHERE kind = 'refunded'), 0) - coalesce(sum(amount) FILTER (WHERE kind = 'refund_failed'), 0) AS refunded,
             coalesce(sum(amount) FILTER (WHERE kind = 'dispute_lost'), 0) AS lost,
             count(*) FILTER (WHERE kind = 'captured') AS count
           FROM campaign_totals t LEFT JOIN applied_entries e ON e.campaign_id = t.campaign_id GROUP BY t.campaign_id)
         SELECT class, subject, NULL AS "donationId", expected, found FROM (
           SELECT 'SUMS' AS class, campaign_id || ' pledged' AS subject, pledged::bigint AS expected, total_pledged AS found
             FROM sums WHERE pledged <> total_pledged
           UNION ALL SELECT 'SUMS', campaign_id || ' captured', captured::bigint, total_captured FROM sums WHERE captured <> total_captured
           UNION ALL SELECT 'SUMS', campaign_id || ' refunded', refunded::bigint, total_refunded FROM sums WHERE refunded <> total_refunded
           UNION ALL SELECT 'SUMS', campaign_id || ' lost', lost::bigint, dispute_lost FROM sums WHERE lost <> dispute_lost
           UNION ALL SELECT 'SUMS', campaign_id || ' donations', count, donation_count FROM sums WHERE count <> donation_count
           UNION ALL SELECT 'SUMS', c.id || ' without totals', 1, 0 FROM campaigns c LEFT JOIN campaign_totals t ON t.campaign_id = c.id
             WHERE t.campaign_id IS NULL
           UNION ALL SELECT 'PARKED', 'outbox event ' || id, NULL, attempts FROM outbox_events WHERE parked_at IS NOT NULL
         ) AS broken LIMIT $1`,
        [MAX_VIOLATIONS],
      );
      return rows;
    },
  };
}

type Entry = { readonly entryId: string; readonly kind: string; readonly amountMinor: number };

/** Of the transitions; the pledge itself is counted by the donation's workflow, before there is any payment. */
function entriesOf({ donationId, entries }: BookLine): Entry[] {
  return entries.map(({ id, ...entry }) => ({ ...entry, entryId: `${donationId}:${id}` }));
}

const KINDS: readonly TotalsEntryKind[] = [
  'pledged',
  'unpledged',
  'captured',
  'refunded',
  'refund_failed',
  'dispute_lost',
];

/** Also of entries that are not expected: the table is found by their ids alone, and those say what they are of. */
function possibleIds({ donationId, version }: BookLine): string[] {
  const versions = Array.from({ length: version + 1 }, (_, index) => index + 1);
  return versions.flatMap((of) => KINDS.map((kind) => `${donationId}:${of}:${kind}`));
}

function differenceOf(line: BookLine, applied: readonly EntryRow[]): BookDifference[] {
  const { donationId, campaignId } = line;
  const expected = entriesOf(line);
  const found = new Map(applied.map((row) => [row.entry_id, row]));
  const known = new Set(expected.map(({ entryId }) => entryId));
  const wrong = [
    ...applied
      .filter(({ entry_id: id }) => !known.has(id))
      .map((row) => `${row.entry_id} is not of its payment`),
    ...expected.flatMap(({ entryId, kind, amountMinor }) => {
      const row = found.get(entryId);
      if (row === undefined) return [];
      const isSame = row.kind === kind && row.amount === amountMinor && row.campaign_id === campaignId;
      return isSame ? [] : [`${entryId} is ${row.kind} ${row.amount} of campaign ${row.campaign_id}`];
    }),
  ];
  const missing = expected.filter(({ entryId }) => !found.has(entryId));
  if (wrong.length === 0 && missing.length === 0) return [];
  return [
    {
      donationId,
      isBehind: wrong.length === 0,
      expected: expected.map(({ entryId, amountMinor }) => `${entryId} ${amountMinor}`).join(', '),
      found: wrong.length > 0 ? wrong.join('; ') : `${missing.length} not counted`,
    },
  ];
}
