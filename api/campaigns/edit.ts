/** Changes of a campaign by those who may: what it says, and where it stands. Each locks the row first. */
import type { ClientBase, Pool } from 'pg';
import type { User } from '../../domain/actor.ts';
import { fixedFields, hasPassed, mayManage } from '../../domain/campaign.ts';
import { transaction } from '../../platform/postgres.ts';
import { Problem } from '../http/problem.ts';
import { requireFuture, type CampaignChanges } from './body.ts';
import { announce, COLUMNS, maySee, type Campaign } from './campaign.ts';
import { ruled } from './rules.ts';

export type Edit = {
  readonly user: User;
  readonly id: string;
  readonly changes: CampaignChanges;
  /** Whether the writer has seen this version. */
  readonly expected: (version: number) => boolean;
};

/**
 * A new version with its event, or the same campaign when nothing differs. Throws `campaign_not_found`, `forbidden`,
 * `campaign_conflict`, `campaign_fixed`, `slug_taken`, `invalid_body`.
 */
export async function editCampaign(pool: Pool, edit: Edit, now: Date): Promise<Campaign> {
  const { user, id, changes, expected } = edit;
  return await ruled(
    transaction(pool, async (client) => {
      const current = await lockManaged(client, user, id);
      if (!expected(current.version)) throw new Problem('campaign_conflict');
      const named = Object.keys(changes) as (keyof CampaignChanges)[];
      const changed = named.filter((field) => differs(current[field], changes[field]));
      if (changed.length === 0) return current;
      refuseFixed(current, changed, now);
      if (changed.includes('deadline')) requireFuture(changes.deadline ?? null, now);
      const set = changed.map((field, index) => `${EDITABLE[field]} = $${index + 2}`).join(', ');
      return await update(
        client,
        id,
        set,
        changed.map((field) => changes[field]),
      );
    }),
  );
}

/** Each field's column. */
const EDITABLE = {
  title: 'title',
  description: 'description',
  story: 'story',
  slug: 'slug',
  coverUrl: 'cover_url',
  goal: 'goal',
  deadline: 'deadline',
} as const satisfies Readonly<Record<keyof CampaignChanges, string>>;

function differs(before: unknown, after: unknown): boolean {
  return before instanceof Date && after instanceof Date
    ? before.getTime() !== after.getTime()
    : before !== after;
}

/** From here on it is public and takes donations. Again changes nothing; a closed one stays closed. */
export async function publishCampaign(pool: Pool, user: User, id: string, now: Date): Promise<Campaign> {
  return await transaction(pool, async (client) => {
    const current = await lockManaged(client, user, id);
    if (current.status === 'open') return current;
    if (current.status === 'closed')
      throw new Problem('campaign_closed', { detail: 'it is closed, and stays so' });
    if (hasPassed(current.deadline, now)) {
      const errors = [{ pointer: '/deadline', detail: 'has passed: set another one first' }];
      throw new Problem('campaign_closed', { errors });
    }
    return await update(client, id, `status = 'open'`);
  });
}

/** Again changes nothing. Donations that were accepted go on (docs/decisions/0019). */
export async function closeCampaign(pool: Pool, user: User, id: string): Promise<Campaign> {
  return await transaction(pool, async (client) => {
    const current = await lockManaged(client, user, id);
    if (current.status === 'closed') return current;
    const reason = current.ownerId === user.id ? 'owner' : 'operator';
    return await update(client, id, `status = 'closed', closed_reason = $2`, [reason]);
  });
}

/** Locked, so that two changes are one after the other, each on what the other left. */
async function lockManaged(client: ClientBase, user: User, id: string): Promise<Campaign> {
  const { rows } = await client.query<Campaign>(`SELECT ${COLUMNS} FROM campaigns WHERE id = $1 FOR UPDATE`, [
    id,
  ]);
  const [campaign] = rows;
  if (campaign === undefined || !maySee(user, campaign)) throw new Problem('campaign_not_found');
  if (!mayManage(user, campaign.ownerId)) throw new Problem('forbidden');
  return campaign;
}

function refuseFixed(current: Campaign, changed: readonly (keyof CampaignChanges)[], now: Date): void {
  const fixed = fixedFields(current, now).filter((field) => changed.includes(field));
  if (fixed.length === 0) return;
  throw new Problem('campaign_fixed', {
    errors: fixed.map((field) => ({
      pointer: `/${field}`,
      detail: field === 'slug' ? 'is fixed once published' : 'is fixed: the campaign has ended',
    })),
  });
}

async function update(
  client: ClientBase,
  id: string,
  set: string,
  values: readonly unknown[] = [],
): Promise<Campaign> {
  const { rows } = await client.query<Campaign>(
    `UPDATE campaigns SET ${set}, version = version + 1, updated_at = now() WHERE id = $1 RETURNING ${COLUMNS}`,
    [id, ...values],
  );
  const [campaign] = rows;
  if (campaign === undefined) throw new Error('a locked campaign is gone');
  await announce(client, [campaign]);
  return campaign;
}
