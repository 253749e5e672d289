/** What a campaign has raised, from the one row that every counted donation keeps up. */
import type { Router } from 'express';
import type { Pool } from 'pg';
import type { z } from 'zod';
import type { CurrencyCode } from '../../domain/money.ts';
import { etagOf, isKnownToReader } from '../http/etag.ts';
import { pathId } from '../http/path-id.ts';
import { methodNotAllowed, Problem } from '../http/problem.ts';
import type { totalsAnswer } from './answers.ts';

type CampaignTotals = {
  readonly campaignId: string;
  readonly currency: CurrencyCode;
  readonly goal: number | null;
  readonly totalPledged: number;
  readonly totalCaptured: number;
  readonly totalRefunded: number;
  readonly disputeLost: number;
  readonly donationCount: number;
  readonly version: number;
  /** Of the campaign itself, whose goal is shown. */
  readonly campaignVersion: number;
  readonly asOf: Date;
};

export function addTotalsRoute(router: Router, pool: Pool): void {
  router.get('/campaigns/:id/total', async (request, response) => {
    const totals = await readTotals(pool, pathId(request, 'id', 'campaign_not_found'));
    if (totals === null) throw new Problem('campaign_not_found');
    const etag = etagOf(totals.version, totals.campaignVersion);
    response.set({ ETag: etag, 'Cache-Control': 'no-cache' });
    if (isKnownToReader(request, etag)) response.status(304).end();
    else response.json(toJson(totals));
  });
  router.all('/campaigns/:id/total', methodNotAllowed('GET'));
}

/** One row by its key, whatever the number of donations: never an aggregate. What was never published has raised nothing. */
async function readTotals(pool: Pool, id: string): Promise<CampaignTotals | null> {
  const { rows } = await pool.query<CampaignTotals>({
    name: 'campaign-totals',
    text: `SELECT c.id AS "campaignId", c.currency, c.goal, t.total_pledged AS "totalPledged", t.total_captured AS "totalCaptured",
             t.total_refunded AS "totalRefunded", t.dispute_lost AS "disputeLost", t.donation_count AS "donationCount",
             t.version, c.version AS "campaignVersion", t.updated_at AS "asOf"
           FROM campaign_totals t JOIN campaigns c ON c.id = t.campaign_id WHERE t.campaign_id = $1 AND c.published_at IS NOT NULL`,
    values: [id],
  });
  return rows[0] ?? null;
}

function toJson(all: CampaignTotals): z.infer<typeof totalsAnswer> {
  const { campaignId: id, currency, goal, disputeLost, version, asOf } = all;
  const { totalPledged, totalCaptured, totalRefunded, donationCount } = all;
  return {
    campaignId: id,
    currency,
    raised: totalCaptured - totalRefunded - disputeLost,
    totalPledged,
    totalCaptured,
    totalRefunded,
    donationCount,
    goal,
    version,
    asOf: asOf.toISOString(),
  };
}
