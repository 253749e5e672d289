/** Several relays on one table, processes that die between delivery and mark, a database that goes away. */
import type { Pool } from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createPool } from '../../../platform/postgres.ts';
import type { Relay } from '../../../platform/relay.ts';
import { eventually, throughout } from '../../harness/eventually.ts';
import { startProxy, targetOf, through } from '../../harness/proxy.ts';
import { isolatedDatabases } from '../database/isolated-databases.ts';
import { DELIVERED, gate, insertRows, NEVER_MS, relay, stateOf, unprocessed } from './rows.ts';

const { urls } = isolatedDatabases(['campaigns']);
let pool: Pool;
const open: Relay[] = [];
function running(it: Relay): Relay {
  open.push(it);
  return it;
}
beforeAll(() => {
  pool = createPool({ url: urls.campaigns, max: 8, name: 'test-relay' });
});
beforeEach(async () => {
  await pool.query('TRUNCATE outbox_events');
});
afterEach(async () => {
  await Promise.all(open.splice(0).map((it) => it.stop()));
});
afterAll(async () => {
  await pool.end();
});

/** A process that dies after it has delivered: every `n`-th of its marks never reaches the database. */
function dyingAtMark(n: number): { pool: Pool; crashes: () => number } {
  const dying = Object.create(pool) as Pool;
  let marks = 0;
  let crashes = 0;
  dying.query = ((text: string, values: unknown[]) => {
    if (!text.includes('FOR NO KEY UPDATE SKIP LOCKED')) {
      marks += 1;
      if (marks % n === 0) {
        crashes += 1;
        return Promise.reject(new Error('the process died here'));
      }
    }
    return pool.query(text, values);
  }) as unknown as Pool['query'];
  return { pool: dying, crashes: () => crashes };
}

test('three relays that crash between delivery and mark deliver each of 500 rows, and mark it', async () => {
  const ids = await insertRows(pool, 500);
  const delivered = new Map<string, number>();
  const underWay = new Set<string>();
  const overlaps: string[] = [];
  const dying = [2, 3, 5].map(dyingAtMark);
  for (const { pool: its } of dying) {
    running(
      relay(
        its,
        async (row) => {
          // While a lease holds, nobody else delivers the row.
          if (underWay.has(row.id)) overlaps.push(row.id);
          underWay.add(row.id);
          await new Promise((resolve) => setImmediate(resolve));
          underWay.delete(row.id);
          delivered.set(row.id, (delivered.get(row.id) ?? 0) + 1);
          return DELIVERED;
        },
        { leaseMs: 1_000, concurrency: 20 },
      ),
    );
  }
  await eventually('all are marked', async () => expect(await unprocessed(pool)).toBe(0), {
    withinMs: 40_000,
  });
  expect([...delivered.keys()].toSorted()).toEqual(ids.toSorted());
  expect(overlaps).toEqual([]);
  expect(dying.reduce((sum, { crashes }) => sum + crashes(), 0)).toBeGreaterThan(3);
  const { rows } = await pool.query<{ attempts: number; deliveries: number }>(
    'SELECT sum(attempts)::int AS attempts FROM outbox_events',
  );
  // Each claim was counted, and no row was claimed without being delivered.
  expect(rows[0]?.attempts).toBe([...delivered.values()].reduce((sum, count) => sum + count, 0));
});

test('three healthy relays share 500 rows and deliver each exactly once', async () => {
  const ids = await insertRows(pool, 500);
  const delivered: string[] = [];
  const shares = [0, 0, 0];
  for (const index of shares.keys()) {
    running(
      relay(pool, async (row) => {
        await new Promise((resolve) => setImmediate(resolve));
        delivered.push(row.id);
        shares[index] = (shares[index] ?? 0) + 1;
        return DELIVERED;
      }),
    );
  }
  await eventually('all are marked', async () => expect(await unprocessed(pool)).toBe(0));
  expect(delivered.toSorted()).toEqual(ids.toSorted());
});

describe('a sweeper', () => {
  test('leaves fresh rows to the process that wrote them, and takes over those that stayed due', async () => {
    const fresh = await insertRows(pool, 3);
    const stale = await insertRows(pool, 3, 10_000);
    const swept: string[] = [];
    running(
      relay(
        pool,
        (row) => {
          swept.push(row.id);
          return Promise.resolve(DELIVERED);
        },
        { minOverdueMs: 5_000 },
      ),
    );
    await eventually('the stale ones are delivered', () =>
      expect(swept.toSorted()).toEqual(stale.toSorted()),
    );
    await throughout('the fresh ones are left', () => expect(swept).toHaveLength(stale.length), 200);
    expect(await stateOf(pool, fresh[0])).toMatchObject({ processed: false, attempts: 0, claimed: false });
    await pool.query(
      `UPDATE outbox_events SET next_attempt_at = now() - interval '6 seconds' WHERE NOT processed`,
    );
    await eventually('once they are stale they are taken', () => expect(swept).toHaveLength(6));
  });

  test('respects a lease, and takes over the row when it has expired', async () => {
    const [id] = await insertRows(pool, 1, 10_000);
    const hold = gate();
    const claimed = gate();
    const dead = relay(
      pool,
      async () => {
        claimed.open();
        await hold.opened;
        throw new Error('never marked');
      },
      { leaseMs: 60_000, pollMs: NEVER_MS },
    );
    await claimed.opened;
    const swept: string[] = [];
    running(
      relay(
        pool,
        (row) => {
          swept.push(row.id);
          return Promise.resolve(DELIVERED);
        },
        { minOverdueMs: 5_000 },
      ),
    );
    await throughout('the lease holds', () => expect(swept).toEqual([]), 300);
    await pool.query(`UPDATE outbox_events SET claimed_until = now() - interval '1 millisecond'`);
    await eventually('taken over', async () => {
      expect(await stateOf(pool, id)).toMatchObject({ processed: true, attempts: 2 });
    });
    expect(swept).toEqual([id]);
    // The first one comes back to life: its late failure takes nothing back.
    hold.open();
    await dead.stop();
    expect(await stateOf(pool, id)).toMatchObject({ processed: true, last_error: null });
  });
});

test('the database away and back: nothing is lost, what was claimed is delivered again after its lease', async () => {
  await using proxy = await startProxy(targetOf(urls.campaigns, 5432));
  const cutPool = createPool({ url: through(urls.campaigns, proxy), max: 4, name: 'test-relay-cut' });
  try {
    const delivered = new Map<string, number>();
    const hold = gate();
    let held = 0;
    const it = running(
      relay(
        cutPool,
        async (row) => {
          held += 1;
          if (held <= 10) await hold.opened;
          delivered.set(row.id, (delivered.get(row.id) ?? 0) + 1);
          return DELIVERED;
        },
        { leaseMs: 500, concurrency: 10 },
      ),
    );
    const ids = await insertRows(pool, 60);
    await eventually('ten are under way', () => expect(held).toBe(10));
    await proxy.cut();
    hold.open();
    await eventually('they are delivered and cannot be marked', () => expect(delivered.size).toBe(10));
    for (let turn = 0; turn < 20; turn += 1) it.wake();
    expect(await unprocessed(pool)).toBe(60);
    await proxy.heal();
    await eventually('all are marked', async () => expect(await unprocessed(pool)).toBe(0));
    expect([...delivered.keys()].toSorted()).toEqual(ids.toSorted());
  } finally {
    await Promise.all(open.splice(0).map((it) => it.stop()));
    await cutPool.end();
  }
});
