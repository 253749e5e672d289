import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { PaymentProvider } from '../../provider/port.ts';
import { createStripeProvider } from '../../provider/stripe/adapter.ts';
import { authorized, captured, created, newKey, newOrder, paymentOf, refunded } from './orders.ts';
import { SECRET_KEY, WEBHOOK_SECRET, startSimulator } from './start-simulator.ts';
import type { SimulatorProcess } from './start-simulator.ts';
import { startReceiver } from './webhook-receiver.ts';
import type { WebhookReceiver } from './webhook-receiver.ts';

describe('the webhooks of the simulator', { timeout: 20_000 }, () => {
  let simulator: SimulatorProcess;
  let provider: PaymentProvider;
  let receiver: WebhookReceiver;

  beforeAll(async () => {
    simulator = await startSimulator();
    provider = createStripeProvider({ apiBase: simulator.base, secretKey: SECRET_KEY, timeoutMs: 5_000 });
  });
  afterAll(() => simulator[Symbol.asyncDispose]());
  beforeEach(async () => {
    receiver = await startReceiver();
    await simulator.reset();
    await simulator.control('PUT', '/endpoint', { url: receiver.url, secret: WEBHOOK_SECRET });
  });
  afterEach(async () => {
    await settled();
    await receiver[Symbol.asyncDispose]();
  });

  /** Until nothing is on its way any more. */
  const settled = async (): Promise<void> => {
    while ((await simulator.webhookCounts()).waiting > 0) await sleep(20);
  };
  const typesOf = (paymentId: string): string[] =>
    receiver.events().flatMap((event) => (event.paymentId === paymentId ? [event.type] : []));
  const once = { times: 1 };

  test('tell the whole way of a captured payment, signed and with its metadata', async () => {
    const { id, donationId } = await captured(provider);
    await settled();
    expect(receiver.received.every(({ result }) => result.ok)).toBe(true);
    expect(typesOf(id).toSorted()).toEqual([
      'charge.captured',
      'charge.succeeded',
      'payment_intent.amount_capturable_updated',
      'payment_intent.created',
      'payment_intent.succeeded',
    ]);
    const succeeded = await receiver.waitFor((event) => event.type === 'payment_intent.succeeded');
    expect(succeeded).toMatchObject({
      objectId: id,
      objectKind: 'payment_intent',
      paymentId: id,
      donationId,
      livemode: false,
      snapshot: { id, status: 'succeeded', amountReceivedMinor: 2_500, donationId },
    });
    const charge = receiver.events().find((event) => event.type === 'charge.captured');
    expect(charge).toMatchObject({ objectKind: 'charge', paymentId: id, donationId, snapshot: null });
  });

  test('tell declined, canceled and waiting payments', async () => {
    const declined = await created(provider, { paymentMethod: 'pm_card_chargeDeclined' });
    await provider.confirmPayment(declined.id, newKey());
    const canceled = await created(provider);
    await provider.cancelPayment(canceled.id, newKey());
    const waiting = await authorized(provider, { paymentMethod: 'pm_card_authenticationRequired' });
    await settled();
    expect(typesOf(declined.id)).toEqual(
      expect.arrayContaining(['payment_intent.payment_failed', 'charge.failed']),
    );
    expect(typesOf(canceled.id)).toContain('payment_intent.canceled');
    expect(typesOf(waiting.id)).toContain('payment_intent.requires_action');
  });

  test('tell an authentication and an expiry that nobody asked for', async () => {
    const waiting = await authorized(provider, { paymentMethod: 'pm_card_authenticationRequired' });
    await simulator.control('POST', `/payments/${waiting.id}/authenticate`, {});
    expect(paymentOf(await provider.retrievePayment(waiting.id)).status).toBe('requires_capture');
    await simulator.control('POST', `/payments/${waiting.id}/expire`);
    expect(paymentOf(await provider.retrievePayment(waiting.id))).toMatchObject({
      status: 'canceled',
      cancellationReason: 'expired',
    });
    await settled();
    expect(typesOf(waiting.id)).toEqual(
      expect.arrayContaining([
        'payment_intent.amount_capturable_updated',
        'charge.expired',
        'payment_intent.canceled',
      ]),
    );
  });

  test('tell refunds and disputes, each with its payment and its charge', async () => {
    const payment = await captured(provider);
    const refund = await refunded(provider, payment, 1_000);
    await simulator.failRefund(refund.id);
    const disputeId = await simulator.disputePayment(payment.id);
    await simulator.closeDispute(disputeId, 'won');
    await settled();
    const about = receiver
      .events()
      .filter(({ objectKind, type }) => objectKind !== 'payment_intent' && !/succeeded|captured/.test(type));
    expect(about.map(({ type }) => type).toSorted()).toEqual([
      'charge.dispute.closed',
      'charge.dispute.created',
      'charge.dispute.funds_reinstated',
      'charge.dispute.funds_withdrawn',
      'charge.dispute.updated',
      'charge.refund.updated',
      'charge.refunded',
      'refund.created',
      'refund.failed',
      'refund.updated',
    ]);
    const { id: paymentId, chargeId } = payment;
    for (const event of about) expect(event).toMatchObject({ paymentId, chargeId, snapshot: null });
    const ids = about.map(({ objectKind, objectId }) => `${objectKind} ${objectId}`);
    expect(new Set(ids)).toEqual(
      new Set([`charge ${String(chargeId)}`, `refund ${refund.id}`, `dispute ${disputeId}`]),
    );
  });

  test('are sent again, the same event, until the endpoint says 2xx', async () => {
    let refusals = 2;
    receiver.answerWith(() => (refusals-- > 0 ? 503 : 200));
    const order = newOrder();
    await simulator.arm({ operation: 'create', fault: 'webhookDelay', delayMs: 10 });
    await provider.createPayment(order, newKey());
    await settled();
    const attempts = receiver.received.filter(
      ({ result }) => result.ok && result.event.donationId === order.donationId,
    );
    expect(attempts).toHaveLength(3);
    expect(new Set(attempts.map(({ body }) => body)).size).toBe(1);
    const [first, second, third] = attempts.map(({ at }) => at);
    expect((second ?? 0) - (first ?? 0)).toBeGreaterThan(450);
    expect((third ?? 0) - (second ?? 0)).toBeGreaterThan(900);
  });

  test('are the events that the API lists', async () => {
    const { id } = await created(provider);
    const told = await receiver.waitFor((event) => event.objectId === id);
    expect(await ask(simulator.base, `/events/${told.id}`)).toMatchObject({
      id: told.id,
      type: told.type,
      data: { object: { id } },
    });
    expect(await ask(simulator.base, '/events?limit=1')).toMatchObject({
      object: 'list',
      has_more: true,
      data: [{ id: told.id }],
    });
  });

  test('noWebhooks and webhookDrop: never come, and the answers alone tell', async () => {
    await simulator.turn({ noWebhooks: true });
    const silent = await captured(provider);
    await simulator.turn({ noWebhooks: false, webhookDrop: 1 });
    const dropped = await captured(provider);
    await settled();
    expect(typesOf(silent.id)).toEqual([]);
    expect(typesOf(dropped.id)).toEqual([]);
    expect((await simulator.webhookCounts()).dropped).toBeGreaterThanOrEqual(5);
  });

  test('webhookDuplicate: the same event comes twice', async () => {
    await simulator.arm({ operation: 'create', fault: 'webhookDuplicate', ...once });
    const { id } = await created(provider);
    await settled();
    const ids = receiver.events().flatMap((event) => (event.objectId === id ? [event.id] : []));
    expect(ids).toHaveLength(2);
    expect(new Set(ids).size).toBe(1);
  });

  test('webhookReorder: a later event overtakes an earlier one', async () => {
    await simulator.arm({ operation: 'create', fault: 'webhookReorder', ...once });
    const { id } = await authorized(provider);
    await settled();
    const types = typesOf(id);
    expect(types.at(-1)).toBe('payment_intent.created');
    expect(types).toHaveLength(3);
  });

  test('webhookDelayMs: comes later', async () => {
    await simulator.turn({ webhookDelayMs: { min: 400, max: 400 } });
    const started = performance.now();
    const { id } = await created(provider);
    await receiver.waitFor((event) => event.objectId === id);
    expect(performance.now() - started).toBeGreaterThan(390);
  });

  test('webhookEarly: has been answered before the API answers', async () => {
    await simulator.arm({ operation: 'confirm', fault: 'webhookEarly', ...once });
    const { id } = await created(provider);
    paymentOf(await provider.confirmPayment(id, newKey()));
    expect(typesOf(id)).toContain('payment_intent.amount_capturable_updated');
    expect((await simulator.fired()).webhookEarly).toBe(1);
  });

  test('webhookBadSignature: is refused, then comes again well signed', async () => {
    await simulator.arm({ operation: 'create', fault: 'webhookBadSignature', ...once });
    const { id } = await created(provider);
    await receiver.waitFor((event) => event.objectId === id);
    const refused = receiver.received.filter(({ result }) => !result.ok);
    expect(refused.map(({ result }) => result)).toEqual([{ ok: false, reason: 'signature_mismatch' }]);
  });

  test.each([
    [{ timestampOffsetSeconds: -302 }, { ok: false, reason: 'timestamp_outside_tolerance' }],
    [{ timestampOffsetSeconds: 302 }, { ok: false, reason: 'timestamp_outside_tolerance' }],
    [{ signature: 'bad' }, { ok: false, reason: 'signature_mismatch' }],
    [{ signature: 'missing' }, { ok: false, reason: 'signature_missing' }],
    [{ rawBody: '{"not":"an event"}' }, { ok: false, reason: 'body_not_an_event' }],
    [{ type: 'planet.aligned' }, { ok: true, event: { type: 'planet.aligned', donationId: null } }],
  ])('a test can send one with %j', async (asked, expected) => {
    const answer = await simulator.control('POST', '/webhooks', asked);
    expect(receiver.received.map(({ result }) => result)).toEqual([
      expect.objectContaining({ ok: expected.ok }),
    ]);
    expect(receiver.received[0]?.result).toMatchObject(expected);
    expect(answer).toMatchObject({ status: expected.ok ? 200 : 400 });
  });

  test('a test can send one event a hundred times at once', async () => {
    await simulator.control('POST', '/webhooks', { times: 100 });
    expect(receiver.events()).toHaveLength(100);
    expect(new Set(receiver.events().map((event) => event.id)).size).toBe(1);
  });
});

async function ask(base: string, path: string): Promise<unknown> {
  const answer = await fetch(`${base}/v1${path}`, { headers: { authorization: `Bearer ${SECRET_KEY}` } });
  return answer.json();
}
