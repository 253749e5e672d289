import { describe, expect, test } from 'vitest';
import type { OurFaultAnswer, PaymentProvider } from '../../../provider/port.ts';
import { failureOf } from './as-temporal.ts';
import { effectsOf, newOrder, paymentBench } from './payment-bench.ts';
import { paymentRecords } from './payment-records.ts';

/** The account could not capture; the provider keeps the refusal of the key for a day, whatever is mended. */
const REFUSED: OurFaultAnswer = {
  kind: 'our_fault',
  status: 400,
  code: 'account_invalid',
  message: 'the account cannot do this',
  replayed: false,
};

describe('a step that the provider has refused as wrong', () => {
  const bench = paymentBench();

  /** A provider that answers the capture's first key with what it answered before. */
  const refusing = (): PaymentProvider => {
    let asked = 0;
    return {
      ...bench.provider,
      capturePayment: async (id, key, signal) => {
        if (!key.endsWith(':1')) return await bench.provider.capturePayment(id, key, signal);
        asked += 1;
        return { ...REFUSED, replayed: asked > 1 };
      },
    };
  };

  test('is done under a new key once the cause is mended, and its first key keeps its refusal', async () => {
    const order = newOrder();
    await bench.activities().authorize(order);
    const provider = refusing();
    const failure = await failureOf(bench.activities({ provider }).capture(order.donationId));
    expect(failure).toMatchObject({ type: 'provider_rejected', nonRetryable: true });
    expect(await effectsOf(bench, order.donationId)).toEqual(['created', 'authorized']);

    const view = await bench.activities({ provider }).capture(order.donationId);
    expect(view.status).toBe('CAPTURED');
    expect(await effectsOf(bench, order.donationId)).toEqual(['created', 'authorized', 'captured']);
    const { operations } = await paymentRecords(bench.pool, order.donationId);
    expect(operations.filter((text) => text.startsWith('capture'))).toEqual(['capture:1*', 'capture:2']);
  });
});
