import { describe, expect, test } from 'vitest';
import { applyStoredEvent } from '../../../activities/payments/provider-events.ts';
import type { PaymentOrder, PaymentView } from '../../../workflows/ports.ts';
import { expectNoDoubleEffect, newOrder, paymentBench, readSnapshot } from './payment-bench.ts';
import { insist } from './provider-truth.ts';
import { entryTexts, expectOutcome, paymentRecords } from './payment-records.ts';
import { untilDone } from './as-temporal.ts';
import {
  copyOf,
  listedEvents,
  openUnanswered,
  ordersOf,
  storeEvents,
  type ListedEvent,
} from './stored-events.ts';

/** The provider gets so many questions before an event's own body is believed. */
const BELIEVES_THE_BODY = 3;

const CREATED = 'payment_intent.created';
const AUTHORIZED = 'payment_intent.amount_capturable_updated';
const CAPTURED = 'payment_intent.succeeded';
const DECLINED = 'payment_intent.payment_failed';
const CANCELED = 'payment_intent.canceled';

describe('the events of one payment, in every order and however often they come', () => {
  const bench = paymentBench();

  type Last = 'capture' | 'cancel';
  /** A payment that went through at the provider while no answer and no event reached us. */
  const given = async (
    last: Last,
    paymentMethod = 'pm_card_visa',
  ): Promise<{ order: PaymentOrder; events: Map<string, ListedEvent> }> => {
    const order = newOrder({ paymentMethod });
    await openUnanswered(bench.pool, order);
    const key = (step: string): string => `${order.donationId}:${step}:1`;
    const created = await insist(() => bench.provider.createPayment(order, key('create')));
    if (created.kind !== 'yes') throw new Error(`create was answered ${created.kind}`);
    const { id } = created.payment;
    await insist(() => bench.provider.confirmPayment(id, key('confirm')));
    if (last === 'capture') await insist(() => bench.provider.capturePayment(id, key('capture')));
    else await insist(() => bench.provider.cancelPayment(id, key('release')));
    const listed = await listedEvents(bench.simulator, order.donationId);
    return { order, events: new Map(listed.map((event) => [event.type, event])) };
  };

  const apply = async (eventId: string, attempt: number): Promise<PaymentView | null> => {
    const { rows } = await bench.pool.query<{ donation_id: string }>(
      'SELECT donation_id FROM webhook_events WHERE event_id = $1',
      [eventId],
    );
    return await applyStoredEvent(
      {
        pool: bench.pool,
        provider: bench.provider,
        failpoint: () => undefined,
        readSnapshot,
        attempt,
        signal: new AbortController().signal,
      },
      eventId,
      rows[0]?.donation_id ?? '',
    );
  };

  /** Applies the types in this order: a type that comes again comes as another event with the same news. */
  const applyInOrder = async (
    events: ReadonlyMap<string, ListedEvent>,
    types: readonly string[],
    attempt: number,
  ): Promise<PaymentView | null> => {
    const used = new Set<ListedEvent>();
    let view: PaymentView | null = null;
    for (const type of types) {
      const known = events.get(type);
      if (known === undefined) throw new Error(`the provider has sent no ${type}`);
      const event = used.has(known) ? copyOf(known) : known;
      used.add(event);
      await storeEvents(bench.pool, [event]);
      view = await apply(event.id, attempt);
    }
    return view;
  };

  const twice = (types: readonly string[]): string[] => [...types, ...types];

  test.each(ordersOf([CREATED, AUTHORIZED, CAPTURED]))(
    'a captured payment is CAPTURED once when the object is fetched after %s, %s, %s',
    async (...types) => {
      const { order, events } = await given('capture');
      const view = await applyInOrder(events, twice(types), 1);
      expect(view).toMatchObject({ status: 'CAPTURED', version: 2, failureCode: null, needsRelease: false });
      expectOutcome(await paymentRecords(bench.pool, order.donationId), 'CAPTURED');
    },
  );

  /** Applies each order of the events to a payment of its own, while the provider answers nothing. */
  const inEachOrder = async (
    last: Last,
    paymentMethod: string,
    orders: readonly (readonly string[])[],
    check: (view: PaymentView | null, donationId: string, types: string) => Promise<void>,
  ): Promise<void> => {
    const payments = await severalAtOnce(orders, async (types) => ({
      types,
      ...(await given(last, paymentMethod)),
    }));
    await bench.simulator.turn({ loseAllAnswers: 1 });
    await severalAtOnce(payments, async ({ types, order, events }) => {
      const view = await applyInOrder(events, types, BELIEVES_THE_BODY);
      await check(view, order.donationId, types.join());
    });
    expect(await bench.fired('loseAllAnswers')).toBeGreaterThan(0);
  };

  test('a captured payment is CAPTURED once in each of the 90 orders of its events and their copies, by their bodies alone', async () => {
    const orders = ordersOf(twice([CREATED, AUTHORIZED, CAPTURED]));
    expect(orders).toHaveLength(90);
    await inEachOrder('capture', 'pm_card_visa', orders, async (view, donationId, types) => {
      expect(view, types).toMatchObject({ status: 'CAPTURED', version: 2, needsRelease: false });
      const records = await paymentRecords(bench.pool, donationId);
      expectOutcome(records, 'CAPTURED');
      expect(entryTexts(view?.entries ?? [])).toEqual(records.entries);
    });
  });

  test('a declined and canceled payment is FAILED with the code of the decline in every order, by their bodies alone', async () => {
    const orders = ordersOf([CREATED, DECLINED, DECLINED, CANCELED]);
    const card = 'pm_card_chargeDeclinedLostCard';
    await inEachOrder('cancel', card, orders, async (view, donationId, types) => {
      expect(view, types).toMatchObject({ status: 'FAILED', failureCode: 'lost_card' });
      expectOutcome(await paymentRecords(bench.pool, donationId), 'DECLINED');
    });
  });

  test('an authorization that was canceled is FAILED and counted out once in every order, by their bodies alone', async () => {
    const orders = ordersOf([CREATED, AUTHORIZED, CANCELED, CANCELED]);
    await inEachOrder('cancel', 'pm_card_visa', orders, async (view, donationId, types) => {
      expect(view, types).toMatchObject({ status: 'FAILED', failureCode: 'abandoned' });
      const { payment, entries, ledger } = await paymentRecords(bench.pool, donationId);
      expect(payment).toMatchObject({
        state: 'FAILED',
        captured: 0,
        closed_as: 'FAILED',
        needs_review: null,
      });
      expect(entries).toEqual(['unpledged 2500']);
      expect(ledger).toEqual([]);
    });
  });

  test('one event a hundred times at once has one effect', async () => {
    const { order, events } = await given('capture');
    const captured = [...events.values()].at(-1);
    if (captured === undefined) throw new Error('the provider has sent nothing');
    await storeEvents(bench.pool, [captured]);
    const views = await Promise.all(
      Array.from({ length: 100 }, () => untilDone((attempt) => apply(captured.id, attempt))),
    );
    for (const { result } of views) expect(result).toMatchObject({ status: 'CAPTURED', version: 2 });
    expectOutcome(await paymentRecords(bench.pool, order.donationId), 'CAPTURED');
  });

  test('all events at once, each three times, while our own steps run have one effect', async () => {
    const order = newOrder();
    const authorize = untilDone((attempt) => bench.activities({ attempt }).authorize(order));
    const applied: Promise<unknown>[] = [];
    const applyAll = async (): Promise<void> => {
      const listed = await listedEvents(bench.simulator, order.donationId);
      const events = listed.flatMap((event) => [event, copyOf(event), copyOf(event)]);
      await storeEvents(bench.pool, events);
      applied.push(...events.map((event) => untilDone((attempt) => apply(event.id, attempt))));
    };
    await applyAll();
    await authorize;
    await applyAll();
    const capture = untilDone((attempt) => bench.activities({ attempt }).capture(order.donationId));
    await applyAll();
    await capture;
    await applyAll();
    await Promise.all(applied);
    await expectNoDoubleEffect(bench, order.donationId);
    expectOutcome(await paymentRecords(bench.pool, order.donationId), 'CAPTURED');
  });
});

const AT_ONCE = 6;

async function severalAtOnce<T, R>(things: readonly T[], run: (thing: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  for (let start = 0; start < things.length; start += AT_ONCE)
    results.push(...(await Promise.all(things.slice(start, start + AT_ONCE).map(run))));
  return results;
}
