/** A campaign as a row, as JSON, and as what others are told of it. */
import type { ClientBase, Pool } from 'pg';
import type { z } from 'zod';
import { mayManage, type CampaignStatus } from '../../domain/campaign.ts';
import type { Actor } from '../../domain/actor.ts';
import type { CurrencyCode } from '../../domain/money.ts';
import { insertOutboxEvents } from '../../events/outbox.ts';
import type { campaignAnswer, campaignSummaryAnswer } from './answers.ts';

/** Of a list: the story is left out. */
export type CampaignSummary = {
  readonly id: string;
  readonly slug: string;
  readonly title: string;
  readonly description: string;
  readonly coverUrl: string | null;
  readonly currency: CurrencyCode;
  readonly goal: number | null;
  readonly deadline: Date | null;
  readonly status: CampaignStatus;
  /** Null: the platform's own. */
  readonly ownerId: string | null;
  readonly version: number;
  readonly createdAt: Date;
  readonly publishedAt: Date | null;
  readonly closedAt: Date | null;
};

export type Campaign = CampaignSummary & { readonly story: string };

export const SUMMARY_COLUMNS = `id, slug, title, description, cover_url AS "coverUrl", currency, goal, deadline, status, owner_id AS "ownerId",
  version, created_at AS "createdAt", published_at AS "publishedAt", closed_at AS "closedAt"`;
export const COLUMNS = `${SUMMARY_COLUMNS}, story`;

/** Until it is published, a campaign exists for those alone who may change it. */
export function maySee(actor: Actor, campaign: CampaignSummary): boolean {
  return campaign.publishedAt !== null || mayManage(actor, campaign.ownerId);
}

export async function readCampaign(client: Pool | ClientBase, id: string): Promise<Campaign | null> {
  const { rows } = await (client as Pool).query<Campaign>({
    name: 'campaign-find',
    text: `SELECT ${COLUMNS} FROM campaigns WHERE id = $1`,
    values: [id],
  });
  return rows[0] ?? null;
}

/** Within the transaction that changed it: every version has its event. */
export async function announce(client: ClientBase, campaigns: readonly CampaignSummary[]): Promise<void> {
  await insertOutboxEvents(
    client,
    campaigns.map(({ id, currency, status, version, deadline }) => ({
      type: 'campaign.changed.v1',
      aggregateId: id,
      version,
      payload: {
        campaignId: id,
        currency,
        status,
        version,
        ...(deadline === null ? {} : { deadline: deadline.toISOString() }),
      },
    })),
  );
}

export function summaryToJson(campaign: CampaignSummary): z.infer<typeof campaignSummaryAnswer> {
  const { id, slug, title, description, coverUrl, currency, goal, deadline, status, version } = campaign;
  return {
    id,
    slug,
    title,
    description,
    coverUrl,
    currency,
    goal,
    deadline: deadline?.toISOString() ?? null,
    status,
    version,
    createdAt: campaign.createdAt.toISOString(),
    publishedAt: campaign.publishedAt?.toISOString() ?? null,
    closedAt: campaign.closedAt?.toISOString() ?? null,
  };
}

export function toJson(campaign: Campaign): z.infer<typeof campaignAnswer> {
  return { ...summaryToJson(campaign), story: campaign.story };
}
