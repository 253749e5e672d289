/** One relay: claims, delivers, marks. What fails waits by itself and holds up nothing else. */
import type { Pool } from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { REQUESTS_TABLE, type RequestRow } from '../../../api/donations/start-workflows.ts';
import { WEBHOOK_EVENTS_TABLE, type WebhookEventRow } from '../../../api/payments/deliver-events.ts';
import { createPool } from '../../../platform/postgres.ts';
import { startRelay, type Delivery, type Relay } from '../../../platform/relay.ts';
import { eventually, throughout } from '../../harness/eventually.ts';
import { isolatedDatabases } from '../database/isolated-databases.ts';
import {
  DELIVERED,
  gate,
  insertRequests,
  insertRows,
  insertWebhooks,
  NEVER_MS,
  relay,
  silent,
  stateOf,
  unprocessed,
} from './rows.ts';

const { urls } = isolatedDatabases(['donations', 'payments', 'campaigns']);
let pool: Pool;
const open: Relay[] = [];
/** Stopped when the test ends. */
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

describe('a row that can be delivered', () => {
  test('is delivered once, marked, and never seen again', async () => {
    const ids = await insertRows(pool, 40);
    const delivered: string[] = [];
    const it = running(
      relay(pool, (row) => {
        delivered.push(row.id);
        return Promise.resolve(DELIVERED);
      }),
    );
    await eventually('all are marked', async () => expect(await unprocessed(pool)).toBe(0));
    for (let again = 0; again < 5; again += 1) it.wake();
    await throughout('nothing comes twice', () => expect(delivered.toSorted()).toEqual(ids.toSorted()), 200);
    expect(await stateOf(pool, ids[0])).toMatchObject({
      processed: true,
      attempts: 1,
      claimed: false,
      last_error: null,
    });
  });

  test('written by somebody else is found by polling', async () => {
    const delivered: string[] = [];
    running(
      relay(pool, (row) => {
        delivered.push(row.id);
        return Promise.resolve(DELIVERED);
      }),
    );
    await eventually('the relay is idle', async () => expect(await unprocessed(pool)).toBe(0));
    const ids = await insertRows(pool, 3);
    await eventually('delivered', () => expect(delivered.toSorted()).toEqual(ids.toSorted()));
  });

  test('of donation_requests is marked started, and keeps its first time when it is delivered again', async () => {
    const donations = createPool({ url: urls.donations, max: 4, name: 'test-relay' });
    try {
      const ids = await insertRequests(donations, 20);
      const rows: RequestRow[] = [];
      running(
        startRelay<RequestRow>({
          pool: donations,
          table: REQUESTS_TABLE,
          deliver: (row) => {
            rows.push(row);
            return Promise.resolve(DELIVERED);
          },
          log: silent,
          concurrency: 8,
          leaseMs: 30_000,
          pollMs: 20,
        }),
      );
      await eventually('all are started', async () => {
        const { rows: left } = await donations.query(
          'SELECT 1 FROM donation_requests WHERE started_at IS NULL',
        );
        expect(left).toEqual([]);
      });
      expect(rows.map(({ id }) => id).toSorted()).toEqual(ids.toSorted());
      expect(rows[0]).toMatchObject({
        scope: 'guest',
        amount: 2500,
        currency: 'USD',
        payment_method: 'pm_card_visa',
      });
    } finally {
      await Promise.all(open.splice(0).map((it) => it.stop()));
      await donations.end();
    }
  });

  test('of webhook_events is processed at once only when its outcome says that nothing is left to do', async () => {
    const payments = createPool({ url: urls.payments, max: 4, name: 'test-relay' });
    try {
      const [withOutcome = '', without = ''] = await insertWebhooks(payments, 2);
      running(
        startRelay<WebhookEventRow>({
          pool: payments,
          table: WEBHOOK_EVENTS_TABLE,
          deliver: (row) =>
            Promise.resolve(
              row.id === withOutcome ? { kind: 'delivered', outcome: 'unknown_type' } : DELIVERED,
            ),
          log: silent,
          concurrency: 8,
          leaseMs: 30_000,
          pollMs: 20,
        }),
      );
      await eventually('both are delivered', async () => {
        const { rows } = await payments.query(
          `SELECT event_id, outcome, processed_at IS NOT NULL AS processed FROM webhook_events WHERE delivered_at IS NOT NULL`,
        );
        expect(rows).toHaveLength(2);
        expect(rows).toContainEqual({ event_id: withOutcome, outcome: 'unknown_type', processed: true });
        expect(rows).toContainEqual({ event_id: without, outcome: null, processed: false });
      });
    } finally {
      await Promise.all(open.splice(0).map((it) => it.stop()));
      await payments.end();
    }
  });
});

describe('a wake', () => {
  test('leads to the delivery without polling', async () => {
    const delivered: string[] = [];
    const it = running(
      relay(
        pool,
        (row) => {
          delivered.push(row.id);
          return Promise.resolve(DELIVERED);
        },
        { pollMs: NEVER_MS },
      ),
    );
    for (let round = 1; round <= 20; round += 1) {
      await insertRows(pool, 1);
      it.wake();
      await eventually('delivered', () => expect(delivered).toHaveLength(round), { everyMs: 2 });
    }
  });

  test('that comes while a claim runs is not lost, although the claim does not see its row', async () => {
    const delivered: string[] = [];
    const claimed = gate();
    const goOn = gate();
    // A pool whose first claim is over in the database long before the relay hears of it.
    const slow = Object.create(pool) as Pool;
    let claims = 0;
    slow.query = (async (text: string, values: unknown[]) => {
      const result = await pool.query(text, values);
      claims += 1;
      if (claims === 1) {
        claimed.open();
        await goOn.opened;
      }
      return result;
    }) as unknown as Pool['query'];
    const it = running(
      relay(
        slow,
        (row) => {
          delivered.push(row.id);
          return Promise.resolve(DELIVERED);
        },
        { pollMs: NEVER_MS },
      ),
    );
    await claimed.opened;
    const ids = await insertRows(pool, 1);
    it.wake();
    goOn.open();
    await eventually('delivered', () => expect(delivered).toEqual(ids));
  });

  test('that comes while every place is taken is remembered until one is free', async () => {
    const delivered: string[] = [];
    const hold = gate();
    const it = running(
      relay(
        pool,
        async (row) => {
          delivered.push(row.id);
          if (delivered.length <= 2) await hold.opened;
          return DELIVERED;
        },
        { pollMs: NEVER_MS, concurrency: 2 },
      ),
    );
    await insertRows(pool, 2);
    it.wake();
    await eventually('both places are taken', () => expect(delivered).toHaveLength(2));
    await insertRows(pool, 5);
    it.wake();
    hold.open();
    await eventually('all are delivered', () => expect(delivered).toHaveLength(7));
  });

  test('drains more rows than fit at once', async () => {
    let delivered = 0;
    let together = 0;
    let most = 0;
    const it = running(
      relay(
        pool,
        async () => {
          together += 1;
          most = Math.max(most, together);
          await new Promise((resolve) => setImmediate(resolve));
          together -= 1;
          delivered += 1;
          return DELIVERED;
        },
        { pollMs: NEVER_MS, concurrency: 10 },
      ),
    );
    await insertRows(pool, 150);
    it.wake();
    await eventually('all are delivered', () => expect(delivered).toBe(150));
    expect(most).toBeLessThanOrEqual(10);
  });
});

describe('a row that cannot be delivered', () => {
  test('says why, throws, or throws at once: it backs off longer each time, and is delivered in the end', async () => {
    const ways: readonly (readonly [reason: string, fail: () => Promise<Delivery>])[] = [
      ['no answer', () => Promise.resolve({ kind: 'failed', reason: 'no answer' })],
      ['TypeError: surprise', () => Promise.reject(new TypeError('surprise'))],
      [
        'RangeError: at once',
        () => {
          throw new RangeError('at once');
        },
      ],
    ];
    const ids = await insertRows(pool, ways.length);
    const at = new Map(ids.map((id) => [id, [] as number[]]));
    running(
      relay(pool, (row) => {
        at.get(row.id)?.push(performance.now());
        const fail = ways[ids.indexOf(row.id)]?.[1];
        return row.attempts < 4 && fail !== undefined ? fail() : Promise.resolve(DELIVERED);
      }),
    );
    await eventually('each failed twice', async () => {
      for (const [index, [reason]] of ways.entries())
        expect(await stateOf(pool, ids[index])).toMatchObject({
          attempts: 2,
          claimed: false,
          last_error: reason,
        });
    });
    await eventually('delivered', async () => {
      for (const id of ids)
        expect(await stateOf(pool, id)).toMatchObject({ processed: true, attempts: 4, last_error: null });
    });
    for (const times of at.values()) {
      // 200, 400, 800 ms, and never less.
      for (const [index, time] of times.slice(1).entries())
        expect(time - (times[index] ?? 0)).toBeGreaterThanOrEqual(200 * 2 ** index - 5);
    }
  });

  test('does not hold up the others, however many there are', async () => {
    const bad = new Set(await insertRows(pool, 20, 60_000));
    const good = await insertRows(pool, 100);
    const delivered: string[] = [];
    running(
      relay(
        pool,
        (row) => {
          if (bad.has(row.id)) return Promise.resolve({ kind: 'failed', reason: 'poison' });
          delivered.push(row.id);
          return Promise.resolve(DELIVERED);
        },
        { concurrency: 4 },
      ),
    );
    await eventually('the good ones are through', () =>
      expect(delivered.toSorted()).toEqual(good.toSorted()),
    );
    expect(await unprocessed(pool)).toBe(bad.size);
  });

  test('and hangs does not hold up the others', async () => {
    const [hanging] = await insertRows(pool, 1, 60_000);
    const others = await insertRows(pool, 50);
    const delivered: string[] = [];
    const hold = gate();
    running(
      relay(
        pool,
        async (row) => {
          if (row.id === hanging) await hold.opened;
          delivered.push(row.id);
          return DELIVERED;
        },
        { concurrency: 2 },
      ),
    );
    await eventually('the others are through', () => expect(delivered.toSorted()).toEqual(others.toSorted()));
    expect(await stateOf(pool, hanging)).toMatchObject({ processed: false, claimed: true });
    hold.open();
    await eventually('it too', async () => expect(await unprocessed(pool)).toBe(0));
  });

  test('and gives a time of its own is tried then', async () => {
    const [id] = await insertRows(pool, 1);
    running(relay(pool, () => Promise.resolve({ kind: 'failed', reason: 'busy', afterMs: 60_000 })));
    await eventually('put off', async () => expect((await stateOf(pool, id)).last_error).toBe('busy'));
    const { due_in_ms: dueInMs } = await stateOf(pool, id);
    expect(dueInMs).toBeGreaterThan(50_000);
    expect(dueInMs).toBeLessThanOrEqual(60_000);
  });

  test('and whose reason no column can hold is marked all the same, and so are the rows marked with it', async () => {
    const [odd, long, plain] = await insertRows(pool, 3);
    const together = gate();
    let waiting = 0;
    running(
      relay(pool, async (row) => {
        waiting += 1;
        if (waiting === 3) together.open();
        await together.opened;
        if (row.id === odd) return { kind: 'failed', reason: 'bad \0 byte \ud800', afterMs: 60_000 };
        if (row.id === long) return { kind: 'parked', reason: `\0${'x'.repeat(5_000)}` };
        return DELIVERED;
      }),
    );
    await eventually('all three are marked', async () => {
      expect(await stateOf(pool, plain)).toMatchObject({ processed: true });
      expect((await stateOf(pool, odd)).last_error).toMatch(/^bad .* byte/);
      const parked = await stateOf(pool, long);
      expect(parked).toMatchObject({ parked: true, claimed: false });
      expect(parked.last_error?.length).toBeLessThanOrEqual(1_000);
    }, { withinMs: 5_000 }); // prettier-ignore
  });
});

describe('a row that is parked', () => {
  test('stays where it is, with the reason, until somebody unparks it', async () => {
    const [id] = await insertRows(pool, 1);
    let unparked = false;
    let deliveries = 0;
    const it = running(
      relay(pool, () => {
        deliveries += 1;
        return Promise.resolve(unparked ? DELIVERED : { kind: 'parked', reason: 'not ours' });
      }),
    );
    await eventually('parked', async () => {
      expect(await stateOf(pool, id)).toMatchObject({ parked: true, claimed: false, last_error: 'not ours' });
    });
    it.wake();
    await throughout('it stays', () => expect(deliveries).toBe(1), 150);
    unparked = true;
    await pool.query('UPDATE outbox_events SET parked_at = NULL WHERE id = $1', [id]);
    await eventually('delivered', async () =>
      expect(await stateOf(pool, id)).toMatchObject({ processed: true }),
    );
  });

  test('too late, because its lease expired and another delivered it, is not parked', async () => {
    const [id] = await insertRows(pool, 1);
    const hold = gate();
    const claimed = gate();
    const slow = running(
      relay(
        pool,
        async () => {
          claimed.open();
          await hold.opened;
          return { kind: 'parked', reason: 'late' };
        },
        { leaseMs: 50, concurrency: 1 },
      ),
    );
    await claimed.opened;
    running(relay(pool, () => Promise.resolve(DELIVERED)));
    await eventually('the other delivered it', async () =>
      expect(await stateOf(pool, id)).toMatchObject({ processed: true }),
    );
    hold.open();
    await slow.stop();
    expect(await stateOf(pool, id)).toMatchObject({ processed: true, parked: false });
  });
});

test('"later" costs no attempt, is no error, and comes again in its time', async () => {
  const [id] = await insertRows(pool, 1);
  const attempts: number[] = [];
  running(
    relay(pool, (row) => {
      attempts.push(row.attempts);
      return Promise.resolve(attempts.length <= 5 ? { kind: 'later', afterMs: 10 } : DELIVERED);
    }),
  );
  await eventually('delivered', async () => {
    expect(await stateOf(pool, id)).toMatchObject({ processed: true, attempts: 1, last_error: null });
  });
  expect(attempts).toEqual([1, 1, 1, 1, 1, 1]);
});

describe('stop', () => {
  test('waits for what is being delivered, marks it, and claims nothing more', async () => {
    const [first] = await insertRows(pool, 1);
    const hold = gate();
    const started = gate();
    const it = relay(pool, async () => {
      started.open();
      await hold.opened;
      return DELIVERED;
    });
    await started.opened;
    let stopped = false;
    const stopping = it.stop().then(() => {
      stopped = true;
    });
    const [second] = await insertRows(pool, 1);
    it.wake();
    await throughout('it waits', () => expect(stopped).toBe(false), 150);
    hold.open();
    await stopping;
    expect(await stateOf(pool, first)).toMatchObject({ processed: true });
    expect(await stateOf(pool, second)).toMatchObject({ processed: false, attempts: 0, claimed: false });
  });

  test('of an idle relay is immediate, and a second one too', async () => {
    const it = relay(pool, () => Promise.resolve(DELIVERED), { pollMs: NEVER_MS });
    await eventually('idle', async () => expect(await unprocessed(pool)).toBe(0));
    await it.stop();
    await it.stop();
  });
});
