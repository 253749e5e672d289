import { describe, expect, test } from 'vitest';
import { eventsOf } from '../../contract/listed-events.ts';
import type { PaymentProvider } from '../../../provider/port.ts';
import { failureOf, untilDone } from './as-temporal.ts';
import { dieAt, effectsOf, paymentBench } from './payment-bench.ts';
import { paymentRecords } from './payment-records.ts';
import { askRefund, captured, decideRefund, expectTruth, totalsOf } from './provider-truth.ts';
import { eventRecord, storeEvents } from './stored-events.ts';

describe('a refund', () => {
  const bench = paymentBench();

  type RefundRow = { readonly amount: number; readonly status: string; readonly failure_code: string | null };
  const refundRow = async (refundId: string): Promise<RefundRow | undefined> => {
    const { rows } = await bench.pool.query<RefundRow>(
      'SELECT amount, status, failure_code FROM refunds WHERE id = $1',
      [refundId],
    );
    return rows[0];
  };
  const reserved = async (donationId: string): Promise<number | undefined> =>
    (
      await bench.pool.query<{ reserved: number }>('SELECT reserved FROM payments WHERE id = $1', [
        donationId,
      ])
    ).rows[0]?.reserved;
  const providerIdOf = async (refundId: string): Promise<string> =>
    (
      await bench.pool.query<{ id: string }>('SELECT provider_refund_id AS id FROM refunds WHERE id = $1', [
        refundId,
      ])
    ).rows[0]?.id ?? '';
  const make = (donationId: string, refundId: string) =>
    untilDone((attempt) => bench.activities({ attempt }).makeRefund({ donationId, refundId }));
  const look = (donationId: string) => bench.activities().look(donationId);
  const refundEffects = async (donationId: string): Promise<string[]> =>
    (await effectsOf(bench, donationId)).filter((effect) => effect.startsWith('refund'));
  const outboxOf = async (donationId: string): Promise<string[]> =>
    (await paymentRecords(bench.pool, donationId)).outbox.filter((text) => text.includes(' refund.'));

  describe('by its states', () => {
    test('pending, then succeeded: reserved, then given back', async () => {
      const { donationId } = await captured(bench, { paymentMethod: 'pm_card_pendingRefund' });
      await bench.simulator.turn({ refundSettleMs: 600_000 });
      const refundId = await askRefund(bench, { donationId }, 1_000);
      expect((await make(donationId, refundId)).result).toMatchObject({
        status: 'CAPTURED',
        refundsToMake: [],
        refundsUnderWay: 1,
      });
      expect(await reserved(donationId)).toBe(1_000);
      await bench.simulator.succeedRefund(await providerIdOf(refundId));
      expect(await look(donationId)).toMatchObject({ status: 'PARTIALLY_REFUNDED', refundsUnderWay: 0 });
      expect(await reserved(donationId)).toBe(0);
      expect(await outboxOf(donationId)).toEqual(['3 refund.requested.v1', '4 refund.succeeded.v1']);
      await expectTruth(bench, donationId);
    });

    test('pending, then failed: nothing has moved, and the amount can be asked for again', async () => {
      const { donationId } = await captured(bench, { paymentMethod: 'pm_card_pendingRefund' });
      await bench.simulator.turn({ refundSettleMs: 600_000 });
      const refundId = await askRefund(bench, { donationId }, 2_500);
      await make(donationId, refundId);
      await bench.simulator.failRefund(await providerIdOf(refundId), 'lost_or_stolen_card');
      expect(await look(donationId)).toMatchObject({ status: 'CAPTURED', refundsUnderWay: 0 });
      expect(await refundRow(refundId)).toMatchObject({
        status: 'failed',
        failure_code: 'lost_or_stolen_card',
      });
      expect(await outboxOf(donationId)).toEqual(['3 refund.requested.v1', '4 refund.failed.v1']);
      await expectTruth(bench, donationId);
      expect((await decideRefund(bench, donationId, 2_500)).kind).toBe('requested');
    });

    test.each([
      ['the whole donation', [2_500], ['REFUNDED', 'CAPTURED']],
      ['one of two parts', [1_500, 1_000], ['REFUNDED', 'PARTIALLY_REFUNDED']],
      ['the only part', [1_000], ['PARTIALLY_REFUNDED', 'CAPTURED']],
    ] as const)(
      'succeeded, then failed, of %s: the amount is ours again',
      async (_what, parts, [before, after]) => {
        const { donationId } = await captured(bench);
        const ids: string[] = [];
        for (const part of parts) ids.push(await askRefund(bench, { donationId }, part));
        for (const id of ids) await make(donationId, id);
        expect((await paymentRecords(bench.pool, donationId)).payment.state).toBe(before);
        const [first = ''] = ids;
        await bench.simulator.failRefund(await providerIdOf(first));
        expect(await look(donationId)).toMatchObject({ status: after });
        expect(await refundRow(first)).toMatchObject({
          status: 'failed',
          failure_code: 'expired_or_canceled_card',
        });
        expect((await outboxOf(donationId)).at(-1)).toMatch('refund.failed.v1');
        await expectTruth(bench, donationId);

        const again = await askRefund(bench, { donationId }, parts[0]);
        await make(donationId, again);
        expect((await paymentRecords(bench.pool, donationId)).payment.state).toBe(before);
        await expectTruth(bench, donationId);
      },
    );

    test('of equal parts are told apart, up to the last cent', async () => {
      const { donationId } = await captured(bench, { amountMinor: 1_000 });
      const ids = await Promise.all([1, 2, 3].map(() => askRefund(bench, { donationId }, 333)));
      await Promise.all(ids.map((id) => make(donationId, id)));
      expect((await paymentRecords(bench.pool, donationId)).payment.state).toBe('PARTIALLY_REFUNDED');
      expect((await decideRefund(bench, donationId, 2)).kind).toBe('refused');
      await make(donationId, await askRefund(bench, { donationId }, 1));
      expect((await paymentRecords(bench.pool, donationId)).payment.state).toBe('REFUNDED');
      expect(await refundEffects(donationId)).toHaveLength(4);
      await expectTruth(bench, donationId);
    });

    test('twenty asked for at once promise no more than was captured', async () => {
      const { donationId } = await captured(bench);
      const decisions = await Promise.all(
        Array.from({ length: 20 }, () => decideRefund(bench, donationId, 300)),
      );
      expect(decisions.filter(({ kind }) => kind === 'requested')).toHaveLength(8);
      expect(
        new Set(decisions.flatMap((decision) => (decision.kind === 'refused' ? [decision.code] : []))),
      ).toEqual(new Set(['refund_exceeds_captured']));
      const { refundsToMake } = await look(donationId);
      await Promise.all(refundsToMake.map((id) => make(donationId, id)));
      expect(await totalsOf(bench, donationId)).toMatchObject({ totalRefundedMinor: 2_400 });
      await expectTruth(bench, donationId);
    });
  });

  describe('that the provider refuses', () => {
    test.each([
      ['charge_already_refunded', (id: string) => bench.simulator.refundByHand(id)],
      ['charge_disputed', (id: string) => bench.simulator.disputePayment(id)],
      ['amount_too_large', (id: string) => bench.simulator.refundByHand(id, { amountMinor: 2_000 })],
    ] as const)('with %s has failed with that code, and its reservation is returned', async (code, act) => {
      const { donationId, paymentId } = await captured(bench);
      const refundId = await askRefund(bench, { donationId }, 1_000);
      await act(paymentId);
      expect((await make(donationId, refundId)).result).toMatchObject({
        status: 'CAPTURED',
        refundsToMake: [],
      });
      expect(await refundRow(refundId)).toMatchObject({ status: 'failed', failure_code: code });
      expect(await reserved(donationId)).toBe(0);
      await make(donationId, refundId);
      expect((await paymentRecords(bench.pool, donationId)).operations.at(-1)).toBe('refund:1');
      await look(donationId);
      await expectTruth(bench, donationId);
    });

    test('although it had made it, with the answer lost, is found as made', async () => {
      const { donationId } = await captured(bench);
      const refundId = await askRefund(bench, { donationId }, 2_500);
      // The 500 is the key's answer for ever; a worker that has not looked asks again under another key.
      await bench.simulator.arm({ operation: 'refund', fault: 'error500After', donationId });
      await failureOf(bench.activities().makeRefund({ donationId, refundId }));
      const blind = {
        ...bench.provider,
        listRefunds: onceBlind((page, signal) => bench.provider.listRefunds(page, signal)),
      };
      await bench.pool.query(`UPDATE payment_operations SET last_reason = 'replayed' WHERE refund_id = $1`, [
        refundId,
      ]);
      const view = await bench
        .activities({ provider: blind, attempt: 2 })
        .makeRefund({ donationId, refundId });
      expect(view).toMatchObject({ status: 'REFUNDED' });
      expect(await refundRow(refundId)).toMatchObject({ status: 'succeeded', failure_code: null });
      expect(await refundEffects(donationId)).toEqual(['refunded']);
      await expectTruth(bench, donationId);
    });
  });

  describe('made at the provider by hand', () => {
    test('is found by a look, in whatever state, and repeated looks add nothing', async () => {
      const { donationId, paymentId } = await captured(bench);
      const pending = await bench.simulator.refundByHand(paymentId, { amountMinor: 900, status: 'pending' });
      await bench.simulator.refundByHand(paymentId, { amountMinor: 600 });
      expect(await look(donationId)).toMatchObject({ status: 'PARTIALLY_REFUNDED', refundsUnderWay: 1 });
      await expectTruth(bench, donationId);
      await bench.simulator.succeedRefund(pending);
      await Promise.all(Array.from({ length: 5 }, () => look(donationId)));
      await expectTruth(bench, donationId);
      const { transitions } = await paymentRecords(bench.pool, donationId);
      expect(transitions).toHaveLength(5);
    });

    test.each([
      ['its payment', []],
      ['its charge alone', ['payment_intent']],
      ['nothing but itself', ['payment_intent', 'charge']],
    ] as const)('is known from an event that names %s', async (_what, missing: readonly string[]) => {
      const { donationId, paymentId } = await captured(bench);
      await bench.simulator.refundByHand(paymentId, { amountMinor: 800 });
      const [event] = (await eventsOf(bench.simulator.base, paymentId)).filter(
        ({ type }) => type === 'refund.created',
      );
      if (event === undefined) throw new Error('the provider has told of no refund');
      const object = Object.fromEntries(
        Object.entries(event.data.object).filter(([field]) => !missing.includes(field)),
      );
      await storeEvents(bench.pool, [{ ...event, data: { object } }]);
      const view = await bench.activities().applyProviderEvent({ eventId: event.id, donationId });
      expect(view).toMatchObject({ status: 'PARTIALLY_REFUNDED' });
      expect(await eventRecord(bench.pool, event.id)).toEqual({ processed: true, outcome: 'applied' });
      await expectTruth(bench, donationId);
    });

    test('while ours is unsent takes its place: the newest of ours give way first', async () => {
      const { donationId, paymentId } = await captured(bench);
      const [older, newer] = [
        await askRefund(bench, { donationId }, 1_000),
        await askRefund(bench, { donationId }, 1_500),
      ];
      await bench.simulator.refundByHand(paymentId, { amountMinor: 1_200 });
      expect(await look(donationId)).toMatchObject({ status: 'PARTIALLY_REFUNDED', refundsToMake: [older] });
      expect(await refundRow(newer)).toMatchObject({ status: 'failed', failure_code: 'superseded' });
      await make(donationId, newer);
      await make(donationId, older);
      expect(await refundEffects(donationId)).toEqual(['refunded', 'refunded']);
      await expectTruth(bench, donationId);
    });

    test('while ours is in flight waits for its answer: no review, nothing lost', async () => {
      const { donationId, paymentId } = await captured(bench);
      const refundId = await askRefund(bench, { donationId }, 2_000);
      const dying = bench.activities({ failpoint: dieAt('provider.before-call') });
      await expect(dying.makeRefund({ donationId, refundId })).rejects.toThrow('died');
      await bench.simulator.refundByHand(paymentId, { amountMinor: 1_500 });
      const failure = await failureOf(look(donationId));
      expect(failure).toMatchObject({ type: 'refund_in_flight', nonRetryable: false });
      expect(await refundRow(refundId)).toMatchObject({ status: 'pending' });

      await make(donationId, refundId);
      expect(await refundRow(refundId)).toMatchObject({ status: 'failed', failure_code: 'amount_too_large' });
      expect(await look(donationId)).toMatchObject({ status: 'PARTIALLY_REFUNDED' });
      await expectTruth(bench, donationId);
    });

    test('of the same amount as ours, whose answer was lost, are two refunds', async () => {
      const { donationId, paymentId } = await captured(bench);
      const refundId = await askRefund(bench, { donationId }, 1_000);
      await bench.simulator.arm({ operation: 'refund', fault: 'resetAfter', donationId });
      await failureOf(bench.activities().makeRefund({ donationId, refundId }));
      await bench.simulator.refundByHand(paymentId, { amountMinor: 1_000 });
      await look(donationId);
      await make(donationId, refundId);
      expect(await refundEffects(donationId)).toEqual(['refunded', 'refunded']);
      expect(await totalsOf(bench, donationId)).toMatchObject({ totalRefundedMinor: 2_000 });
      await expectTruth(bench, donationId);
    });
  });

  test('asked for a day ago is never posted again: the provider is only asked, and found when it was made', async () => {
    const { donationId, paymentId, order } = await captured(bench);
    const refundId = await askRefund(bench, { donationId }, 1_000);
    const dying = bench.activities({ failpoint: dieAt('provider.before-call') });
    await expect(dying.makeRefund({ donationId, refundId })).rejects.toThrow('died');
    const limits = { keyLifetimeMs: -1, absenceProofMs: 0 };
    for (let attempt = 2; attempt <= 5; attempt += 1) {
      const failure = await failureOf(
        bench.activities({ attempt, limits }).makeRefund({ donationId, refundId }),
      );
      expect(failure).toMatchObject({ type: 'provider_unknown', nonRetryable: false });
    }
    expect(await refundEffects(donationId)).toEqual([]);
    await bench.provider.createRefund(
      { donationId, refundId, paymentId, amountMinor: 1_000, currency: order.currency },
      `${donationId}:refund:1`,
    );
    const view = await bench.activities({ limits }).makeRefund({ donationId, refundId });
    expect(view).toMatchObject({ status: 'PARTIALLY_REFUNDED', refundsToMake: [] });
    await expectTruth(bench, donationId);
  });
});

/** A list that shows nothing the first time it is asked. */
function onceBlind(list: PaymentProvider['listRefunds']): PaymentProvider['listRefunds'] {
  let asked = 0;
  return async (page, signal) => {
    asked += 1;
    return asked === 1 ? { kind: 'yes', items: [], nextCursor: null } : await list(page, signal);
  };
}
