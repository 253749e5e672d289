import { describe, expect, test } from 'vitest';
import type { PaymentOrder } from '../../../workflows/ports.ts';
import { untilDone } from './as-temporal.ts';
import { effectsOf, newOrder, paymentBench } from './payment-bench.ts';
import { paymentRecords } from './payment-records.ts';
import { captured, expectTruth, insist } from './provider-truth.ts';

describe('money that comes after the end', () => {
  const bench = paymentBench();

  const idOf = async ({ donationId }: PaymentOrder): Promise<string> =>
    String((await paymentRecords(bench.pool, donationId)).payment.provider_payment_id);
  const look = async ({ donationId }: PaymentOrder) =>
    (await untilDone(() => bench.activities().look(donationId))).result;

  /** Ended at ours, captured at the provider all the same: its cancel never arrived there. */
  const ENDS = {
    'an operator cancelled': async (order) => {
      await bench.activities().release({ order, code: 'cancelled_by_operator' });
      await payAtProvider(order);
    },
    'the donor cancelled': async (order) => {
      await bench.activities().release({ order, code: 'cancelled_by_donor' });
      await payAtProvider(order);
    },
    'nobody acted in time': async (order) => {
      await bench.activities().release({ order, code: 'abandoned' });
      await payAtProvider(order);
    },
    'a decline': async (order) => {
      const declined = { ...order, paymentMethod: 'pm_card_chargeDeclined' };
      const { result: view } = await untilDone((attempt) =>
        bench.activities({ attempt }).authorize(declined),
      );
      if (!view.needsRelease) throw new Error(`the declined payment is ${view.status}`);
      // The donor tries another card in a browser tab that was left open.
      const paymentId = await idOf(order);
      await fetchConfirm(paymentId);
      await insist(() => bench.provider.capturePayment(paymentId, `${order.donationId}:test:capture`));
    },
  } as const satisfies Record<string, (order: PaymentOrder) => Promise<void>>;

  const payAtProvider = async (order: PaymentOrder): Promise<void> => {
    const key = (step: string): string => `${order.donationId}:test:${step}`;
    const created = await insist(() => bench.provider.createPayment(order, key('create')));
    if (created.kind !== 'yes') throw new Error(`create was answered ${created.kind}`);
    const { id } = created.payment;
    await insist(() => bench.provider.confirmPayment(id, key('confirm')));
    await insist(() => bench.provider.capturePayment(id, key('capture')));
  };

  /** As a browser confirms, with another card than the one that was declined. */
  const fetchConfirm = async (paymentId: string): Promise<void> => {
    const answer = await fetch(`${bench.simulator.base}/v1/payment_intents/${paymentId}/confirm`, {
      method: 'POST',
      headers: {
        authorization: 'Bearer sk_test_contract',
        'content-type': 'application/x-www-form-urlencoded',
      },
      body: 'payment_method=pm_card_visa',
    });
    expect(answer.status, await answer.text()).toBe(200);
  };

  const CASES = [
    ['an operator cancelled', true, 'refunded'],
    ['an operator cancelled', false, 'refunded'],
    ['the donor cancelled', true, 'refunded'],
    ['nobody acted in time', true, 'kept'],
    ['nobody acted in time', false, 'refunded'],
    ['a decline', true, 'kept'],
    ['a decline', false, 'refunded'],
  ] as const;
  test.each(CASES)(
    'after %s, with the campaign open: %s, is %s, by ten at once, and told once',
    async (end, keep, fate) => {
      const order = newOrder();
      const { donationId } = order;
      await ENDS[end](order);
      expect(await look(order)).toMatchObject({ status: 'CAPTURED', lateMoneyUndecided: true });
      await expectTruth(bench, donationId);

      const settle = { donationId, keep, reason: 'late_capture' };
      const views = await Promise.all(
        Array.from({ length: 10 }, () => bench.activities().settleLateMoney(settle)),
      );
      expect(new Set(views.map((view) => view.lateMoneyUndecided))).toEqual(new Set([false]));
      // Asked again with the other answer, it stays as it was decided.
      await bench.activities().settleLateMoney({ ...settle, keep: !keep });
      const { outbox } = await paymentRecords(bench.pool, donationId);
      expect(outbox.filter((text) => text.includes('late_capture'))).toEqual([
        expect.stringMatching(`late_capture.${fate}.v1`),
      ]);

      const { refundsToMake } = await bench.activities().currentPayment(order);
      expect(refundsToMake).toHaveLength(fate === 'refunded' ? 1 : 0);
      for (const refundId of refundsToMake)
        await untilDone((attempt) => bench.activities({ attempt }).makeRefund({ donationId, refundId }));
      const effects = await effectsOf(bench, donationId);
      expect(effects.filter((effect) => effect === 'refunded')).toHaveLength(fate === 'refunded' ? 1 : 0);
      const { payment } = await paymentRecords(bench.pool, donationId);
      expect(payment.state).toBe(fate === 'refunded' ? 'REFUNDED' : 'CAPTURED');
      await expectTruth(bench, donationId);
    },
  );

  test('that was not late is given back once when the donor had cancelled first', async () => {
    const { order, donationId } = await captured(bench);
    const settle = { donationId, keep: false, reason: 'cancelled_by_donor' };
    await Promise.all(Array.from({ length: 10 }, () => bench.activities().settleLateMoney(settle)));
    const { refundsToMake } = await bench.activities().currentPayment(order);
    expect(refundsToMake).toHaveLength(1);
    for (const refundId of refundsToMake)
      await untilDone((attempt) => bench.activities({ attempt }).makeRefund({ donationId, refundId }));
    await bench.activities().settleLateMoney(settle);
    expect((await bench.activities().currentPayment(order)).refundsToMake).toEqual([]);
    await expectTruth(bench, donationId);
  });

  test('and is disputed meanwhile waits for the bank: lost, nothing goes back twice; won, it goes back', async () => {
    for (const outcome of ['lost', 'won'] as const) {
      const order = newOrder();
      const { donationId } = order;
      await ENDS['the donor cancelled'](order);
      await look(order);
      const disputeId = await bench.simulator.disputePayment(await idOf(order));
      await look(order);
      const settle = { donationId, keep: true, reason: 'late_capture' };
      expect(await bench.activities().settleLateMoney(settle)).toMatchObject({
        lateMoneyUndecided: true,
        refundsToMake: [],
      });
      await bench.simulator.closeDispute(disputeId, outcome);
      await look(order);
      const { refundsToMake, lateMoneyUndecided } = await bench.activities().settleLateMoney(settle);
      expect(lateMoneyUndecided).toBe(false);
      expect(refundsToMake).toHaveLength(outcome === 'won' ? 1 : 0);
      for (const refundId of refundsToMake)
        await untilDone((attempt) => bench.activities({ attempt }).makeRefund({ donationId, refundId }));
      await expectTruth(bench, donationId);
    }
  });

  test('and was partly given back by hand is given back for the rest', async () => {
    const order = newOrder();
    const { donationId } = order;
    await ENDS['the donor cancelled'](order);
    await look(order);
    await bench.simulator.refundByHand(await idOf(order), { amountMinor: 900 });
    await look(order);
    const { refundsToMake } = await bench
      .activities()
      .settleLateMoney({ donationId, keep: false, reason: 'late_capture' });
    for (const refundId of refundsToMake)
      await untilDone((attempt) => bench.activities({ attempt }).makeRefund({ donationId, refundId }));
    expect((await paymentRecords(bench.pool, donationId)).payment.state).toBe('REFUNDED');
    await expectTruth(bench, donationId);
  });
});

describe('a create whose key is older than the provider keeps it', () => {
  const bench = paymentBench();
  const EXPIRED_KEY = { keyLifetimeMs: -1, absenceProofMs: 150 };

  /** Begun, and nobody knows whether it arrived. */
  const begun = async (arrived: boolean): Promise<PaymentOrder> => {
    const order = newOrder();
    const { donationId } = order;
    await bench.simulator.arm({
      operation: 'create',
      fault: arrived ? 'resetAfter' : 'error503',
      donationId,
    });
    await expect(bench.activities().authorize(order)).rejects.toThrow('not known yet');
    return order;
  };

  test('and never arrived is EXPIRED after two looks far enough apart, and is never posted', async () => {
    const order = await begun(false);
    const authorize = (attempt: number) =>
      bench.activities({ attempt, limits: EXPIRED_KEY }).authorize(order);
    await expect(authorize(2)).rejects.toThrow('not known yet');
    // Too soon to be a proof: search is behind.
    await expect(authorize(3)).rejects.toThrow('not known yet');
    const { result } = await untilDone(authorize);
    expect(result).toMatchObject({ status: 'EXPIRED', failureCode: 'abandoned', needsRelease: false });
    expect(await effectsOf(bench, order.donationId)).toEqual([]);
    expect((await paymentRecords(bench.pool, order.donationId)).entries).toEqual(['unpledged 2500']);
    expect(await authorize(9)).toEqual(result);
  });

  test('and arrived is found, and goes on from there', async () => {
    const order = await begun(true);
    const { result } = await untilDone((attempt) =>
      bench.activities({ attempt, limits: EXPIRED_KEY }).authorize(order),
    );
    expect(result.status).toBe('AUTHORIZED');
    expect(await effectsOf(bench, order.donationId)).toEqual(['created', 'authorized']);
  });

  test('and that the provider shows late is found by the second look', async () => {
    const order = await begun(true);
    await bench.simulator.turn({ searchLagMs: 1_500 });
    const authorize = (attempt: number) =>
      bench.activities({ attempt, limits: { ...EXPIRED_KEY, absenceProofMs: 60_000 } }).authorize(order);
    const { result } = await untilDone(authorize);
    expect(result.status).toBe('AUTHORIZED');
    expect(await effectsOf(bench, order.donationId)).toEqual(['created', 'authorized']);
  });

  test.each(['cancelled_by_donor', 'cancelled_by_operator'] as const)(
    'and never arrived when it was %s ends FAILED with that code',
    async (code) => {
      const order = await begun(false);
      const { result } = await untilDone((attempt) =>
        bench.activities({ attempt, limits: EXPIRED_KEY }).release({ order, code }),
      );
      expect(result).toMatchObject({ status: 'FAILED', failureCode: code, needsRelease: false });
      expect(await effectsOf(bench, order.donationId)).toEqual([]);
    },
  );
});
