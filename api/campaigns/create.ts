/** New campaigns: claimed by insert, the key first, then the slug. */
import { randomUUID } from 'node:crypto';
import type { ClientBase, Pool } from 'pg';
import { scopeOf, type User } from '../../domain/actor.ts';
import { slugsFor } from '../../domain/slug.ts';
import { transaction } from '../../platform/postgres.ts';
import { fingerprintOf } from '../http/idempotency-key.ts';
import { Problem } from '../http/problem.ts';
import { requireFuture, type NewCampaign } from './body.ts';
import { announce, COLUMNS, readCampaign, type Campaign } from './campaign.ts';
import { ruled, slugTaken } from './rules.ts';

/** `created`: this call made it. Otherwise the key's first request did. */
export type Creation = { readonly created: boolean; readonly campaign: Campaign };

/**
 * What an operator makes is the platform's own, what an organizer makes is theirs. Without a key every call makes one.
 * Throws `slug_taken`, `idempotency_key_reused`, and `invalid_body` for a deadline that is not ahead.
 */
export async function createCampaign(
  pool: Pool,
  user: User,
  key: string | null,
  campaign: NewCampaign,
  now: Date,
): Promise<Creation> {
  const claim = key === null ? null : claimOf(user, key, campaign);
  // Before the clock is asked: what was right the first time is answered again.
  const known = claim === null ? null : await replay(pool, claim);
  if (known !== null) return known;
  requireFuture(campaign.deadline, now);

  const id = randomUUID();
  const work = transaction(pool, async (client): Promise<Creation> => {
    if (claim !== null && !(await claimKey(client, claim, id))) {
      // A second statement: to the one that lost, the winner may be invisible.
      const twin = await replay(client, claim);
      if (twin === null) throw new Error('a key was neither claimed nor found');
      return twin;
    }
    const created = await insertCampaign(client, id, user, campaign);
    await client.query('INSERT INTO campaign_totals (campaign_id) VALUES ($1)', [id]);
    await announce(client, [created]);
    return { created: true, campaign: created };
  });
  return await ruled(work);
}

type Claim = { readonly scope: string; readonly key: string; readonly fingerprint: Buffer };

function claimOf(user: User, key: string, campaign: NewCampaign): Claim {
  const asked = { ...campaign, deadline: campaign.deadline?.getTime() ?? null };
  return {
    scope: scopeOf(user),
    key,
    fingerprint: fingerprintOf(asked),
  };
}

async function claimKey(
  client: ClientBase,
  { scope, key, fingerprint }: Claim,
  id: string,
): Promise<boolean> {
  const { rowCount } = await client.query(
    `INSERT INTO campaign_requests (scope, idempotency_key, fingerprint, campaign_id) VALUES ($1, $2, $3, $4)
     ON CONFLICT DO NOTHING`,
    [scope, key, fingerprint, id],
  );
  return rowCount === 1;
}

async function replay(
  client: Pool | ClientBase,
  { scope, key, fingerprint }: Claim,
): Promise<Creation | null> {
  const { rows } = await (client as Pool).query<{ id: string; fingerprint: Buffer }>(
    'SELECT campaign_id AS id, fingerprint FROM campaign_requests WHERE scope = $1 AND idempotency_key = $2',
    [scope, key],
  );
  const [first] = rows;
  if (first === undefined) return null;
  if (!first.fingerprint.equals(fingerprint)) throw new Problem('idempotency_key_reused');
  const campaign = await readCampaign(client, first.id);
  return campaign === null ? null : { created: false, campaign };
}

async function insertCampaign(
  client: ClientBase,
  id: string,
  user: User,
  campaign: NewCampaign,
): Promise<Campaign> {
  const { title, description, story, coverUrl, currency, goal, deadline, status } = campaign;
  const slugs = campaign.slug === null ? slugsFor(title, id) : [campaign.slug];
  for (const slug of slugs) {
    const { rows } = await client.query<Campaign>(
      `INSERT INTO campaigns (id, slug, title, description, story, cover_url, currency, goal, deadline, status, owner_id, created_by)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT (slug) DO NOTHING RETURNING ${COLUMNS}`,
      [
        id,
        slug,
        title,
        description,
        story,
        coverUrl,
        currency,
        goal,
        deadline,
        status,
        user.role === 'operator' ? null : user.id,
        scopeOf(user),
      ],
    );
    if (rows[0] !== undefined) return rows[0];
  }
  throw slugTaken();
}
