import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { PaymentProvider } from '../../provider/port.ts';
import { createStripeProvider } from '../../provider/stripe/adapter.ts';
import { eventsOf } from './listed-events.ts';
import { authorized, captured, created, newKey, newOrder, paymentOf } from './orders.ts';
import { SECRET_KEY, startSimulator } from './start-simulator.ts';
import type { SimulatorProcess } from './start-simulator.ts';

describe('what happens at the simulator without a request of ours', { timeout: 20_000 }, () => {
  let simulator: SimulatorProcess;
  let provider: PaymentProvider;

  beforeAll(async () => {
    simulator = await startSimulator();
    provider = createStripeProvider({ apiBase: simulator.base, secretKey: SECRET_KEY, timeoutMs: 5_000 });
  });
  afterAll(() => simulator[Symbol.asyncDispose]());
  beforeEach(() => simulator.reset());

  const statusOf = async (id: string): Promise<string> =>
    paymentOf(await provider.retrievePayment(id)).status;
  /** After the payment's creation. */
  const typesOf = async (id: string): Promise<string[]> =>
    (await eventsOf(simulator.base, id)).slice(1).map(({ type }) => type);
  const effectTypes = async (id: string): Promise<string[]> =>
    (await simulator.ledger()).flatMap(({ paymentId, type }) => (paymentId === id ? [type] : []));

  describe('3-D Secure', () => {
    test.each(['pm_card_threeDSecure2Required', 'pm_card_authenticationRequired'])(
      '%s waits for the donor, who says yes',
      async (paymentMethod) => {
        const { id, status } = await authorized(provider, { paymentMethod });
        expect(status).toBe('requires_action');
        const waiting = (await eventsOf(simulator.base, id)).at(-1);
        expect(waiting).toMatchObject({
          type: 'payment_intent.requires_action',
          data: {
            object: {
              client_secret: expect.stringContaining(`${id}_secret_`) as string,
              next_action: { type: 'use_stripe_sdk', use_stripe_sdk: { type: 'three_d_secure_redirect' } },
            },
          },
        });
        await simulator.authenticatePayment(id);
        expect(await statusOf(id)).toBe('requires_capture');
        expect(await typesOf(id)).toEqual([
          'payment_intent.requires_action',
          'charge.succeeded',
          'payment_intent.amount_capturable_updated',
        ]);
        await expect(simulator.authenticatePayment(id)).rejects.toThrow('Nothing to decide');
      },
    );

    test('that the donor fails is a decline, and the payment can be canceled', async () => {
      const { id } = await authorized(provider, { paymentMethod: 'pm_card_threeDSecure2Required' });
      await simulator.authenticatePayment(id, false);
      expect(paymentOf(await provider.retrievePayment(id))).toMatchObject({
        status: 'requires_payment_method',
        lastErrorCode: 'payment_intent_authentication_failure',
      });
      expect(await typesOf(id)).toEqual([
        'payment_intent.requires_action',
        'charge.failed',
        'payment_intent.payment_failed',
      ]);
      expect(paymentOf(await provider.cancelPayment(id, newKey())).status).toBe('canceled');
    });
  });

  describe('a payment in processing', () => {
    test.each([
      [true, 'requires_capture', 'payment_intent.amount_capturable_updated', 'authorized'],
      [false, 'requires_payment_method', 'payment_intent.payment_failed', 'declined'],
    ])('is settled by the bank: %s', async (succeed, status, type, effect) => {
      const { id } = await created(provider);
      await simulator.arm({ operation: 'confirm', fault: 'processing' });
      expect(paymentOf(await provider.confirmPayment(id, newKey())).status).toBe('processing');
      expect(await typesOf(id)).toEqual(['payment_intent.processing']);
      for (const call of ['confirmPayment', 'capturePayment', 'cancelPayment'] as const) {
        expect(await provider[call](id, newKey())).toMatchObject({
          kind: 'wrong_state',
          payment: { status: 'processing' },
        });
      }
      await simulator.settlePayment(id, succeed);
      expect(await statusOf(id)).toBe(status);
      expect((await typesOf(id)).at(-1)).toBe(type);
      expect(await effectTypes(id)).toEqual(['created', 'processing', effect]);
      expect((await simulator.fired()).processing).toBeGreaterThan(0);
    });

    test('can be every one of them', async () => {
      await simulator.turn({ processing: true });
      expect((await authorized(provider)).status).toBe('processing');
    });
  });

  test.each(['expired', 'automatic'] as const)(
    'an authorization that ends by itself is %s',
    async (reason) => {
      const { id } = await authorized(provider);
      await simulator.expirePayment(id, reason);
      expect(paymentOf(await provider.retrievePayment(id))).toMatchObject({
        status: 'canceled',
        cancellationReason: reason,
        amountCapturableMinor: 0,
      });
      expect((await typesOf(id)).slice(2)).toEqual(['charge.expired', 'payment_intent.canceled']);
      expect((await effectTypes(id)).at(-1)).toBe('expired');
    },
  );

  describe('fees', () => {
    test.each([
      [2_500, 'USD', 103],
      [1, 'USD', 1],
      [99_999_999, 'EUR', 2_900_030],
      [500, 'JPY', 45],
    ])(
      'of %i %s are whole minor units and never above the amount: %i',
      async (amountMinor, currency, fee) => {
        const payment = await captured(provider, { amountMinor, currency });
        expect(payment.fee).toEqual({ amountMinor: fee, currency });
      },
    );

    test('follow the dials at the time of the capture', async () => {
      await simulator.turn({ feeBasisPoints: 150, feeFixedMinor: 0 });
      const payment = await captured(provider);
      expect(payment.fee?.amountMinor).toBe(38);
      await simulator.turn({ feeBasisPoints: 290 });
      expect(paymentOf(await provider.retrievePayment(payment.id)).fee?.amountMinor).toBe(38);
    });

    test('can drift long after the capture, which tells of its charge', async () => {
      const { id, chargeId } = await captured(provider);
      await simulator.changeFee(id, 250);
      expect(paymentOf(await provider.retrievePayment(id)).fee?.amountMinor).toBe(250);
      expect((await eventsOf(simulator.base, id)).at(-1)).toMatchObject({
        type: 'charge.updated',
        data: { object: { id: chargeId, balance_transaction: expect.stringMatching(/^txn_/) as string } },
      });
      const held = await authorized(provider);
      await expect(simulator.changeFee(held.id, 1)).rejects.toThrow('before the capture');
    });

    test('are not to be had by a path that Stripe does not know', async () => {
      const { id } = await captured(provider);
      const answer = await fetch(
        `${simulator.base}/v1/payment_intents/${id}?expand[]=data.latest_charge.balance_transaction`,
        { headers: { authorization: `Bearer ${SECRET_KEY}` } },
      );
      expect(answer.status).toBe(400);
      expect(await answer.text()).toContain('cannot be expanded');
    });
  });

  describe('at the dashboard', () => {
    test('somebody takes a payment that no donation asked for', async () => {
      const id = await simulator.payByHand({ amountMinor: 1_234, currency: 'EUR' });
      expect(paymentOf(await provider.retrievePayment(id))).toMatchObject({
        status: 'succeeded',
        amountReceivedMinor: 1_234,
        currency: 'EUR',
        donationId: null,
        campaignId: null,
      });
      expect(await typesOf(id)).toEqual(['charge.succeeded', 'payment_intent.succeeded']);
      expect(await effectTypes(id)).toEqual(['created', 'authorized', 'captured']);
    });

    test('somebody takes a payment for another shop', async () => {
      const metadata = { donation_id: 'order-17', shop: 'next door' };
      const id = await simulator.payByHand({ amountMinor: 500, currency: 'USD', metadata });
      expect(paymentOf(await provider.retrievePayment(id)).donationId).toBe('order-17');
    });

    test('somebody takes the money of a donation a second time', async () => {
      const from = new Date();
      const first = await captured(provider);
      const second = await simulator.payAgain(first.id);
      expect(paymentOf(await provider.retrievePayment(second))).toMatchObject({
        status: 'succeeded',
        amountReceivedMinor: first.amountReceivedMinor,
        donationId: first.donationId,
        campaignId: first.campaignId,
      });
      const found = await provider.findByDonation(first.donationId ?? '', from);
      expect(found).toMatchObject({ kind: 'yes', payments: [{ id: second }, { id: first.id }] });
    });

    test('an amount changes in every answer, and not in the ledger', async () => {
      const { id } = await captured(provider);
      await simulator.changeAmount(id, { amountMinor: 2_600, amountReceivedMinor: 2_550 });
      const shown = { amountMinor: 2_600, amountReceivedMinor: 2_550 };
      expect(paymentOf(await provider.retrievePayment(id))).toMatchObject(shown);
      expect(await provider.listPayments({ limit: 1 })).toMatchObject({ payments: [shown] });
      const effects = (await simulator.ledger()).filter(({ paymentId }) => paymentId === id);
      expect(new Set(effects.map(({ amountMinor }) => amountMinor))).toEqual(new Set([2_500]));
    });

    test('nothing happens to a payment that does not exist', async () => {
      await expect(simulator.payAgain('pi_nowhere')).rejects.toThrow('404');
      await expect(simulator.refundByHand('pi_nowhere')).rejects.toThrow('404');
      await expect(simulator.closeDispute('du_nowhere', 'won')).rejects.toThrow('404');
    });

    test('nothing is declined by the dials, which are about our requests', async () => {
      await simulator.turn({ decline: true, processing: true, wrongAmount: true });
      const { currency } = newOrder();
      const id = await simulator.payByHand({ amountMinor: 900, currency });
      await simulator.reset();
      expect(paymentOf(await provider.retrievePayment(id))).toMatchObject({
        status: 'succeeded',
        amountReceivedMinor: 900,
      });
    });
  });
});
