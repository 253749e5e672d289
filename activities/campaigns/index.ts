/** Keeps `campaign_totals` by increments, each applied once, many per transaction. */
import type { ClientBase, Pool } from 'pg';
import type { TotalsEntry, TotalsEntryKind } from '../../domain/totals.ts';
import { insertOutboxEvents } from '../../events/outbox.ts';
import { createBatcher } from '../../platform/batcher.ts';
import type { Failpoint } from '../../platform/failpoint.ts';
import { transaction } from '../../platform/postgres.ts';
import type { CampaignActivities } from '../../workflows/ports.ts';

export type CampaignActivityDeps = {
  readonly pool: Pool;
  readonly failpoint: Failpoint;
  readonly outboxWritten: () => void;
};

const MAX_BATCH = 256;
const MAX_WAITING = 10_000;

type Applied = { readonly ok: true } | { readonly ok: false; readonly error: unknown };

export function createCampaignActivities(deps: CampaignActivityDeps): CampaignActivities {
  const { pool, failpoint, outboxWritten } = deps;
  const apply = (entries: readonly TotalsEntry[]): Promise<void> =>
    transaction(pool, async (client) => {
      await applyEntries(client, entries);
      failpoint('totals.before-commit');
    });

  // Concurrent sagas of one campaign would queue for its row; together they lock it once.
  const batches = createBatcher<readonly TotalsEntry[], Applied>({
    maxBatch: MAX_BATCH,
    maxWaiting: MAX_WAITING,
    run: async (calls) => {
      try {
        await apply(calls.flat());
        return calls.map(() => ({ ok: true }) as const);
      } catch (error) {
        if (calls.length === 1) return [{ ok: false, error }];
        // One entry that cannot apply yet (a refund before its capture) must not hold back the others.
        const results: Applied[] = [];
        for (const call of calls) {
          results.push(
            await apply(call).then(
              () => ({ ok: true }) as const,
              (cause: unknown) => ({ ok: false, error: cause }) as const,
            ),
          );
        }
        return results;
      }
    },
  });

  return {
    addToTotals: async (entries) => {
      if (entries.length === 0) return;
      const applied = await batches.add(entries);
      if (!applied.ok) throw applied.error;
      failpoint('totals.committed');
      outboxWritten();
    },

    isOpen: async (campaignId) => {
      // Past its deadline it takes nothing, also before it has been closed for it.
      const { rowCount } = await pool.query(
        `SELECT FROM campaigns WHERE id = $1 AND status = 'open' AND (deadline IS NULL OR deadline > now())`,
        [campaignId],
      );
      return rowCount === 1;
    },
  };
}

type Sums = { pledged: number; captured: number; refunded: number; lost: number; count: number };

const EFFECT: Readonly<Record<TotalsEntryKind, (amountMinor: number) => Partial<Sums>>> = {
  pledged: (amount) => ({ pledged: amount }),
  unpledged: (amount) => ({ pledged: -amount }),
  captured: (amount) => ({ captured: amount, count: 1 }),
  refunded: (amount) => ({ refunded: amount }),
  refund_failed: (amount) => ({ refunded: -amount }),
  dispute_lost: (amount) => ({ lost: amount }),
};

type TotalsRow = {
  campaign_id: string;
  total_pledged: number;
  total_captured: number;
  total_refunded: number;
  dispute_lost: number;
  donation_count: number;
  version: number;
};

/** An entry id applies once: `applied_entries` decides, and only what it took is added. */
async function applyEntries(client: ClientBase, entries: readonly TotalsEntry[]): Promise<void> {
  const sorted = [...new Map(entries.map((entry) => [entry.entryId, entry])).values()].toSorted((a, b) =>
    a.entryId < b.entryId ? -1 : 1,
  );
  const { rows: fresh } = await client.query<{ campaign_id: string; kind: TotalsEntryKind; amount: number }>({
    name: 'totals-claim',
    // In the order of ids: two batches that share entries must not deadlock.
    text: `INSERT INTO applied_entries (entry_id, campaign_id, donation_id, kind, amount)
           SELECT * FROM unnest($1::text[], $2::uuid[], $3::uuid[], $4::text[], $5::bigint[])
           ON CONFLICT (entry_id) DO NOTHING RETURNING campaign_id, kind, amount`,
    values: [
      sorted.map((entry) => entry.entryId),
      sorted.map((entry) => entry.campaignId),
      sorted.map((entry) => entry.donationId),
      sorted.map((entry) => entry.kind),
      sorted.map((entry) => entry.amountMinor),
    ],
  });
  if (fresh.length === 0) return;

  const sums = new Map<string, Sums>();
  for (const { campaign_id: campaignId, kind, amount } of fresh) {
    const sum = sums.get(campaignId) ?? { pledged: 0, captured: 0, refunded: 0, lost: 0, count: 0 };
    const effect = EFFECT[kind](amount);
    sums.set(campaignId, {
      pledged: sum.pledged + (effect.pledged ?? 0),
      captured: sum.captured + (effect.captured ?? 0),
      refunded: sum.refunded + (effect.refunded ?? 0),
      lost: sum.lost + (effect.lost ?? 0),
      count: sum.count + (effect.count ?? 0),
    });
  }

  // One campaign after the other in the order of ids, again against deadlocks.
  for (const [campaignId, sum] of [...sums].toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    const { rows } = await client.query<TotalsRow>({
      name: 'totals-add',
      text: `UPDATE campaign_totals SET total_pledged = total_pledged + $2, total_captured = total_captured + $3,
               total_refunded = total_refunded + $4, dispute_lost = dispute_lost + $5, donation_count = donation_count + $6,
               version = version + 1, updated_at = now()
             WHERE campaign_id = $1 RETURNING *`,
      values: [campaignId, sum.pledged, sum.captured, sum.refunded, sum.lost, sum.count],
    });
    const totals = rows[0];
    if (totals === undefined) throw new Error(`campaign ${campaignId} has no totals row`);
    await insertOutboxEvents(client, [totalsChanged(totals)]);
  }
}

function totalsChanged(totals: TotalsRow) {
  return {
    type: 'campaign.totals_changed.v1',
    aggregateId: totals.campaign_id,
    version: totals.version,
    payload: {
      campaignId: totals.campaign_id,
      totalPledged: totals.total_pledged,
      totalCaptured: totals.total_captured,
      totalRefunded: totals.total_refunded,
      disputeLost: totals.dispute_lost,
      donationCount: totals.donation_count,
      version: totals.version,
    },
  } as const;
}
