/** Campaigns as rows; each change writes its event in the same transaction. */
import type { ClientBase, Pool } from 'pg';
import type { CurrencyCode } from '../../domain/money.ts';
import { insertOutboxEvents } from '../../events/outbox.ts';
import { transaction } from '../../platform/postgres.ts';
import { cursorTime, type Cursor } from '../http/pages.ts';

export type CampaignStatus = 'draft' | 'open' | 'closed';

export type Campaign = {
  readonly id: string;
  readonly title: string;
  readonly description: string;
  readonly currency: CurrencyCode;
  readonly goal: number | null;
  readonly status: CampaignStatus;
  readonly version: number;
  readonly createdAt: Date;
};

export type NewCampaign = Pick<Campaign, 'title' | 'description' | 'currency' | 'goal' | 'status'>;

export type CampaignTotals = {
  readonly campaignId: string;
  readonly currency: CurrencyCode;
  readonly goal: number | null;
  readonly totalPledged: number;
  readonly totalCaptured: number;
  readonly totalRefunded: number;
  readonly disputeLost: number;
  readonly donationCount: number;
  readonly version: number;
  readonly asOf: Date;
};

const COLUMNS = 'id, title, description, currency, goal, status, version, created_at AS "createdAt"';

export async function createCampaign(
  pool: Pool,
  campaign: NewCampaign,
  createdBy: string,
): Promise<Campaign> {
  return await transaction(pool, async (client) => {
    const { rows } = await client.query<Campaign>(
      `INSERT INTO campaigns (id, title, description, currency, goal, status, created_by)
       VALUES (gen_random_uuid(), $1, $2, $3, $4, $5, $6) RETURNING ${COLUMNS}`,
      [campaign.title, campaign.description, campaign.currency, campaign.goal, campaign.status, createdBy],
    );
    const created = one(rows);
    await client.query('INSERT INTO campaign_totals (campaign_id) VALUES ($1)', [created.id]);
    await announce(client, created);
    return created;
  });
}

/** Null when there is no such campaign; closing a closed one changes nothing. */
export async function closeCampaign(pool: Pool, id: string): Promise<Campaign | null> {
  return await transaction(pool, async (client) => {
    const { rows } = await client.query<Campaign>(
      `UPDATE campaigns SET status = 'closed', version = version + 1, updated_at = now() WHERE id = $1 AND status <> 'closed' RETURNING ${COLUMNS}`,
      [id],
    );
    if (rows[0] === undefined) return await readCampaign(client, id);
    await announce(client, rows[0]);
    return rows[0];
  });
}

export async function findCampaign(pool: Pool, id: string): Promise<Campaign | null> {
  return await readCampaign(pool, id);
}

/** Whose it is; null when it is the platform's own, or when there is no such campaign. */
export async function ownerOf(pool: Pool, id: string): Promise<string | null> {
  const { rows } = await pool.query<{ owner: string | null }>({
    name: 'campaign-owner',
    text: 'SELECT owner_id AS owner FROM campaigns WHERE id = $1',
    values: [id],
  });
  return rows[0]?.owner ?? null;
}

/** Newest first; one row more than `limit` tells whether there is a next page. */
export async function listCampaigns(
  pool: Pool,
  limit: number,
  after: Cursor,
): Promise<(Campaign & { readonly cursorTime: string })[]> {
  const { rows } = await pool.query<Campaign & { readonly cursorTime: string }>({
    name: 'campaign-list',
    text: `SELECT ${COLUMNS}, ${cursorTime('created_at')} AS "cursorTime" FROM campaigns
           WHERE (created_at, id) < ($2::timestamptz, $3::uuid) ORDER BY created_at DESC, id DESC LIMIT $1`,
    values: [limit + 1, after.time, after.id],
  });
  return rows;
}

/** One row by its key, whatever the number of donations: never an aggregate. */
export async function readTotals(pool: Pool, id: string): Promise<CampaignTotals | null> {
  const { rows } = await pool.query<CampaignTotals>({
    name: 'campaign-totals',
    text: `SELECT c.id AS "campaignId", c.currency, c.goal, t.total_pledged AS "totalPledged", t.total_captured AS "totalCaptured",
             t.total_refunded AS "totalRefunded", t.dispute_lost AS "disputeLost", t.donation_count AS "donationCount",
             t.version, t.updated_at AS "asOf"
           FROM campaign_totals t JOIN campaigns c ON c.id = t.campaign_id WHERE t.campaign_id = $1`,
    values: [id],
  });
  return rows[0] ?? null;
}

async function readCampaign(client: Pick<ClientBase, 'query'> | Pool, id: string): Promise<Campaign | null> {
  const { rows } = await (client as Pool).query<Campaign>({
    name: 'campaign-find',
    text: `SELECT ${COLUMNS} FROM campaigns WHERE id = $1`,
    values: [id],
  });
  return rows[0] ?? null;
}

async function announce(client: ClientBase, { id, currency, status, version }: Campaign): Promise<void> {
  await insertOutboxEvents(client, [
    {
      type: 'campaign.changed.v1',
      aggregateId: id,
      version,
      payload: { campaignId: id, currency, status, version },
    },
  ]);
}

function one<T>(rows: readonly T[]): T {
  const [row] = rows;
  if (row === undefined) throw new Error('INSERT … RETURNING gave no row');
  return row;
}
