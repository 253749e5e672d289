/** The end of a campaign, by its owner or by its deadline, and the donations around that moment (docs/decisions/0019). */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { closeOverdueCampaigns } from '../../../api/campaigns/overdue.ts';
import { storeCampaignSnapshot } from '../../../api/donations/campaign-snapshots.ts';
import { createPool } from '../../../platform/postgres.ts';
import { isolatedDatabases } from '../database/isolated-databases.ts';
import {
  donate,
  donation,
  donationBody,
  getDonation,
  newKey,
  rowsOf,
  startGateway,
  type Gateway,
} from './gateway.ts';
import { json, problem } from './http-client.ts';
import { ADA, ask, authenticate, inMs, letDeadlinePass, make, told } from './organizing.ts';

const { urls } = isolatedDatabases(['donations', 'payments', 'campaigns']);
let gateway: Gateway;
beforeAll(async () => {
  gateway = await startGateway({ urls, authenticate });
});
afterAll(async () => {
  await gateway[Symbol.asyncDispose]();
});

const DAY_MS = 86_400_000;
const unreachable = (): Promise<never> => Promise.reject(new Error('away'));

/** What donations knows of the campaign becomes what campaigns knows, as its event would do. */
async function learn(id: string): Promise<void> {
  const { rows } = await gateway.pools.campaigns.query<{
    id: string;
    currency: string;
    status: 'draft' | 'open' | 'closed';
    version: number;
    deadline: Date | null;
  }>('SELECT id, currency, status, version, deadline FROM campaigns WHERE id = $1', [id]);
  for (const row of rows) await storeCampaignSnapshot(gateway.pools.donations, row);
}

describe.each(['closed by its owner', 'past its deadline, closed by nobody yet'])('a campaign %s', (how) => {
  async function end(id: string): Promise<void> {
    if (how === 'closed by its owner') await ask(gateway, ADA, `POST /campaigns/${id}/close`);
    else await letDeadlinePass(gateway.pools.campaigns, id);
    await learn(id);
  }
  const detail = how === 'closed by its owner' ? 'is closed' : 'has ended: its deadline has passed';

  test('refuses a new donation and stores nothing of it', async () => {
    const { id } = await make(gateway, ADA, { deadline: inMs(DAY_MS) });
    await end(id);
    const key = newKey();
    const answer = await donate(gateway, key, donationBody(id));
    expect([answer.status, problem(answer).code]).toEqual([422, 'campaign_closed']);
    expect(problem(answer).errors).toEqual([{ pointer: '/campaignId', detail }]);
    expect(await rowsOf(gateway.pools.donations, key)).toBe(0);
  });

  test('still answers for a donation that it had taken, to the same key and body alone', async () => {
    const { id } = await make(gateway, ADA, { deadline: inMs(DAY_MS) });
    const key = newKey();
    const given = donation(await donate(gateway, key, donationBody(id)));
    await end(id);
    const again = await donate(gateway, key, donationBody(id));
    expect([again.status, again.headers['idempotent-replayed']]).toEqual([202, 'true']);
    expect(donation(again)).toEqual(given);
    expect(json(await getDonation(gateway, given.id, given.donorToken))).toMatchObject({
      status: 'INITIATED',
    });
    expect(problem(await donate(gateway, key, donationBody(id, { amount: 1 }))).code).toBe(
      'idempotency_key_reused',
    );
    expect(problem(await donate(gateway, newKey(), donationBody(id))).code).toBe('campaign_closed');
  });

  test('refuses with the campaigns service away', async () => {
    const { id } = await make(gateway, ADA, { deadline: inMs(DAY_MS) });
    await end(id);
    await using alone = await startGateway({ urls, authenticate, lookup: unreachable });
    expect(problem(await donate(alone, newKey(), donationBody(id))).code).toBe('campaign_closed');
  });
});

describe('a deadline', () => {
  test('ahead lets donations through, with the campaigns service away too', async () => {
    const { id } = await make(gateway, ADA, { deadline: inMs(DAY_MS) });
    await learn(id);
    await using alone = await startGateway({ urls, authenticate, lookup: unreachable });
    expect((await donate(alone, newKey(), donationBody(id))).status).toBe(202);
  });

  test('that is moved before it passes is known at once, though its event is still on the way', async () => {
    const { id } = await make(gateway, ADA, { deadline: inMs(DAY_MS) });
    await storeCampaignSnapshot(gateway.pools.donations, {
      id,
      currency: 'USD',
      status: 'open',
      version: 1,
      deadline: new Date(Date.now() - 1_000),
    });
    await ask(gateway, ADA, `PATCH /campaigns/${id}`, { deadline: inMs(2 * DAY_MS) });
    expect((await donate(gateway, newKey(), donationBody(id))).status).toBe(202);
  });

  test('of an older version, or taken away, holds nobody off', async () => {
    const { id } = await make(gateway, ADA);
    const snapshot = { id, currency: 'USD', status: 'open' } as const;
    const passed = new Date(Date.now() - 1_000);
    await storeCampaignSnapshot(gateway.pools.donations, { ...snapshot, version: 3, deadline: null });
    await storeCampaignSnapshot(gateway.pools.donations, { ...snapshot, version: 2, deadline: passed });
    expect((await donate(gateway, newKey(), donationBody(id))).status).toBe(202);
  });
});

describe('closing what is overdue', () => {
  const rowOf = async (id: string): Promise<unknown> => {
    const { rows } = await gateway.pools.campaigns.query<{ status: string; reason: string | null }>(
      `SELECT status, closed_reason AS reason, version, closed_at IS NOT NULL AS "hasEnd" FROM campaigns WHERE id = $1`,
      [id],
    );
    return rows[0];
  };

  test('closes what has passed its deadline, once, with its reason and one event, whoever else is at it', async () => {
    const { campaigns } = gateway.pools;
    const overdue = await Promise.all(
      Array.from({ length: 30 }, () => make(gateway, ADA, { deadline: inMs(DAY_MS) })),
    );
    for (const { id } of overdue) await letDeadlinePass(campaigns, id);
    const spared = [await make(gateway, ADA), await make(gateway, ADA, { deadline: inMs(DAY_MS) })];
    const draft = await make(gateway, ADA, { status: 'draft', deadline: inMs(DAY_MS) });
    await letDeadlinePass(campaigns, draft.id);
    const before = await closedCount();
    const pools = [1, 2, 3].map(() => createPool({ url: urls.campaigns, max: 2, name: 'test-closing' }));
    try {
      const counts = await Promise.all([...pools, ...pools].map((pool) => closeOverdueCampaigns(pool)));
      const last = await closeOverdueCampaigns(campaigns);
      const sum = [...counts, last].reduce((total, count) => total + count, 0);
      expect(sum).toBe((await closedCount()) - before);
      expect(sum).toBeGreaterThanOrEqual(overdue.length);
    } finally {
      await Promise.all(pools.map((pool) => pool.end()));
    }
    for (const { id } of overdue) {
      expect(await rowOf(id)).toEqual({ status: 'closed', reason: 'deadline', version: 3, hasEnd: true });
      const events = await told(campaigns, id);
      expect(events.filter(({ version }) => version === 3)).toEqual([
        { version: 3, payload: expect.objectContaining({ status: 'closed', campaignId: id }) as unknown },
      ]);
    }
    for (const { id } of spared) expect(await rowOf(id)).toMatchObject({ status: 'open', version: 1 });
    expect(await rowOf(draft.id)).toMatchObject({ status: 'draft', reason: null });
    expect(await closeOverdueCampaigns(campaigns)).toBe(0);
  });

  test('leaves a campaign alone whose owner is about to change it', async () => {
    const { id } = await make(gateway, ADA, { deadline: inMs(DAY_MS) });
    await letDeadlinePass(gateway.pools.campaigns, id);
    const client = await gateway.pools.campaigns.connect();
    try {
      await client.query('BEGIN');
      await client.query('SELECT FROM campaigns WHERE id = $1 FOR UPDATE', [id]);
      await closeOverdueCampaigns(gateway.pools.campaigns);
      expect(await rowOf(id)).toMatchObject({ status: 'open' });
    } finally {
      await client.query('ROLLBACK');
      client.release();
    }
    expect(await closeOverdueCampaigns(gateway.pools.campaigns)).toBe(1);
  });

  async function closedCount(): Promise<number> {
    const { rows } = await gateway.pools.campaigns.query<{ count: number }>(
      `SELECT count(*) AS count FROM campaigns WHERE status = 'closed'`,
    );
    return rows[0]?.count ?? 0;
  }
});
