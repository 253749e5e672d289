import type { Pool } from 'pg';
import { describe, expect, test } from 'vitest';
import { untilDone } from './as-temporal.ts';
import { dieAt, effectsOf, newOrder, paymentBench } from './payment-bench.ts';
import { expectOutcome, paymentRecords } from './payment-records.ts';

describe('a release that meets an authorize that is still running', () => {
  const bench = paymentBench();

  test('closes the payment before its create is written down: nothing is created any more', async () => {
    const order = newOrder();
    let released = 0;
    const pool = pausedBefore(bench.pool, 'INSERT INTO payment_operations', async () => {
      released += 1;
      if (released === 1) await bench.activities().release({ order, code: 'cancelled_by_operator' });
    });
    const view = await bench.activities({ pool }).authorize(order);
    expect(released).toBe(1);
    expect(view).toMatchObject({ status: 'FAILED', failureCode: 'cancelled_by_operator' });
    expect(await effectsOf(bench, order.donationId)).toEqual([]);
    expectOutcome(await paymentRecords(bench.pool, order.donationId), 'DECLINED');
  });

  test('comes between create and confirm: what was created is canceled and never confirmed', async () => {
    const order = newOrder();
    let begun = 0;
    const pool = pausedBefore(bench.pool, 'INSERT INTO payment_operations', async () => {
      begun += 1;
      if (begun === 2) await bench.activities().release({ order, code: 'cancelled_by_operator' });
    });
    const { result } = await untilDone(() => bench.activities({ pool }).authorize(order));
    expect(result).toMatchObject({
      status: 'FAILED',
      failureCode: 'cancelled_by_operator',
      needsRelease: false,
    });
    expect(await effectsOf(bench, order.donationId)).toEqual(['created', 'canceled']);
  });

  test('comes while the create is on its way: what it creates is canceled', async () => {
    const order = newOrder();
    const failpoint = dieAt('provider.before-call');
    await expect(bench.activities({ failpoint }).authorize(order)).rejects.toThrow('died');
    const [released, authorized] = await Promise.all([
      untilDone(() => bench.activities().release({ order, code: 'cancelled_by_operator' })),
      untilDone(() => bench.activities().authorize(order)),
    ]);
    expect(released.result.status).toBe('FAILED');
    expect(authorized.result.status).toMatch(/^(AUTHORIZED|FAILED)$/);
    const effects = await effectsOf(bench, order.donationId);
    expect(effects.filter((effect) => effect !== 'authorized')).toEqual(['created', 'canceled']);
    expect(effects.at(-1)).toBe('canceled');
    const { payment } = await paymentRecords(bench.pool, order.donationId);
    expect(payment).toMatchObject({ state: 'FAILED', captured: 0, needs_review: null });
  });
});

/** The same database, for a worker that is held up before each statement that contains `text`. */
function pausedBefore(pool: Pool, text: string, meanwhile: () => Promise<void>): Pool {
  const query = async (...args: Parameters<Pool['query']>): Promise<unknown> => {
    if (JSON.stringify(args[0]).includes(text)) await meanwhile();
    return await (pool.query as (...given: unknown[]) => Promise<unknown>)(...args);
  };
  return new Proxy(pool, {
    get: (target, name) => {
      if (name === 'query') return query;
      const value: unknown = Reflect.get(target, name);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}
