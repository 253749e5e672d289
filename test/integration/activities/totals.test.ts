import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Pool } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createCampaignActivities } from '../../../activities/campaigns/index.ts';
import { pledgedEntry, type TotalsEntry, type TotalsEntryKind } from '../../../domain/totals.ts';
import type { Failpoint } from '../../../platform/failpoint.ts';
import { createPool } from '../../../platform/postgres.ts';
import type { CampaignActivities } from '../../../workflows/ports.ts';
import { isolatedDatabases } from '../database/isolated-databases.ts';
import { dieAt } from './payment-bench.ts';

describe('totals of a campaign', () => {
  const { urls } = isolatedDatabases(['campaigns']);
  let pool: Pool;
  beforeAll(() => {
    pool = createPool({ url: urls.campaigns, max: 10, name: 'test-campaigns' });
  });
  afterAll(() => pool.end());

  /** As another worker process has them: each gathers its own batches. */
  const worker = (failpoint: Failpoint = () => undefined): CampaignActivities =>
    createCampaignActivities({ pool, failpoint, outboxWritten: () => undefined });

  const newCampaign = async (): Promise<string> => {
    const id = randomUUID();
    await pool.query(
      `INSERT INTO campaigns (id, title, currency, status, created_by) VALUES ($1, 'Wells', 'USD', 'open', 'test')`,
      [id],
    );
    await pool.query('INSERT INTO campaign_totals (campaign_id) VALUES ($1)', [id]);
    return id;
  };

  test('a campaign is open until it is closed or its deadline has passed, whether or not somebody has closed it for that', async () => {
    const id = await newCampaign();
    const isOpen = (): Promise<boolean> => worker().isOpen(id);
    const set = (values: string): Promise<unknown> =>
      pool.query(`UPDATE campaigns SET ${values}, version = version + 1 WHERE id = $1`, [id]);
    expect(await isOpen()).toBe(true);
    await set(`deadline = now() + interval '1 hour'`);
    expect(await isOpen()).toBe(true);
    await set(`deadline = created_at + interval '1 millisecond'`);
    await sleep(10);
    expect(await isOpen()).toBe(false);
    await set(`deadline = NULL`);
    expect(await isOpen()).toBe(true);
    await set(`status = 'closed', closed_reason = 'owner'`);
    expect(await isOpen()).toBe(false);
  });

  const totalsOf = async (campaignId: string) => {
    const { rows } = await pool.query<Record<string, number>>(
      `SELECT total_pledged AS pledged, total_captured AS captured, total_refunded AS refunded, dispute_lost AS lost,
              donation_count AS count, version FROM campaign_totals WHERE campaign_id = $1`,
      [campaignId],
    );
    return rows[0];
  };

  /** What was applied, added up again; and what the last published event says. */
  const expectConsistent = async (campaignId: string): Promise<void> => {
    const { rows } = await pool.query<Record<string, number>>(
      `SELECT coalesce(sum(CASE kind WHEN 'pledged' THEN amount WHEN 'unpledged' THEN -amount END), 0)::bigint AS pledged,
              coalesce(sum(amount) FILTER (WHERE kind = 'captured'), 0)::bigint AS captured,
              coalesce(sum(CASE kind WHEN 'refunded' THEN amount WHEN 'refund_failed' THEN -amount END), 0)::bigint AS refunded,
              coalesce(sum(amount) FILTER (WHERE kind = 'dispute_lost'), 0)::bigint AS lost,
              (count(*) FILTER (WHERE kind = 'captured'))::bigint AS count
       FROM applied_entries WHERE campaign_id = $1`,
      [campaignId],
    );
    const totals = await totalsOf(campaignId);
    expect(totals).toMatchObject(rows[0] ?? {});
    const events = await pool.query<{ version: number; captured: number }>(
      `SELECT version, (payload ->> 'totalCaptured')::bigint AS captured FROM outbox_events WHERE aggregate_id = $1 ORDER BY version`,
      [campaignId],
    );
    // One event per version, none left out.
    expect(events.rows.map((row) => row.version)).toEqual(events.rows.map((_, index) => index + 1));
    expect(events.rows.at(-1) ?? { version: 0, captured: 0 }).toEqual({
      version: totals?.['version'],
      captured: totals?.['captured'],
    });
  };

  const entry = (
    campaignId: string,
    kind: TotalsEntryKind,
    amountMinor: number,
    donationId: string = randomUUID(),
    version = 2,
  ): TotalsEntry => ({
    entryId: `${donationId}:${version}:${kind}`,
    campaignId,
    donationId,
    kind,
    amountMinor,
  });

  test('200 parallel captures through three workers add up exactly', async () => {
    const campaignId = await newCampaign();
    const workers = [worker(), worker(), worker()];
    const amounts = Array.from({ length: 200 }, (_, index) => 100 + index);
    await Promise.all(
      amounts.map(async (amountMinor, index) =>
        workers[index % 3]?.addToTotals([
          pledgedEntry(randomUUID(), campaignId, amountMinor),
          entry(campaignId, 'captured', amountMinor),
        ]),
      ),
    );
    const sum = amounts.reduce((total, amount) => total + amount, 0);
    expect(await totalsOf(campaignId)).toMatchObject({
      pledged: sum,
      captured: sum,
      refunded: 0,
      count: 200,
    });
    await expectConsistent(campaignId);
  });

  test('200 parallel captures over ten campaigns, each entry sent to every worker, count once', async () => {
    const campaigns = await Promise.all(Array.from({ length: 10 }, newCampaign));
    const entries = Array.from({ length: 200 }, (_, index) =>
      entry(campaigns[index % 10] ?? '', 'captured', 500),
    );
    const workers = [worker(), worker(), worker()];
    await Promise.all(
      workers.flatMap((it, turn) =>
        (turn === 1 ? entries.toReversed() : entries).map((one) => it.addToTotals([one, one])),
      ),
    );
    for (const campaignId of campaigns) {
      expect(await totalsOf(campaignId)).toMatchObject({ captured: 10_000, count: 20 });
      await expectConsistent(campaignId);
    }
  });

  test('entries that were all applied before change nothing: no version, no event', async () => {
    const campaignId = await newCampaign();
    const captured = entry(campaignId, 'captured', 700);
    await worker().addToTotals([captured]);
    const before = await totalsOf(campaignId);
    await worker().addToTotals([captured]);
    await Promise.all(Array.from({ length: 10 }, () => worker().addToTotals([captured])));
    expect(await totalsOf(campaignId)).toEqual(before);
    await expectConsistent(campaignId);
  });

  test('an entry that cannot apply yet fails alone, and applies after the one it waits for', async () => {
    const campaignId = await newCampaign();
    const donationId = randomUUID();
    const refunded = entry(campaignId, 'refunded', 9_000, donationId, 3);
    const others = Array.from({ length: 30 }, () => entry(campaignId, 'captured', 100));
    const it = worker();
    const outcomes = await Promise.allSettled(
      [...others.slice(0, 15), refunded, ...others.slice(15)].map((one) => it.addToTotals([one])),
    );
    expect(outcomes.map((outcome) => outcome.status)).toEqual([
      ...others.slice(0, 15).map(() => 'fulfilled'),
      'rejected',
      ...others.slice(15).map(() => 'fulfilled'),
    ]);
    expect(await totalsOf(campaignId)).toMatchObject({ captured: 3_000, refunded: 0, count: 30 });

    await it.addToTotals([entry(campaignId, 'captured', 9_000, donationId)]);
    await it.addToTotals([refunded]);
    expect(await totalsOf(campaignId)).toMatchObject({ captured: 12_000, refunded: 9_000, count: 31 });
    await expectConsistent(campaignId);
  });

  test('an entry of a campaign that does not exist fails alone', async () => {
    const campaignId = await newCampaign();
    const it = worker();
    const outcomes = await Promise.allSettled([
      it.addToTotals([entry(campaignId, 'captured', 100)]),
      it.addToTotals([entry(randomUUID(), 'captured', 100)]),
      it.addToTotals([entry(campaignId, 'captured', 100)]),
    ]);
    expect(outcomes.map((outcome) => outcome.status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(await totalsOf(campaignId)).toMatchObject({ captured: 200, count: 2 });
    await expectConsistent(campaignId);
  });

  test.each(['unpledged', 'refunded', 'refund_failed', 'dispute_lost'] as const)(
    'a %s entry without what it takes back is refused: no total goes below zero',
    async (kind) => {
      const campaignId = await newCampaign();
      await expect(worker().addToTotals([entry(campaignId, kind, 1)])).rejects.toThrow(/campaign_totals/);
      expect(await totalsOf(campaignId)).toEqual({
        pledged: 0,
        captured: 0,
        refunded: 0,
        lost: 0,
        count: 0,
        version: 0,
      });
      await expectConsistent(campaignId);
    },
  );

  test.each([
    ['totals.before-commit', 0],
    ['totals.committed', 1],
  ] as const)(
    'a worker that dies at %s leaves it done %i times, and again done once',
    async (place, times) => {
      const campaignId = await newCampaign();
      const captured = entry(campaignId, 'captured', 700);
      await expect(worker(dieAt(place)).addToTotals([captured])).rejects.toThrow('died');
      expect(await totalsOf(campaignId)).toMatchObject({ captured: 700 * times, count: times });
      await worker().addToTotals([captured]);
      expect(await totalsOf(campaignId)).toMatchObject({ captured: 700, count: 1, version: 1 });
      await expectConsistent(campaignId);
    },
  );

  test('no reader sees a negative or an impossible total while entries come and go', async () => {
    const campaignId = await newCampaign();
    const workers = [worker(), worker()];
    let done = false;
    const reader = (async () => {
      let looks = 0;
      while (!done) {
        const totals = await totalsOf(campaignId);
        for (const value of Object.values(totals ?? {})) expect(value).toBeGreaterThanOrEqual(0);
        expect(totals?.['captured']).toBeGreaterThanOrEqual(totals?.['refunded'] ?? 0);
        looks += 1;
      }
      return looks;
    })();
    await Promise.all(
      Array.from({ length: 60 }, async (_, index) => {
        const it = workers[index % 2];
        const donationId = randomUUID();
        await it?.addToTotals([pledgedEntry(donationId, campaignId, 50)]);
        if (index % 3 === 0) return it?.addToTotals([entry(campaignId, 'unpledged', 50, donationId, 1)]);
        await it?.addToTotals([entry(campaignId, 'captured', 50, donationId)]);
        return it?.addToTotals([entry(campaignId, 'refunded', 50, donationId, 3)]);
      }),
    );
    done = true;
    expect(await reader).toBeGreaterThan(0);
    expect(await totalsOf(campaignId)).toMatchObject({ pledged: 2_000, captured: 2_000, refunded: 2_000 });
    await expectConsistent(campaignId);
  });
});
