import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { PaymentProvider, ProviderPayment } from '../../provider/port.ts';
import { createStripeProvider } from '../../provider/stripe/adapter.ts';
import { captured, newKey, newRefund, pageOf, paymentOf, refundOf, refunded } from './orders.ts';
import { SECRET_KEY, startSimulator } from './start-simulator.ts';
import type { SimulatorProcess } from './start-simulator.ts';

describe('a provider that misbehaves while money goes back', { timeout: 20_000 }, () => {
  let simulator: SimulatorProcess;
  let provider: PaymentProvider;

  beforeAll(async () => {
    simulator = await startSimulator();
    provider = createStripeProvider({ apiBase: simulator.base, secretKey: SECRET_KEY, timeoutMs: 500 });
  });
  afterAll(() => simulator[Symbol.asyncDispose]());
  beforeEach(() => simulator.reset());

  const effectsOf = async (payment: ProviderPayment): Promise<string[]> =>
    (await simulator.ledger()).flatMap((effect) => (effect.paymentId === payment.id ? [effect.type] : []));

  test.each([
    ['timeoutAfter', 'timeout'],
    ['resetAfter', 'connection'],
    ['loseWriteAnswers', 'connection'],
    ['loseAllAnswers', 'connection'],
    ['malformed', 'garbage'],
  ] as const)('%s refunds once, and the same key then tells', async (fault, reason) => {
    const payment = await captured(provider);
    const order = newRefund(payment);
    const key = newKey();
    await simulator.arm({ operation: 'refund', fault, donationId: payment.donationId });
    expect(await provider.createRefund(order, key)).toMatchObject({ kind: 'unknown', reason });
    const { items } = pageOf(await provider.listRefunds({ paymentId: payment.id }));
    expect(items).toMatchObject([{ refundId: order.refundId, status: 'succeeded' }]);
    expect(refundOf(await provider.createRefund(order, key))).toEqual(items[0]);
    expect(await effectsOf(payment)).toEqual(['created', 'authorized', 'captured', 'refunded']);
  });

  test.each([
    ['error503', 'server_error'],
    ['rateLimit429', 'rate_limited'],
    ['inUse409', 'in_use'],
  ] as const)('%s refunds nothing, and the same key works afterwards', async (fault, reason) => {
    const payment = await captured(provider);
    const order = newRefund(payment);
    const key = newKey();
    await simulator.arm({ operation: 'refund', fault });
    expect(await provider.createRefund(order, key)).toMatchObject({ kind: 'unknown', reason });
    expect(await effectsOf(payment)).not.toContain('refunded');
    expect(refundOf(await provider.createRefund(order, key)).refundId).toBe(order.refundId);
  });

  test.each([
    ['error500Before', []],
    ['error500After', ['refunded']],
  ] as const)('%s says 500 for ever under its key; the list tells what is true', async (fault, effects) => {
    const payment = await captured(provider);
    const order = newRefund(payment);
    const key = newKey();
    await simulator.arm({ operation: 'refund', fault });
    const unknown = { kind: 'unknown', reason: 'server_error' };
    expect(await provider.createRefund(order, key)).toMatchObject({ ...unknown, replayed: false });
    expect(await provider.createRefund(order, key)).toMatchObject({ ...unknown, replayed: true });
    expect((await effectsOf(payment)).slice(3)).toEqual(effects);
    const { items } = pageOf(await provider.listRefunds({ paymentId: payment.id }));
    expect(items).toHaveLength(effects.length);
  });

  test('latency keeps the key of a refund in use meanwhile', async () => {
    const payment = await captured(provider);
    const order = newRefund(payment);
    const key = newKey();
    await simulator.arm({ operation: 'refund', fault: 'latency', delayMs: 250 });
    const first = provider.createRefund(order, key);
    await expect.poll(async () => (await simulator.fired()).latency).toBeGreaterThan(0);
    expect(await provider.createRefund(order, key)).toMatchObject({ kind: 'unknown', reason: 'in_use' });
    expect(refundOf(await first).refundId).toBe(order.refundId);
  });

  test('a wrong amount in an answer is shown, not paid', async () => {
    const payment = await captured(provider);
    await simulator.arm({ operation: 'refund', fault: 'wrongAmount' });
    expect((await refunded(provider, payment, 1_000)).amountMinor).toBe(1_001);
    expect((await simulator.ledger()).at(-1)).toMatchObject({ type: 'refunded', amountMinor: 1_000 });
  });

  type Ask = (payment: ProviderPayment, refundId: string, disputeId: string) => Promise<{ kind: string }>;
  const reads: [operation: string, ask: Ask][] = [
    ['listRefunds', ({ id: paymentId }) => provider.listRefunds({ paymentId })],
    ['retrieveRefund', (_payment, refundId) => provider.retrieveRefund(refundId)],
    ['listDisputes', ({ id: paymentId }) => provider.listDisputes({ paymentId })],
    ['retrieveDispute', (_payment, _refundId, disputeId) => provider.retrieveDispute(disputeId)],
    ['retrieve', ({ id }) => provider.retrieveClientSecret(id)],
  ];
  const faults = [
    ['error500Before', 'server_error'],
    ['error503', 'server_error'],
    ['rateLimit429', 'rate_limited'],
    ['timeoutAfter', 'timeout'],
    ['resetAfter', 'connection'],
    ['loseAllAnswers', 'connection'],
  ] as const;
  test.each(
    reads.flatMap(([operation, ask]) => faults.map(([fault, reason]) => ({ operation, fault, reason, ask }))),
  )('$operation under $fault is unknown once', async ({ operation, fault, reason, ask }) => {
    const payment = await captured(provider);
    const refund = await refunded(provider, payment, 1_000);
    const disputeId = await simulator.disputePayment(payment.id);
    await simulator.arm({ operation, fault, donationId: payment.donationId });
    expect(await ask(payment, refund.id, disputeId)).toMatchObject({ kind: 'unknown', reason });
    expect(await ask(payment, refund.id, disputeId)).toMatchObject({ kind: 'yes' });
  });

  test('malformed answers to reads are garbage whatever their shape', async () => {
    const payment = await captured(provider);
    const refund = await refunded(provider, payment, 1_000);
    const disputeId = await simulator.disputePayment(payment.id);
    await simulator.turn({ malformed: true });
    const garbage = { kind: 'unknown', reason: 'garbage' };
    for (let round = 0; round < 10; round += 1) {
      expect(await provider.retrieveRefund(refund.id)).toMatchObject(garbage);
      expect(await provider.retrieveDispute(disputeId)).toMatchObject(garbage);
      expect(await provider.listRefunds({ paymentId: payment.id })).toMatchObject(garbage);
      expect(await provider.listDisputes({ paymentId: payment.id })).toMatchObject(garbage);
    }
  });

  test('a server that ignores expand sends a bare charge: the payment is readable, its fee unknown', async () => {
    await simulator.turn({ ignoresExpand: true });
    const payment = await captured(provider);
    expect(payment).toMatchObject({ status: 'succeeded', fee: null });
    expect(payment.chargeId).toMatch(/^ch_/);
    const listed = await provider.listPayments({ limit: 1 });
    expect(listed).toMatchObject({ kind: 'yes', payments: [{ id: payment.id, fee: null }] });
    await simulator.turn({ ignoresExpand: false });
    expect(paymentOf(await provider.retrievePayment(payment.id)).fee?.amountMinor).toBe(103);
  });
});
