import { describe, expect, test } from 'vitest';
import type { PaymentOrder } from '../../../workflows/ports.ts';
import { failureOf } from './as-temporal.ts';
import { dieAt, newOrder, paymentBench } from './payment-bench.ts';
import { expectOutcome, paymentRecords } from './payment-records.ts';
import {
  copyOf,
  eventRecord,
  listedEvents,
  openUnanswered,
  storeEvents,
  type ListedEvent,
} from './stored-events.ts';

describe('a stored event of the provider', () => {
  const bench = paymentBench();

  /** A payment that was captured at the provider under `atProvider`, and our row of `order`; its last event. */
  const capturedAtProvider = async (
    order: PaymentOrder,
    atProvider: Partial<PaymentOrder> = {},
  ): Promise<ListedEvent> => {
    const asked = { ...order, ...atProvider };
    const key = (step: string): string => `${asked.donationId}:${step}:1`;
    const created = await bench.provider.createPayment(asked, key('create'));
    if (created.kind !== 'yes') throw new Error(`create was answered ${created.kind}`);
    await bench.provider.confirmPayment(created.payment.id, key('confirm'));
    await bench.provider.capturePayment(created.payment.id, key('capture'));
    const last = (await listedEvents(bench.simulator, asked.donationId)).at(-1);
    if (last === undefined) throw new Error('the provider has sent nothing');
    await storeEvents(bench.pool, [last]);
    return last;
  };

  const expectUntouched = async ({ donationId }: PaymentOrder): Promise<void> => {
    const records = await paymentRecords(bench.pool, donationId);
    expect(records).toMatchObject({
      payment: { state: 'INITIATED', version: 0, authorized: false, captured: 0, closed_as: null },
      transitions: [],
      entries: [],
      ledger: [],
      outbox: [],
    });
  };

  test.each([
    ['amount', { amountMinor: 2_600 }, /amount 2600, pledged 2500/],
    ['currency', { currency: 'EUR' as const }, /currency EUR, pledged USD/],
  ])('whose object has another %s raises a review and changes nothing', async (_what, difference, reason) => {
    const order = newOrder();
    await openUnanswered(bench.pool, order);
    const event = await capturedAtProvider(order, difference);
    const view = await bench
      .activities()
      .applyProviderEvent({ eventId: event.id, donationId: order.donationId });
    expect(view).toMatchObject({ status: 'INITIATED', version: 0, entries: [] });
    await expectUntouched(order);
    const { payment } = await paymentRecords(bench.pool, order.donationId);
    expect(payment.needs_review).toMatch(reason);
    expect(payment.provider_payment_id).toBeNull();
    expect(await eventRecord(bench.pool, event.id)).toEqual({ processed: true, outcome: 'needs_review' });
  });

  test('that names our donation around the object of another raises a review and changes neither', async () => {
    const order = newOrder();
    const stranger = newOrder();
    await openUnanswered(bench.pool, order);
    const theirs = await capturedAtProvider(stranger);
    const lie = copyOf({
      ...theirs,
      data: { object: { ...theirs.data.object, metadata: { donation_id: order.donationId } } },
    });
    await storeEvents(bench.pool, [lie]);
    await bench.activities().applyProviderEvent({ eventId: lie.id, donationId: order.donationId });
    await expectUntouched(order);
    const { payment } = await paymentRecords(bench.pool, order.donationId);
    expect(payment.needs_review).toMatch(`belongs to donation ${stranger.donationId}`);
    expect(await eventRecord(bench.pool, lie.id)).toMatchObject({ outcome: 'needs_review' });
  });

  test('of a second payment for the same donation raises a review and changes nothing', async () => {
    const order = newOrder();
    await bench.activities().authorize(order);
    const second = { ...order, donationId: order.donationId };
    const created = await bench.provider.createPayment(second, `${order.donationId}:test:1`);
    if (created.kind !== 'yes') throw new Error(`create was answered ${created.kind}`);
    await bench.provider.confirmPayment(created.payment.id, `${order.donationId}:test:2`);
    const event = (await listedEvents(bench.simulator, order.donationId)).at(-1);
    await storeEvents(bench.pool, event === undefined ? [] : [event]);
    await bench.activities().applyProviderEvent({ eventId: event?.id ?? '', donationId: order.donationId });
    const records = await paymentRecords(bench.pool, order.donationId);
    expect(records.payment).toMatchObject({ state: 'AUTHORIZED', version: 1 });
    expect(records.payment.needs_review).toMatch(`is another payment (${created.payment.id})`);
  });

  test('that is doubted while another doubt is open is told apart from one that was applied', async () => {
    const order = newOrder();
    await openUnanswered(bench.pool, order);
    const stranger = newOrder();
    const theirs = await capturedAtProvider(stranger);
    const lies = [1, 2].map(() =>
      copyOf({
        ...theirs,
        data: { object: { ...theirs.data.object, metadata: { donation_id: order.donationId } } },
      }),
    );
    const ours = await capturedAtProvider(order);
    await storeEvents(bench.pool, lies);
    for (const { id: eventId } of [...lies, ours])
      await bench.activities().applyProviderEvent({ eventId, donationId: order.donationId });
    expect(await Promise.all([...lies, ours].map(({ id }) => eventRecord(bench.pool, id)))).toEqual([
      { processed: true, outcome: 'needs_review' },
      { processed: true, outcome: 'needs_review' },
      { processed: true, outcome: 'applied' },
    ]);
    const { payment } = await paymentRecords(bench.pool, order.donationId);
    expect(payment).toMatchObject({ state: 'CAPTURED' });
    expect(payment.needs_review).toMatch(`${lies[0]?.id ?? ''}: the provider's payment belongs to donation`);
  });

  test('whose amount the provider tells wrongly at the moment raises a review and changes nothing', async () => {
    const order = newOrder();
    await openUnanswered(bench.pool, order);
    const event = await capturedAtProvider(order);
    await bench.simulator.arm({
      operation: 'retrieve',
      fault: 'wrongAmount',
      donationId: order.donationId,
    });
    await bench.activities().applyProviderEvent({ eventId: event.id, donationId: order.donationId });
    expect(await bench.fired('wrongAmount')).toBe(1);
    await expectUntouched(order);
  });

  test('with too little captured raises a review: the capture is not booked', async () => {
    const order = newOrder();
    await bench.activities().authorize(order);
    await bench.simulator.arm({
      operation: 'capture',
      fault: 'wrongAmount',
      donationId: order.donationId,
    });
    const failure = await failureOf(bench.activities().capture(order.donationId));
    expect(failure).toMatchObject({ type: 'payment_mismatch', nonRetryable: true });
    const { payment, ledger } = await paymentRecords(bench.pool, order.donationId);
    expect(payment).toMatchObject({ state: 'AUTHORIZED', captured: 0 });
    expect(payment.needs_review).toMatch(/received 2499, pledged 2500/);
    expect(ledger).toEqual([]);
  });

  test('of an object that the provider does not know raises a review and changes nothing', async () => {
    const order = newOrder();
    await bench.activities().authorize(order);
    const event = copyOf({
      id: '',
      type: 'payment_intent.succeeded',
      data: {
        object: { object: 'payment_intent', id: 'pi_unknown', metadata: { donation_id: order.donationId } },
      },
    });
    await storeEvents(bench.pool, [{ ...event, ...ENVELOPE }]);
    await bench.activities().applyProviderEvent({ eventId: event.id, donationId: order.donationId });
    const { payment } = await paymentRecords(bench.pool, order.donationId);
    expect(payment).toMatchObject({ state: 'AUTHORIZED', version: 1 });
    expect(payment.needs_review).toMatch('cannot be read (resource_missing)');
  });

  test('of a payment that we do not have yet waits, and is applied once the payment is there', async () => {
    const order = newOrder();
    const event = await capturedAtProvider(order);
    expect(
      await bench.activities().applyProviderEvent({ eventId: event.id, donationId: order.donationId }),
    ).toBeNull();
    expect(await eventRecord(bench.pool, event.id)).toEqual({ processed: false, outcome: null });
    await openUnanswered(bench.pool, order);
    const view = await bench
      .activities()
      .applyProviderEvent({ eventId: event.id, donationId: order.donationId });
    expect(view).toMatchObject({ status: 'CAPTURED', version: 2 });
    expect(await eventRecord(bench.pool, event.id)).toEqual({ processed: true, outcome: 'applied' });
  });

  test('is believed by its body only after three fruitless questions', async () => {
    const order = newOrder();
    await openUnanswered(bench.pool, order);
    const event = await capturedAtProvider(order);
    await bench.simulator.turn({ loseAllAnswers: 1 });
    for (const attempt of [1, 2]) {
      const failure = await failureOf(
        bench.activities({ attempt }).applyProviderEvent({ eventId: event.id, donationId: order.donationId }),
      );
      expect(failure).toMatchObject({ type: 'provider_unknown', nonRetryable: false });
      await expectUntouched(order);
      expect(await eventRecord(bench.pool, event.id)).toEqual({ processed: false, outcome: null });
    }
    const view = await bench
      .activities({ attempt: 3 })
      .applyProviderEvent({ eventId: event.id, donationId: order.donationId });
    expect(view).toMatchObject({ status: 'CAPTURED', version: 2 });
    expectOutcome(await paymentRecords(bench.pool, order.donationId), 'CAPTURED');
  });

  test('that is believed by its body leaves the fee, which no body tells, to be asked for', async () => {
    const order = newOrder();
    const { donationId } = order;
    await openUnanswered(bench.pool, order);
    const event = await capturedAtProvider(order);
    await bench.simulator.turn({ loseAllAnswers: 1 });
    await bench.activities({ attempt: 3 }).applyProviderEvent({ eventId: event.id, donationId });
    await bench.simulator.reset();
    const { rows } = await bench.pool.query('SELECT type FROM workflow_commands WHERE payment_id = $1', [
      donationId,
    ]);
    expect(rows).toEqual([{ type: 'look' }]);
    await bench.activities().look(donationId);
    const fee = await bench.pool.query('SELECT fee, fee_currency FROM payments WHERE id = $1', [donationId]);
    expect(fee.rows).toEqual([{ fee: 103, fee_currency: 'USD' }]);
  });

  test('whose body differs from what was pledged is not believed either', async () => {
    const order = newOrder();
    await openUnanswered(bench.pool, order);
    const event = await capturedAtProvider(order, { amountMinor: 9_999 });
    await bench.simulator.turn({ loseAllAnswers: 1 });
    await bench
      .activities({ attempt: 3 })
      .applyProviderEvent({ eventId: event.id, donationId: order.donationId });
    await expectUntouched(order);
    const { payment } = await paymentRecords(bench.pool, order.donationId);
    expect(payment.needs_review).toMatch(/amount 9999, pledged 2500/);
  });

  test('is asked about again no sooner than the provider allows', async () => {
    const order = newOrder();
    await openUnanswered(bench.pool, order);
    const event = await capturedAtProvider(order);
    await bench.simulator.arm({
      operation: 'retrieve',
      fault: 'rateLimit429',
      donationId: order.donationId,
    });
    const failure = await failureOf(
      bench.activities().applyProviderEvent({ eventId: event.id, donationId: order.donationId }),
    );
    expect(failure).toMatchObject({ type: 'provider_unknown', nextRetryDelay: 1_000 });
  });

  test('waits while our key is refused: that can be mended, and says nothing of the payment', async () => {
    const order = newOrder();
    await openUnanswered(bench.pool, order);
    const event = await capturedAtProvider(order);
    const failure = await failureOf(
      bench
        .activities({ provider: bench.strangersProvider })
        .applyProviderEvent({ eventId: event.id, donationId: order.donationId }),
    );
    expect(failure).toMatchObject({ type: 'provider_unknown', nonRetryable: false });
    await expectUntouched(order);
    expect((await paymentRecords(bench.pool, order.donationId)).payment.needs_review).toBeNull();
  });

  test('whose worker dies after the commit has one effect when it is applied again', async () => {
    const order = newOrder();
    await openUnanswered(bench.pool, order);
    const event = await capturedAtProvider(order);
    const dying = bench.activities({ failpoint: dieAt('event.applied') });
    await expect(
      dying.applyProviderEvent({ eventId: event.id, donationId: order.donationId }),
    ).rejects.toThrow('died');
    const view = await bench
      .activities()
      .applyProviderEvent({ eventId: event.id, donationId: order.donationId });
    expect(view).toMatchObject({ status: 'CAPTURED', version: 2 });
    expectOutcome(await paymentRecords(bench.pool, order.donationId), 'CAPTURED');
  });

  test('that proves an authorization of a closed payment asks for its release and changes nothing', async () => {
    const order = newOrder();
    await bench.activities().release({ order, code: 'cancelled_by_donor' });
    const created = await bench.provider.createPayment(order, `${order.donationId}:test:1`);
    if (created.kind !== 'yes') throw new Error(`create was answered ${created.kind}`);
    await bench.provider.confirmPayment(created.payment.id, `${order.donationId}:test:2`);
    const event = (await listedEvents(bench.simulator, order.donationId)).at(-1);
    await storeEvents(bench.pool, event === undefined ? [] : [event]);
    const view = await bench
      .activities()
      .applyProviderEvent({ eventId: event?.id ?? '', donationId: order.donationId });
    expect(view).toMatchObject({ status: 'FAILED', version: 1, needsRelease: true });
    const released = await bench.activities().release({ order, code: 'cancelled_by_donor' });
    expect(released).toMatchObject({ status: 'FAILED', version: 1, needsRelease: false });
    expectOutcome(await paymentRecords(bench.pool, order.donationId), 'DECLINED');
  });

  test('that proves a capture of a closed payment books it and counts the pledge again', async () => {
    const order = newOrder();
    await bench.activities().release({ order, code: 'cancelled_by_donor' });
    const event = await capturedAtProvider(order);
    const view = await bench
      .activities()
      .applyProviderEvent({ eventId: event.id, donationId: order.donationId });
    expect(view).toMatchObject({ status: 'CAPTURED', version: 2, failureCode: null, needsRelease: false });
    const records = await paymentRecords(bench.pool, order.donationId);
    expect(records.transitions).toEqual(['1 INITIATED > FAILED', '2 FAILED > CAPTURED']);
    expect(records.entries).toEqual(['unpledged 2500', 'captured 2500', 'pledged 2500']);
    expect(records.ledger).toEqual(['provider_balance 2500', 'campaign_payable -2500']);
  });
});

/** What an event has around its object. */
const ENVELOPE = { object: 'event', created: 1_700_000_000, livemode: false };
