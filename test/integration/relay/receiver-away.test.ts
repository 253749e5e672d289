/** A receiver that is away: rows are neither claimed nor blamed for it, and flow again as soon as it answers. */
import type { Pool } from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { createBreaker, type Breaker } from '../../../platform/breaker.ts';
import { createPool } from '../../../platform/postgres.ts';
import type { Delivery, Relay } from '../../../platform/relay.ts';
import { eventually, throughout } from '../../harness/eventually.ts';
import { isolatedDatabases } from '../database/isolated-databases.ts';
import { DELIVERED, insertRows, relay, silent, stateOf, unprocessed } from './rows.ts';

const { urls } = isolatedDatabases(['campaigns']);
const SETTINGS = { timeoutMs: 1_000, threshold: 3, halfOpenAfterMs: 300 } as const;

let pool: Pool;
let receiver: Breaker;
let isUp: boolean;
let asked: string[];
let running: Relay | undefined;
beforeAll(() => {
  pool = createPool({ url: urls.campaigns, max: 8, name: 'test-relay' });
});
beforeEach(async () => {
  await pool.query('TRUNCATE outbox_events');
  receiver = createBreaker('temporal', silent, SETTINGS);
  isUp = false;
  asked = [];
});
afterEach(async () => {
  await running?.stop();
});
afterAll(async () => {
  await pool.end();
});

function start(concurrency: number): Relay {
  const deliver = (row: { readonly id: string }): Promise<Delivery> =>
    receiver.run(() => {
      asked.push(row.id);
      return isUp ? Promise.resolve(DELIVERED) : Promise.reject(new Error('connection refused'));
    });
  running = relay(pool, deliver, { concurrency, receiver, leaseMs: 5_000 });
  return running;
}

test('the first failures open the breaker; then one row per look is tried, and no attempt counts', async () => {
  const ids = await insertRows(pool, 50);
  start(10);
  await eventually('the breaker is open', () => expect(receiver.admits()).toBe('none'));
  const askedAtFirst = asked.length;
  expect(askedAtFirst).toBeLessThanOrEqual(10);
  const from = performance.now();
  await throughout(
    'nobody is asked but to find out',
    () => expect(receiver.state()).not.toBe('closed'),
    1_000,
  );
  const looks = (performance.now() - from) / SETTINGS.halfOpenAfterMs + 1;
  expect(asked.length - askedAtFirst).toBeLessThanOrEqual(looks);
  const states = await Promise.all(ids.map((id) => stateOf(pool, id)));
  // A row that is being tried right now counts until its outcome is known.
  expect(states.filter(({ attempts }) => attempts > 0).length).toBeLessThanOrEqual(1);
  expect(states.some(({ last_error }) => last_error?.includes('temporal: connection refused'))).toBe(true);
});

test('all rows flow soon after the receiver is back, without being woken', async () => {
  await insertRows(pool, 50);
  start(10);
  await eventually('the breaker is open', () => expect(receiver.state()).toBe('open'));
  await throughout('nothing is delivered', async () => expect(await unprocessed(pool)).toBe(50), 1_000);
  isUp = true;
  await eventually('everything is delivered', async () => expect(await unprocessed(pool)).toBe(0), {
    withinMs: 5_000,
  });
  expect(receiver.state()).toBe('closed');
});

test('rows written while the receiver is away do not make the relay look more often', async () => {
  const relaying = start(10);
  await insertRows(pool, 5);
  relaying.wake();
  await eventually('the breaker is open', () => expect(receiver.state()).toBe('open'));
  const before = asked.length;
  const from = performance.now();
  for (let wake = 0; wake < 100; wake += 1) {
    await insertRows(pool, 1);
    relaying.wake();
  }
  const looks = (performance.now() - from) / SETTINGS.halfOpenAfterMs + 1;
  expect(asked.length - before).toBeLessThanOrEqual(looks);
});

test('a row that is refused by a receiver that is there counts its attempts as ever', async () => {
  const [id] = await insertRows(pool, 1);
  const refused = new Error('no such thing');
  receiver = createBreaker('temporal', silent, { ...SETTINGS, isAway: (error) => error !== refused });
  running = relay(pool, () => receiver.run(() => Promise.reject(refused)), { receiver });
  await eventually('it is tried again', async () =>
    expect((await stateOf(pool, id)).attempts).toBeGreaterThan(2),
  );
  expect(receiver.state()).toBe('closed');
});
