import { describe, expect, test } from 'vitest';
import { untilDone } from './as-temporal.ts';
import { newOrder, paymentBench } from './payment-bench.ts';
import { paymentRecords } from './payment-records.ts';
import { captured, expectTruth, insist } from './provider-truth.ts';

describe("the provider's fee", () => {
  const bench = paymentBench();

  /** `<account> <amount>` of each fee posting, in order. */
  const feesOf = async (donationId: string): Promise<string[]> => {
    const { rows } = await bench.pool.query<{ text: string }>(
      `SELECT concat(account, ' ', amount) AS text FROM ledger_entries WHERE payment_id = $1 AND posting_id LIKE '%:fee:%' ORDER BY id`,
      [donationId],
    );
    return rows.map((row) => row.text);
  };
  const BOOKED = ['provider_fees 103', 'provider_balance -103'];

  test('is booked with the capture that tells it, and once however often it is told again', async () => {
    const { donationId } = await captured(bench);
    expect(await feesOf(donationId)).toEqual(BOOKED);
    await bench.activities().capture(donationId);
    await Promise.all(Array.from({ length: 5 }, () => bench.activities().look(donationId)));
    expect(await feesOf(donationId)).toEqual(BOOKED);
    await expectTruth(bench, donationId);
  });

  test('that the answer to the capture does not tell is booked by the next look', async () => {
    await bench.simulator.turn({ ignoresExpand: true });
    const { donationId } = await captured(bench);
    expect(await feesOf(donationId)).toEqual([]);
    await bench.simulator.turn({ ignoresExpand: false });
    await bench.activities().look(donationId);
    expect(await feesOf(donationId)).toEqual(BOOKED);
  });

  test('is booked when it is our release that finds the payment captured', async () => {
    const order = newOrder();
    const { donationId } = order;
    await untilDone((attempt) => bench.activities({ attempt }).authorize(order));
    const { payment } = await paymentRecords(bench.pool, donationId);
    const paymentId = String(payment.provider_payment_id);
    await insist(() => bench.provider.capturePayment(paymentId, `${donationId}:test:1`));
    const { result } = await untilDone((attempt) =>
      bench.activities({ attempt }).release({ order, code: 'cancelled_by_donor' }),
    );
    expect(result.status).toBe('CAPTURED');
    expect(await feesOf(donationId)).toEqual(BOOKED);
    await expectTruth(bench, donationId);
  });

  test('that is corrected is booked by its difference, either way', async () => {
    const { donationId, paymentId } = await captured(bench);
    await bench.simulator.changeFee(paymentId, 150);
    await bench.activities().look(donationId);
    await bench.simulator.changeFee(paymentId, 40);
    await bench.activities().look(donationId);
    expect(await feesOf(donationId)).toEqual([
      ...BOOKED,
      'provider_fees 47',
      'provider_balance -47',
      'provider_balance 110',
      'provider_fees -110',
    ]);
    await expectTruth(bench, donationId);
  });

  test('of nothing is not booked', async () => {
    await bench.simulator.turn({ feeBasisPoints: 0, feeFixedMinor: 0 });
    const { donationId } = await captured(bench);
    expect(await feesOf(donationId)).toEqual([]);
    await expectTruth(bench, donationId);
  });
});
