import { describe, expect, test } from 'vitest';
import type { PaymentProvider } from '../../../provider/port.ts';
import { newOrder, paymentBench } from './payment-bench.ts';
import { paymentRecords } from './payment-records.ts';

describe('an answer of the provider that is written down after newer ones', () => {
  const bench = paymentBench();

  test('does not make a captured donation wait for its donor again', async () => {
    const order = newOrder({ paymentMethod: 'pm_card_authenticationRequired' });
    const { donationId } = order;
    const waitingFor = async (): Promise<unknown> =>
      (await bench.pool.query('SELECT waiting_for FROM payments WHERE id = $1', [donationId])).rows;
    await bench.activities().authorize(order);
    expect(await waitingFor()).toEqual([{ waiting_for: 'action' }]);
    const { payment } = await paymentRecords(bench.pool, donationId);
    const paymentId = String(payment.provider_payment_id);
    const old = await bench.provider.retrievePayment(paymentId);
    const slow: PaymentProvider = { ...bench.provider, retrievePayment: async () => old };

    await bench.simulator.authenticatePayment(paymentId);
    await bench.activities().look(donationId);
    expect(await waitingFor()).toEqual([{ waiting_for: null }]);
    await bench.activities({ provider: slow }).look(donationId);
    expect(await waitingFor()).toEqual([{ waiting_for: null }]);

    await bench.activities().capture(donationId);
    const view = await bench.activities({ provider: slow }).look(donationId);
    expect(view).toMatchObject({ status: 'CAPTURED', version: 2 });
    expect(await waitingFor()).toEqual([{ waiting_for: null }]);
  });
});
