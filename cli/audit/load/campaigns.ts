/** Campaigns with their totals, and those totals added up again from the entries that pass by. */
import {
  applyEntry,
  EMPTY_TOTALS,
  raisedMinor,
  type Totals,
  type TotalsEntryKind,
} from '../../../domain/totals.ts';
import type { AppliedEntry, CampaignSnapshot, DonationSnapshot, OutboxRow } from '../snapshot.ts';
import type { Snapshot } from './databases.ts';
import { outbox } from './donations.ts';

/** Within one version: what makes room comes before what takes it (the order of `entriesFor`). */
const ORDER: Readonly<Record<TotalsEntryKind, number>> = {
  pledged: 0,
  unpledged: 1,
  captured: 2,
  refund_failed: 3,
  refunded: 4,
  dispute_lost: 5,
};
const MAX_REFUSED = 100;

export type Recomputation = {
  /** Adds all entries of one donation; the order of donations does not matter, that of their versions does. */
  add(entries: readonly AppliedEntry[]): void;
  /** Adds what ledger and entries say of a donation that is right in itself. */
  compare(donation: DonationSnapshot): void;
  totalsOf(campaignId: string): Totals;
  payableOf(campaignId: string): CampaignSnapshot['payable'];
  refusedOf(campaignId: string): readonly string[];
};

export function recomputeTotals(): Recomputation {
  const totals = new Map<string, Totals>();
  const refused = new Map<string, string[]>();
  const payable = new Map<string, { ledgerMinor: number; countedMinor: number }>();
  return {
    add: (entries) => {
      const inOrder = entries.toSorted((a, b) => rankOf(a) - rankOf(b));
      for (const entry of inOrder) {
        try {
          totals.set(entry.campaignId, applyEntry(totals.get(entry.campaignId) ?? EMPTY_TOTALS, entry));
        } catch (error) {
          if (!(error instanceof RangeError)) throw error;
          const list = refused.get(entry.campaignId) ?? [];
          if (list.length < MAX_REFUSED) list.push(entry.entryId);
          refused.set(entry.campaignId, list);
        }
      }
    },
    compare: ({ payment, ledger, applied }) => {
      if (payment === null) return;
      const sum = payable.get(payment.campaignId) ?? { ledgerMinor: 0, countedMinor: 0 };
      for (const { account, amountMinor } of ledger)
        if (account === 'campaign_payable') sum.ledgerMinor -= amountMinor;
      sum.countedMinor += raisedMinor(
        applied.toSorted((a, b) => rankOf(a) - rankOf(b)).reduce(applyEntry, EMPTY_TOTALS),
      );
      payable.set(payment.campaignId, sum);
    },
    totalsOf: (campaignId) => totals.get(campaignId) ?? EMPTY_TOTALS,
    payableOf: (campaignId) => payable.get(campaignId) ?? { ledgerMinor: 0, countedMinor: 0 },
    refusedOf: (campaignId) => refused.get(campaignId) ?? [],
  };
}

/** `<donation>:pledged` is the first, `<donation>:<version>:<kind>` the others, by version and then by kind. */
function rankOf({ entryId, kind }: AppliedEntry): number {
  const version = Number(entryId.split(':')[1]);
  return (Number.isInteger(version) ? version : 0) * 10 + ORDER[kind];
}

type CampaignRow = {
  id: string;
  currency: string;
  version: number;
  pledged: number | null;
  captured: number;
  refunded: number;
  lost: number;
  count: number;
  totalsVersion: number;
  updatedAt: Date;
};

export async function readCurrencies(snapshot: Snapshot): Promise<Map<string, string>> {
  const rows = await snapshot.query<{ id: string; currency: string }>(
    'campaigns',
    'SELECT id, currency FROM campaigns',
  );
  return new Map(rows.map(({ id, currency }) => [id, currency]));
}

export async function readCampaigns(
  snapshot: Snapshot,
  recomputation: Recomputation,
): Promise<CampaignSnapshot[]> {
  const rows = await snapshot.query<CampaignRow>(
    'campaigns',
    `SELECT c.id, c.currency, c.version, t.total_pledged AS pledged, t.total_captured AS captured, t.total_refunded AS refunded,
       t.dispute_lost AS lost, t.donation_count AS count, t.version AS "totalsVersion", t.updated_at AS "updatedAt"
     FROM campaigns c LEFT JOIN campaign_totals t ON t.campaign_id = c.id ORDER BY c.id`,
  );
  const events = await snapshot.query<OutboxRow & { donationId: string }>(
    'campaigns',
    `${outbox('campaigns')} WHERE NOT processed OR (aggregate_id, version, type) IN (
       SELECT id, version, 'campaign.changed.v1' FROM campaigns
       UNION ALL SELECT campaign_id, version, 'campaign.totals_changed.v1' FROM campaign_totals)`,
  );
  const byCampaign = Map.groupBy(events, ({ donationId: campaignId }) => campaignId);
  return rows.map((row) => ({
    id: row.id,
    currency: row.currency,
    version: row.version,
    totals:
      row.pledged === null
        ? null
        : {
            totalPledgedMinor: row.pledged,
            totalCapturedMinor: row.captured,
            totalRefundedMinor: row.refunded,
            disputeLostMinor: row.lost,
            donationCount: row.count,
            version: row.totalsVersion,
            updatedAt: row.updatedAt,
          },
    recomputed: recomputation.totalsOf(row.id),
    refusedEntries: recomputation.refusedOf(row.id),
    payable: recomputation.payableOf(row.id),
    outbox: byCampaign.get(row.id) ?? [],
  }));
}
