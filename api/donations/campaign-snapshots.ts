/**
 * What donations knows of campaigns, so that `POST /donate` needs no other service: fed by events, read through on a miss,
 * and asked about again now and then, because without RabbitMQ no event tells that a campaign was closed.
 */
import type { Pool } from 'pg';
import { hasPassed, type CampaignStatus } from '../../domain/campaign.ts';
import { createBatcher } from '../../platform/batcher.ts';
import type { Logger } from '../../platform/log.ts';
import { within } from '../../platform/within.ts';

export type CampaignSnapshot = {
  readonly id: string;
  readonly currency: string;
  readonly status: CampaignStatus;
  readonly version: number;
  /** From then on it takes nothing, whatever its status says. */
  readonly deadline: Date | null;
};

/** Asks the campaigns service; null: no such campaign. Rejects while it cannot be reached. */
export type CampaignLookup = (id: string) => Promise<CampaignSnapshot | null>;

export type CampaignSnapshots = {
  /** `unreachable`: not known here, and the service that would know does not answer. */
  find(id: string): Promise<CampaignSnapshot | 'unknown' | 'unreachable'>;
};

const LOOKUP_LIMIT_MS = 2_000;
/** For a campaign that is known to take donations, a donor waits no longer to hear that it still does. */
const RECHECK_LIMIT_MS = 300;
const RECHECK_AFTER_MS = 10_000;
/** Above it everything is asked about anew. */
const MAX_CHECKED = 10_000;

type Looked = CampaignSnapshot | null | 'unreachable';

/** When a campaign was asked about last, and what came of it. */
type Check = { readonly atMs: number; readonly answer: Promise<Looked> };

export function createCampaignSnapshots(
  pool: Pool,
  lookup: CampaignLookup,
  log: Logger,
  now: () => number = () => performance.now(),
): CampaignSnapshots {
  const reads = createBatcher<string, CampaignSnapshot | null>({
    maxBatch: 128,
    maxWaiting: 4_000,
    maxWaitMs: 3_000,
    maxRunning: 2,
    run: async (ids) => {
      const { rows } = await pool.query<CampaignSnapshot>({
        name: 'snapshots-find',
        text: 'SELECT id, currency, status, version, deadline FROM campaign_snapshots WHERE id = ANY($1::uuid[])',
        values: [[...new Set(ids)]],
      });
      const found = new Map(rows.map((row) => [row.id, row]));
      return ids.map((id) => found.get(id) ?? null);
    },
  });

  let failed = false;
  const asked = async (id: string): Promise<Looked> => {
    try {
      const current = await within(LOOKUP_LIMIT_MS, lookup(id));
      failed = false;
      return current;
    } catch (err) {
      if (!failed) log.warn({ campaignId: id, err }, 'campaigns do not say what they know');
      failed = true;
      return 'unreachable';
    }
  };
  const look = async (id: string): Promise<Looked> => {
    const current = await asked(id);
    if (current === null || current === 'unreachable') return current;
    await storeCampaignSnapshot(pool, current);
    // An event may have brought a newer version while the answer was on its way.
    return (await reads.add(id)) ?? current;
  };

  const checks = new Map<string, Check>();
  const noteCheck = (id: string, answer: Promise<Looked>): Check => {
    if (checks.size >= MAX_CHECKED) checks.clear();
    const check = { atMs: now(), answer };
    checks.set(id, check);
    return check;
  };
  /** Late, away, or our own database failed: what is known counts. */
  const lookBriefly = (id: string): Promise<Looked> =>
    within(RECHECK_LIMIT_MS, look(id)).catch(() => 'unreachable' as const);
  /** One look per campaign and pause, for all donors who come meanwhile. */
  const recheck = async (known: CampaignSnapshot): Promise<CampaignSnapshot> => {
    const last = checks.get(known.id);
    const isDue = last === undefined || now() - last.atMs >= RECHECK_AFTER_MS;
    const { answer } = isDue ? noteCheck(known.id, lookBriefly(known.id)) : last;
    const current = await answer;
    return current !== null && current !== 'unreachable' && current.version > known.version ? current : known;
  };

  return {
    find: async (id) => {
      const known = await reads.add(id);
      if (known !== null && !mayBeOutdated(known))
        return known.status === 'open' ? await recheck(known) : known;
      const current = await look(id);
      if (current === 'unreachable') return known ?? 'unreachable';
      if (current === null) return known ?? 'unknown';
      noteCheck(id, Promise.resolve(current));
      return current;
    },
  };
}

/** A draft may just have been published, a deadline moved: the event may still be on its way. */
function mayBeOutdated({ status, deadline }: CampaignSnapshot): boolean {
  return status === 'draft' || (status === 'open' && hasPassed(deadline, new Date()));
}

/** An older version than the one known changes nothing: events may arrive in any order, and twice. */
export async function storeCampaignSnapshot(
  pool: Pool,
  { id, currency, status, version, deadline }: CampaignSnapshot,
): Promise<void> {
  await pool.query(
    `INSERT INTO campaign_snapshots AS s (id, currency, status, version, deadline) VALUES ($1, $2, $3, $4, $5)
     ON CONFLICT (id) DO UPDATE SET status = excluded.status, version = excluded.version, deadline = excluded.deadline, updated_at = now()
     WHERE s.version < excluded.version`,
    [id, currency, status, version, deadline],
  );
}
