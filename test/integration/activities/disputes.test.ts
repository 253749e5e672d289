import { describe, expect, test } from 'vitest';
import { eventsOf } from '../../contract/listed-events.ts';
import { paymentBench } from './payment-bench.ts';
import { paymentRecords } from './payment-records.ts';
import { askRefund, captured, decideRefund, expectTruth, totalsOf, type Captured } from './provider-truth.ts';
import { copyOf, storeEvents } from './stored-events.ts';
import { untilDone } from './as-temporal.ts';

describe('a dispute', () => {
  const bench = paymentBench();
  const look = (donationId: string) => bench.activities().look(donationId);
  const disputeNews = async (donationId: string): Promise<string[]> =>
    (await paymentRecords(bench.pool, donationId)).outbox.flatMap((text) => /dispute\.\w+/.exec(text) ?? []);
  const postings = async (donationId: string): Promise<string[]> =>
    (await paymentRecords(bench.pool, donationId)).ledger.slice(2);

  /** Applies the events of disputes in the order that `arrange` gives them. */
  const tell = async (
    { donationId, paymentId }: Captured,
    arrange: <Event>(events: readonly Event[]) => readonly Event[],
  ): Promise<void> => {
    const listed = (await eventsOf(bench.simulator.base, paymentId)).filter(({ type }) =>
      type.startsWith('charge.dispute.'),
    );
    expect(listed.length).toBeGreaterThan(1);
    for (const event of arrange(listed).flatMap((told) => [told, copyOf(told)])) {
      await storeEvents(bench.pool, [event]);
      await bench.activities().applyProviderEvent({ eventId: event.id, donationId });
    }
  };
  const ORDERS = [
    ['in order', <Event>(events: readonly Event[]) => events],
    ['backwards', <Event>(events: readonly Event[]) => events.toReversed()],
  ] as const;

  test.each(ORDERS)('that is opened withdraws the money, its events told %s', async (_order, arrange) => {
    const payment = await captured(bench);
    await bench.simulator.disputePayment(payment.paymentId);
    await tell(payment, arrange);
    expect(await disputeNews(payment.donationId)).toEqual(['dispute.opened']);
    expect(await postings(payment.donationId)).toEqual(['disputed_funds 2500', 'provider_balance -2500']);
    await expectTruth(bench, payment.donationId);
  });

  test.each(ORDERS)('that is won reinstates the money once, its events told %s', async (_order, arrange) => {
    const payment = await captured(bench);
    const disputeId = await bench.simulator.disputePayment(payment.paymentId);
    await look(payment.donationId);
    await bench.simulator.closeDispute(disputeId, 'won');
    await tell(payment, arrange);
    await Promise.all(Array.from({ length: 5 }, () => look(payment.donationId)));
    expect(await disputeNews(payment.donationId)).toEqual(['dispute.opened', 'dispute.won']);
    expect(await postings(payment.donationId)).toEqual([
      'disputed_funds 2500',
      'provider_balance -2500',
      'provider_balance 2500',
      'disputed_funds -2500',
    ]);
    expect((await paymentRecords(bench.pool, payment.donationId)).payment.state).toBe('CAPTURED');
    await expectTruth(bench, payment.donationId);
  });

  test.each(ORDERS)(
    'that is lost is counted apart from refunds, its events told %s',
    async (_order, arrange) => {
      const payment = await captured(bench);
      const disputeId = await bench.simulator.disputePayment(payment.paymentId, { amountMinor: 1_500 });
      await bench.simulator.closeDispute(disputeId, 'lost');
      await tell(payment, arrange);
      expect(await disputeNews(payment.donationId)).toEqual(['dispute.opened', 'dispute.lost']);
      expect((await paymentRecords(bench.pool, payment.donationId)).payment.state).toBe('CAPTURED');
      expect(await totalsOf(bench, payment.donationId)).toMatchObject({
        totalCapturedMinor: 2_500,
        totalRefundedMinor: 0,
        disputeLostMinor: 1_500,
      });
      await expectTruth(bench, payment.donationId);
    },
  );

  test.each(['won', 'lost'] as const)(
    'that was %s before we heard of it has both its postings',
    async (outcome) => {
      const { donationId, paymentId } = await captured(bench);
      await bench.simulator.closeDispute(await bench.simulator.disputePayment(paymentId), outcome);
      const before = (await paymentRecords(bench.pool, donationId)).payment.version;
      expect((await look(donationId)).version).toBe(before + 2);
      expect(await disputeNews(donationId)).toEqual(['dispute.opened', `dispute.${outcome}`]);
      await expectTruth(bench, donationId);
    },
  );

  test('that is only a question changes nothing, until it becomes a dispute', async () => {
    const { donationId, paymentId } = await captured(bench);
    const disputeId = await bench.simulator.disputePayment(paymentId, { inquiry: true });
    const before = await paymentRecords(bench.pool, donationId);
    await look(donationId);
    expect(await paymentRecords(bench.pool, donationId)).toEqual(before);
    expect((await decideRefund(bench, donationId, 1)).kind).toBe('requested');
    await bench.simulator.escalateDispute(disputeId);
    await look(donationId);
    expect(await disputeNews(donationId)).toEqual(['dispute.opened']);
    await expectTruth(bench, donationId);
  });

  test('that is a question and closes was never a dispute', async () => {
    const { donationId, paymentId } = await captured(bench);
    const disputeId = await bench.simulator.disputePayment(paymentId, { inquiry: true });
    await bench.simulator.closeDispute(disputeId, 'lost');
    await look(donationId);
    expect(await disputeNews(donationId)).toEqual([]);
    await expectTruth(bench, donationId);
  });

  test('that is open refuses refunds; won, it allows them again; lost, it takes their room', async () => {
    const { donationId, paymentId } = await captured(bench);
    const first = await bench.simulator.disputePayment(paymentId, { amountMinor: 1_000 });
    await look(donationId);
    expect(await decideRefund(bench, donationId, 1)).toEqual({ kind: 'refused', code: 'dispute_open' });
    await bench.simulator.closeDispute(first, 'won');
    await look(donationId);
    const refundId = await askRefund(bench, { donationId }, 500);
    await untilDone(() => bench.activities().makeRefund({ donationId, refundId }));
    const second = await bench.simulator.disputePayment(paymentId, { amountMinor: 2_000 });
    await bench.simulator.closeDispute(second, 'lost');
    await look(donationId);
    expect(await decideRefund(bench, donationId, 1)).toEqual({
      kind: 'refused',
      code: 'refund_exceeds_captured',
    });
    expect((await paymentRecords(bench.pool, donationId)).payment.state).toBe('PARTIALLY_REFUNDED');
    expect(await totalsOf(bench, donationId)).toMatchObject({
      totalRefundedMinor: 500,
      disputeLostMinor: 2_000,
    });
    await expectTruth(bench, donationId);
  });

  test('that takes more than is left, refunds counted, is looked at by people: no total goes below zero', async () => {
    const { donationId, paymentId } = await captured(bench);
    const refundId = await askRefund(bench, { donationId }, 1_000);
    await untilDone(() => bench.activities().makeRefund({ donationId, refundId }));
    const disputeId = await bench.simulator.disputePayment(paymentId, { amountMinor: 2_500 });
    await look(donationId);
    await bench.simulator.closeDispute(disputeId, 'lost');
    await look(donationId);
    const { payment } = await paymentRecords(bench.pool, donationId);
    expect(payment.needs_review).toMatch(/dispute du_\w+: exceeds_capture/);
    expect(await totalsOf(bench, donationId)).toMatchObject({
      totalRefundedMinor: 1_000,
      disputeLostMinor: 0,
    });
  });

  test('drops a refund that was pending, and the books follow', async () => {
    const { donationId, paymentId } = await captured(bench, { paymentMethod: 'pm_card_pendingRefund' });
    await bench.simulator.turn({ refundSettleMs: 600_000 });
    const refundId = await askRefund(bench, { donationId }, 1_000);
    await bench.activities().makeRefund({ donationId, refundId });
    const disputeId = await bench.simulator.disputePayment(paymentId, { amountMinor: 2_500 });
    await look(donationId);
    await expectTruth(bench, donationId);
    await bench.simulator.closeDispute(disputeId, 'lost');
    await look(donationId);
    await expectTruth(bench, donationId);
  });
});
