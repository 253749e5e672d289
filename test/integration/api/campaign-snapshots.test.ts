/** What donations knows of campaigns: asked once, kept, never older than what was known. */
import { randomUUID } from 'node:crypto';
import type { Pool } from 'pg';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  createCampaignSnapshots,
  storeCampaignSnapshot,
  type CampaignSnapshot,
} from '../../../api/donations/campaign-snapshots.ts';
import { createPool } from '../../../platform/postgres.ts';
import { eventually } from '../../harness/eventually.ts';
import { isolatedDatabases } from '../database/isolated-databases.ts';
import { donate, donationBody, newKey, silent, startGateway } from './gateway.ts';
import { problem } from './http-client.ts';

const { urls } = isolatedDatabases(['donations', 'payments', 'campaigns']);
let pool: Pool;
beforeAll(() => {
  pool = createPool({ url: urls.donations, max: 4, name: 'test-snapshots' });
});
afterAll(async () => {
  await pool.end();
});

function snapshot(fields: Partial<CampaignSnapshot> = {}): CampaignSnapshot {
  return { id: randomUUID(), currency: 'USD', status: 'open', version: 1, deadline: null, ...fields };
}

async function stored(id: string): Promise<CampaignSnapshot | undefined> {
  const { rows } = await pool.query<CampaignSnapshot>(
    'SELECT id, currency, status, version, deadline FROM campaign_snapshots WHERE id = $1',
    [id],
  );
  return rows[0];
}

const unreachable = (): Promise<never> => Promise.reject(new Error('away'));

describe('a campaign that is not known yet', () => {
  test('is asked for once, kept, and found from then on with the campaigns service away', async () => {
    const campaign = snapshot({ version: 3 });
    const asked: string[] = [];
    const snapshots = createCampaignSnapshots(
      pool,
      (id) => {
        asked.push(id);
        return Promise.resolve(campaign);
      },
      silent,
    );
    expect(await snapshots.find(campaign.id)).toEqual(campaign);
    expect(await stored(campaign.id)).toEqual(campaign);
    expect(await snapshots.find(campaign.id)).toEqual(campaign);
    expect(asked).toEqual([campaign.id]);
    expect(await createCampaignSnapshots(pool, unreachable, silent).find(campaign.id)).toEqual(campaign);
  });

  test('and that nobody has is unknown, and asked for again: it may be created later', async () => {
    const campaign = snapshot();
    let exists = false;
    const snapshots = createCampaignSnapshots(pool, () => Promise.resolve(exists ? campaign : null), silent);
    expect(await snapshots.find(campaign.id)).toBe('unknown');
    exists = true;
    expect(await snapshots.find(campaign.id)).toEqual(campaign);
  });

  test('is unreachable while the campaigns service is away, which is 503 and not 404', async () => {
    expect(await createCampaignSnapshots(pool, unreachable, silent).find(randomUUID())).toBe('unreachable');
    await using gateway = await startGateway({ urls, lookup: unreachable });
    const answer = await donate(gateway, newKey(), donationBody(randomUUID()));
    expect([answer.status, problem(answer).code]).toEqual([503, 'campaigns_unavailable']);
    expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0);
  });

  test('is unreachable after two seconds when the campaigns service says nothing', async () => {
    const startedAt = performance.now();
    const snapshots = createCampaignSnapshots(pool, () => new Promise(() => undefined), silent);
    expect(await snapshots.find(randomUUID())).toBe('unreachable');
    expect(performance.now() - startedAt).toBeLessThan(3_000);
  });

  test('asked for by fifty at once over two processes is kept once and answered alike', async () => {
    const campaign = snapshot();
    const processes = [1, 2].map(() =>
      createCampaignSnapshots(pool, () => Promise.resolve(campaign), silent),
    );
    const found = await Promise.all(
      Array.from({ length: 25 }, () => processes.map((it) => it.find(campaign.id))).flat(),
    );
    expect(found).toEqual(found.map(() => campaign));
  });
});

describe('a campaign that is known', () => {
  test('as a draft is asked for again: it may just have been opened', async () => {
    const draft = snapshot({ status: 'draft' });
    await storeCampaignSnapshot(pool, draft);
    const opened = { ...draft, status: 'open', version: 2 } as const;
    expect(await createCampaignSnapshots(pool, () => Promise.resolve(opened), silent).find(draft.id)).toEqual(
      opened,
    );
    expect(await stored(draft.id)).toEqual(opened);
  });

  test('as a draft stays a draft while the campaigns service is away', async () => {
    const draft = snapshot({ status: 'draft' });
    await storeCampaignSnapshot(pool, draft);
    expect(await createCampaignSnapshots(pool, unreachable, silent).find(draft.id)).toEqual(draft);
    await using gateway = await startGateway({ urls, lookup: unreachable });
    expect(problem(await donate(gateway, newKey(), donationBody(draft.id))).code).toBe('campaign_closed');
  });

  test('as past its deadline is asked for again: the deadline may just have been moved', async () => {
    const ended = snapshot({ deadline: new Date(Date.now() - 1) });
    await storeCampaignSnapshot(pool, ended);
    const moved = { ...ended, deadline: new Date(Date.now() + 60_000), version: 2 };
    expect(await createCampaignSnapshots(pool, unreachable, silent).find(ended.id)).toEqual(ended);
    expect(await createCampaignSnapshots(pool, () => Promise.resolve(moved), silent).find(ended.id)).toEqual(
      moved,
    );
    expect(await createCampaignSnapshots(pool, unreachable, silent).find(ended.id)).toEqual(moved);
  });

  test('as open is asked for again every ten seconds: without RabbitMQ no event says that it was closed', async () => {
    const open = snapshot();
    await storeCampaignSnapshot(pool, open);
    const closed = { ...open, status: 'closed', version: 2 } as const;
    let [asked, atMs, answer]: [number, number, CampaignSnapshot] = [0, 0, open];
    const snapshots = createCampaignSnapshots(
      pool,
      () => {
        asked += 1;
        return Promise.resolve(answer);
      },
      silent,
      () => atMs,
    );
    const many = (): Promise<unknown> =>
      Promise.all(Array.from({ length: 20 }, () => snapshots.find(open.id)));
    await many();
    answer = closed;
    atMs = 9_999;
    await many();
    expect([asked, await snapshots.find(open.id)]).toEqual([1, open]);
    atMs = 10_000;
    expect(await many()).toEqual(Array.from({ length: 20 }, () => closed));
    expect(asked).toBe(2);
    expect(await createCampaignSnapshots(pool, unreachable, silent).find(open.id)).toEqual(closed);
  });

  test('as open makes nobody wait for long while the campaigns service is silent', async () => {
    const open = snapshot();
    await storeCampaignSnapshot(pool, open);
    const snapshots = createCampaignSnapshots(pool, () => new Promise(() => undefined), silent);
    const startedAt = performance.now();
    for (let n = 0; n < 20; n += 1) expect(await snapshots.find(open.id)).toEqual(open);
    expect(performance.now() - startedAt).toBeLessThan(1_500);
  });

  test('that nobody answers for is told in the log, once until somebody does', async () => {
    const [open, draft] = [snapshot(), snapshot({ status: 'draft' })];
    for (const known of [open, draft]) await storeCampaignSnapshot(pool, known);
    const lines: string[] = [];
    const log = pino({}, { write: (line) => void lines.push(line) });
    let isAway = true;
    const lookup = (id: string): Promise<CampaignSnapshot | null> =>
      isAway ? Promise.reject(new Error(`/internal/campaigns/${id} answered 401`)) : Promise.resolve(null);
    const snapshots = createCampaignSnapshots(pool, lookup, log);
    const ask = async (): Promise<number> => {
      for (const { id } of [open, draft, draft]) await snapshots.find(id);
      return lines.length;
    };
    expect(await ask()).toBe(1);
    expect(lines[0]).toContain('answered 401');
    isAway = false;
    expect(await ask()).toBe(1);
    isAway = true;
    expect(await ask()).toBe(2);
  });

  test('takes donations with the campaigns service away', async () => {
    const open = snapshot();
    await storeCampaignSnapshot(pool, open);
    await using gateway = await startGateway({ urls, lookup: unreachable });
    expect((await donate(gateway, newKey(), donationBody(open.id))).status).toBe(202);
  });

  test('is never replaced by an older version, in whatever order they come', async () => {
    const versions = (['draft', 'open', 'closed'] as const).map((status, index) => ({
      status,
      version: index + 1,
    }));
    const orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0], [2, 2, 1, 0, 0]]; // prettier-ignore
    for (const order of orders) {
      const { id } = snapshot();
      for (const index of order) await storeCampaignSnapshot(pool, snapshot({ id, ...versions[index] }));
      expect(await stored(id)).toMatchObject({ status: 'closed', version: 3 });
    }
  });

  test('written in every version at once keeps the newest', async () => {
    const { id } = snapshot();
    await Promise.all(
      Array.from({ length: 30 }, (_, index) =>
        storeCampaignSnapshot(pool, snapshot({ id, version: ((index * 7) % 30) + 1 })),
      ),
    );
    expect(await stored(id)).toMatchObject({ version: 30 });
  });

  test('is not opened again by a slow answer that is older than the event that closed it', async () => {
    const { id } = snapshot();
    let answer: (campaign: CampaignSnapshot) => void = () => undefined;
    const slow = createCampaignSnapshots(
      pool,
      () =>
        new Promise((resolve) => {
          answer = resolve;
        }),
      silent,
    );
    const finding = slow.find(id);
    const before = answer;
    await eventually('asked', () => expect(answer).not.toBe(before));
    await storeCampaignSnapshot(pool, snapshot({ id, status: 'closed', version: 2 }));
    answer(snapshot({ id, status: 'open', version: 1 }));
    expect(await finding).toMatchObject({ status: 'closed', version: 2 });
    expect(await stored(id)).toMatchObject({ status: 'closed', version: 2 });
  });
});
