/** Campaigns in pages, newest first. */
import type { Pool } from 'pg';
import type { User } from '../../domain/actor.ts';
import { CAMPAIGN_STATUSES, type CampaignStatus } from '../../domain/campaign.ts';
import { MAX_SEARCH_LENGTH } from '../../domain/limits.ts';
import { cursorTime, type Cursor } from '../http/pages.ts';
import { Problem } from '../http/problem.ts';
import { SUMMARY_COLUMNS, type CampaignSummary } from './campaign.ts';

export type Filter = {
  readonly status: CampaignStatus | null;
  /** As `to_tsquery` reads it. */
  readonly search: string | null;
  /** Theirs, drafts included; null: everybody's that is published. */
  readonly manager: User | null;
};

/** A cursor only says "older than this", so that one of another filter is safe: it starts in the same place. */
export async function listCampaigns(
  pool: Pool,
  { status, search, manager }: Filter,
  limit: number,
  after: Cursor,
): Promise<(CampaignSummary & { readonly cursorTime: string })[]> {
  const values: unknown[] = [limit + 1, after.time, after.id];
  const conditions = ['(created_at, id) < ($2::timestamptz, $3::uuid)'];
  const add = (condition: (parameter: string) => string, value: unknown): void => {
    values.push(value);
    conditions.push(condition(`$${values.length}`));
  };
  if (manager === null) conditions.push('published_at IS NOT NULL');
  else if (manager.role === 'operator')
    add((me) => `(owner_id = ${me}::uuid OR owner_id IS NULL)`, manager.id);
  else add((me) => `owner_id = ${me}::uuid`, manager.role === 'organizer' ? manager.id : null);
  if (status !== null) add((parameter) => `status = ${parameter}`, status);
  if (search !== null) add((parameter) => `search @@ to_tsquery('simple', ${parameter})`, search);
  const { rows } = await pool.query<CampaignSummary & { readonly cursorTime: string }>({
    text: `SELECT ${SUMMARY_COLUMNS}, ${cursorTime('created_at')} AS "cursorTime" FROM campaigns
           WHERE ${conditions.join(' AND ')} ORDER BY created_at DESC, id DESC LIMIT $1`,
    values,
  });
  return rows;
}

/** From `?status=`. Throws `invalid_parameter`. */
export function readStatus(value: unknown): CampaignStatus | null {
  if (value === undefined) return null;
  const status = CAMPAIGN_STATUSES.find((known) => known === value);
  if (status === undefined)
    throw new Problem('invalid_parameter', { detail: 'status must be draft, open or closed' });
  return status;
}

/**
 * From `?q=`: campaigns that hold every word, the last one perhaps only begun. Throws `invalid_parameter`. Words are
 * quoted, so that none of them is an operator (PostgreSQL: Text Search Types, tsquery).
 */
export function readSearch(value: unknown): string | null {
  if (value === undefined) return null;
  const text = typeof value === 'string' ? value.trim() : '';
  if (text === '' || text.length > MAX_SEARCH_LENGTH || text.includes('\0'))
    throw new Problem('invalid_parameter', {
      detail: `q must be 1 to ${MAX_SEARCH_LENGTH} characters, given once`,
    });
  const words = text.split(/\s+/);
  return words.map((word, index) => anyCase(word, index === words.length - 1 ? ':*' : '')).join(' & ');
}

/** PostgreSQL folds the case of ASCII alone in some locales, on both sides; the usual spellings make up for it. */
function anyCase(word: string, suffix: string): string {
  const lower = word.toLowerCase();
  const [first = '', ...rest] = lower;
  const spellings = new Set([lower, first.toUpperCase() + rest.join(''), word.toUpperCase()]);
  const quoted = Array.from(spellings, (it) => `'${it.replaceAll(/['\\]/g, '$&$&')}'${suffix}`);
  return `(${quoted.join(' | ')})`;
}

/** From `?owner=`: whether only the reader's own are asked for. Throws `invalid_parameter`. */
export function readOwner(value: unknown): boolean {
  if (value !== undefined && value !== 'me')
    throw new Problem('invalid_parameter', { detail: 'owner can only be me' });
  return value === 'me';
}
