import { describe, expect, test } from 'vitest';
import { createStripeProvider } from '../../provider/stripe/adapter.ts';
import { authorized, captured, newKey, newOrder, paymentOf } from './orders.ts';
import { SECRET_KEY, startSimulator } from './start-simulator.ts';
import { startReceiver } from './webhook-receiver.ts';

describe('the simulator, killed and started again on its ledger', { timeout: 30_000 }, () => {
  test('keeps every payment, every effect and every idempotent answer, errors included', async () => {
    await using simulator = await startSimulator();
    const provider = createStripeProvider({
      apiBase: simulator.base,
      secretKey: SECRET_KEY,
      timeoutMs: 2_000,
    });
    const order = newOrder();
    const [createKey, captureKey, failedKey] = [newKey(), newKey(), newKey()];
    const first = paymentOf(await provider.createPayment(order, createKey));
    await provider.confirmPayment(first.id, newKey());
    await simulator.arm({ operation: 'capture', fault: 'resetAfter', donationId: order.donationId });
    expect(await provider.capturePayment(first.id, captureKey)).toMatchObject({
      kind: 'unknown',
      reason: 'connection',
    });
    const other = await authorized(provider);
    await simulator.arm({ operation: 'cancel', fault: 'error500Before' });
    await provider.cancelPayment(other.id, failedKey);
    const effects = await simulator.ledger();

    await simulator.kill('SIGKILL');
    expect(await provider.retrievePayment(first.id)).toMatchObject({ kind: 'unknown', reason: 'connection' });
    await simulator.restart();

    expect(await simulator.ledger()).toEqual(effects);
    expect(paymentOf(await provider.createPayment(order, createKey))).toEqual(first);
    expect(paymentOf(await provider.capturePayment(first.id, captureKey)).amountReceivedMinor).toBe(2_500);
    expect(await provider.cancelPayment(other.id, failedKey)).toMatchObject({
      kind: 'unknown',
      replayed: true,
    });
    expect(await provider.findByDonation(order.donationId, new Date())).toMatchObject({
      payments: [{ id: first.id }],
    });
    expect(await simulator.ledger()).toEqual(effects);
  });

  test('delivers the webhooks that nobody had acknowledged, and not the others', async () => {
    await using receiver = await startReceiver();
    await using simulator = await startSimulator({ SIMULATOR_WEBHOOK_URL: receiver.url });
    const provider = createStripeProvider({
      apiBase: simulator.base,
      secretKey: SECRET_KEY,
      timeoutMs: 2_000,
    });
    const acknowledged = await captured(provider);
    while ((await simulator.webhookCounts()).waiting > 0)
      await new Promise((resolve) => setTimeout(resolve, 20));
    const before = receiver.received.length;
    receiver.answerWith(() => 503);
    const pending = await captured(provider);

    await simulator.kill('SIGKILL');
    receiver.answerWith(() => 200);
    const refused = receiver.received.length;
    await simulator.restart();

    await expect.poll(async () => (await simulator.webhookCounts()).delivered, { timeout: 10_000 }).toBe(5);
    const after = receiver.events().slice(refused);
    expect(new Set(after.map((event) => event.id)).size).toBe(5);
    expect(after.every((event) => event.paymentId === pending.id)).toBe(true);
    expect(before).toBe(5);
    expect(acknowledged.id).not.toBe(pending.id);
  });

  test('stops on SIGTERM although a client waits for an answer that never comes', async () => {
    await using simulator = await startSimulator();
    const provider = createStripeProvider({
      apiBase: simulator.base,
      secretKey: SECRET_KEY,
      timeoutMs: 5_000,
    });
    await simulator.arm({ operation: 'list', fault: 'timeoutAfter' });
    const waiting = provider.listPayments({});
    await expect.poll(async () => (await simulator.fired()).timeoutAfter).toBe(1);
    const started = performance.now();
    await simulator.kill('SIGTERM');
    expect(performance.now() - started).toBeLessThan(2_000);
    expect(await waiting).toMatchObject({ kind: 'unknown', reason: 'connection' });
  });
});
