/** Campaigns as other services and readers find them. */
import type { Pool } from 'pg';
import { isUuid } from '../../domain/ids.ts';
import { isSlug } from '../../domain/slug.ts';
import { COLUMNS, readCampaign, type Campaign } from './campaign.ts';

/** By what stands in a link, in any spelling of its letters. */
export async function findByIdOrSlug(pool: Pool, idOrSlug: string): Promise<Campaign | null> {
  const name = idOrSlug.toLowerCase();
  if (isUuid(name)) return await readCampaign(pool, name);
  if (!isSlug(name)) return null;
  const { rows } = await pool.query<Campaign>({
    name: 'campaign-by-slug',
    text: `SELECT ${COLUMNS} FROM campaigns WHERE slug = $1`,
    values: [name],
  });
  return rows[0] ?? null;
}

/** Whose it is; null when it is the platform's own, or when there is no such campaign. */
export async function ownerOf(pool: Pool, id: string): Promise<string | null> {
  return (await readCampaign(pool, id))?.ownerId ?? null;
}
