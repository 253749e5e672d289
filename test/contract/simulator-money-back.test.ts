import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type {
  PaymentProvider,
  ProviderDispute,
  ProviderPayment,
  ProviderRefund,
} from '../../provider/port.ts';
import type { Effect } from '../../provider/simulator/records.ts';
import { createStripeProvider } from '../../provider/stripe/adapter.ts';
import { eventsOf } from './listed-events.ts';
import type { ListedEvent } from './listed-events.ts';
import { authorized, captured, newKey, newRefund, pageOf, refundOf, refunded } from './orders.ts';
import { SECRET_KEY, startSimulator } from './start-simulator.ts';
import type { SimulatorProcess } from './start-simulator.ts';

describe('money that goes back at the simulator', { timeout: 20_000 }, () => {
  let simulator: SimulatorProcess;
  let provider: PaymentProvider;

  beforeAll(async () => {
    simulator = await startSimulator();
    provider = createStripeProvider({ apiBase: simulator.base, secretKey: SECRET_KEY, timeoutMs: 5_000 });
  });
  afterAll(() => simulator[Symbol.asyncDispose]());
  beforeEach(() => simulator.reset());

  /** After the capture. */
  const afterwards = async ({ id }: ProviderPayment): Promise<ListedEvent[]> => {
    const events = await eventsOf(simulator.base, id);
    return events.slice(events.findIndex(({ type }) => type === 'payment_intent.succeeded') + 1);
  };
  const typesAfterwards = async (payment: ProviderPayment): Promise<string[]> =>
    (await afterwards(payment)).map(({ type }) => type);
  const effectsOf = async ({ id }: ProviderPayment): Promise<Effect[]> =>
    (await simulator.ledger()).filter(({ paymentId }) => paymentId === id).slice(3);
  const effectTypes = async (payment: ProviderPayment): Promise<string[]> =>
    (await effectsOf(payment)).map(({ type }) => type);
  const statusOf = async ({ id }: ProviderRefund): Promise<string> =>
    refundOf(await provider.retrieveRefund(id)).status;
  const disputesOf = async ({ id: paymentId }: ProviderPayment): Promise<ProviderDispute[]> =>
    pageOf(await provider.listDisputes({ paymentId })).items;

  describe('a refund', () => {
    test('tells of itself, then of its charge', async () => {
      const payment = await captured(provider);
      const refund = await refunded(provider, payment, 1_000);
      const events = await afterwards(payment);
      expect(events).toMatchObject([
        {
          type: 'refund.created',
          data: {
            object: {
              id: refund.id,
              object: 'refund',
              status: 'succeeded',
              payment_intent: payment.id,
              charge: payment.chargeId,
              reason: 'requested_by_customer',
              metadata: { donation_id: payment.donationId, refund_id: refund.refundId },
            },
          },
        },
        {
          type: 'charge.refunded',
          data: { object: { object: 'charge', amount_refunded: 1_000, refunded: false } },
        },
      ]);
      expect(events[0]?.request.idempotency_key).toMatch(/:test:1$/);
    });

    test('of pm_card_pendingRefund is pending, then succeeds by itself', async () => {
      await simulator.turn({ refundSettleMs: 200 });
      const payment = await captured(provider, { paymentMethod: 'pm_card_pendingRefund' });
      const refund = await refunded(provider, payment);
      expect(refund.status).toBe('pending');
      expect(await effectTypes(payment)).toEqual(['refund_pending']);
      await expect.poll(() => statusOf(refund)).toBe('succeeded');
      expect(await effectTypes(payment)).toEqual(['refund_pending', 'refunded']);
      expect(await afterwards(payment)).toMatchObject([
        { type: 'refund.created', data: { object: { status: 'pending', pending_reason: 'processing' } } },
        { type: 'charge.refunded' },
        {
          type: 'refund.updated',
          data: { object: { status: 'succeeded' }, previous_attributes: { status: 'pending' } },
          request: { id: null, idempotency_key: null },
        },
        { type: 'charge.refund.updated', data: { object: { status: 'succeeded' } } },
      ]);
    });

    test('of pm_card_refundFail succeeds, then fails by itself and can be made again', async () => {
      await simulator.turn({ refundSettleMs: 200 });
      const payment = await captured(provider, { paymentMethod: 'pm_card_refundFail' });
      const refund = await refunded(provider, payment);
      expect(refund.status).toBe('succeeded');
      await expect.poll(() => statusOf(refund)).toBe('failed');
      expect(refundOf(await provider.retrieveRefund(refund.id)).failureReason).toBe(
        'expired_or_canceled_card',
      );
      expect(await typesAfterwards(payment)).toEqual([
        'refund.created',
        'charge.refunded',
        'refund.updated',
        'refund.failed',
        'charge.refund.updated',
      ]);
      expect(await effectTypes(payment)).toEqual(['refunded', 'refund_failed']);
      expect((await refunded(provider, payment)).status).toBe('succeeded');
    });

    test('waits for as long as a test wants, and then goes the way it is told', async () => {
      await simulator.turn({ refundSettleMs: 600_000 });
      const payment = await captured(provider, { paymentMethod: 'pm_card_pendingRefund' });
      const [first, second] = [
        await refunded(provider, payment, 1_000),
        await refunded(provider, payment, 1_500),
      ];
      const more = await provider.createRefund(newRefund(payment, { amountMinor: 1 }), newKey());
      expect(more).toMatchObject({ kind: 'refused' });
      await simulator.succeedRefund(first.id);
      await simulator.failRefund(second.id, 'declined');
      expect(refundOf(await provider.retrieveRefund(second.id))).toMatchObject({
        status: 'failed',
        failureReason: 'declined',
      });
      expect(await effectTypes(payment)).toEqual([
        'refund_pending',
        'refund_pending',
        'refunded',
        'refund_dropped',
      ]);
      await simulator.failRefund(first.id);
      await expect(simulator.failRefund(first.id)).rejects.toThrow('cannot fail any more');
      await expect(simulator.succeedRefund(first.id)).rejects.toThrow('cannot succeed any more');
    });

    test('made by hand carries no ids of ours', async () => {
      const payment = await captured(provider);
      const id = await simulator.refundByHand(payment.id, { amountMinor: 700 });
      expect(refundOf(await provider.retrieveRefund(id))).toMatchObject({
        amountMinor: 700,
        paymentId: payment.id,
        donationId: null,
        refundId: null,
      });
      const [created] = await afterwards(payment);
      expect(created).toMatchObject({ type: 'refund.created', request: { id: null } });
      await expect(simulator.refundByHand(payment.id, { amountMinor: 1_801 })).rejects.toThrow('greater');
    });
  });

  describe('a dispute', () => {
    test('takes all the money that was captured and not refunded, and forbids refunds', async () => {
      const payment = await captured(provider);
      await refunded(provider, payment, 500);
      const id = await simulator.disputePayment(payment.id, { reason: 'product_not_received' });
      expect(await disputesOf(payment)).toMatchObject([
        { id, status: 'opened', amountMinor: 2_000, reason: 'product_not_received' },
      ]);
      expect((await afterwards(payment)).slice(2)).toMatchObject([
        {
          type: 'charge.dispute.created',
          data: {
            object: {
              id,
              object: 'dispute',
              status: 'needs_response',
              charge: payment.chargeId,
              payment_intent: payment.id,
              is_charge_refundable: false,
              balance_transactions: [],
            },
          },
        },
        {
          type: 'charge.dispute.funds_withdrawn',
          data: { object: { id, balance_transactions: [{ amount: -2_000, type: 'adjustment' }] } },
        },
      ]);
      expect((await effectsOf(payment)).at(-1)).toMatchObject({
        type: 'dispute_opened',
        amountMinor: 2_000,
        disputeId: id,
        chargeId: payment.chargeId,
        refundId: null,
      });
      const refund = await provider.createRefund(newRefund(payment, { amountMinor: 1 }), newKey());
      expect(refund).toMatchObject({ kind: 'refused', code: 'charge_disputed' });
      await expect(simulator.disputePayment(payment.id)).rejects.toThrow('without a dispute');
    });

    test('that is won gives the money back once, and refunds are possible again', async () => {
      const payment = await captured(provider);
      const id = await simulator.disputePayment(payment.id, { amountMinor: 1_000 });
      await simulator.closeDispute(id, 'won');
      expect(await disputesOf(payment)).toMatchObject([{ id, status: 'won', amountMinor: 1_000 }]);
      expect((await afterwards(payment)).slice(2)).toMatchObject([
        {
          type: 'charge.dispute.updated',
          data: { object: { status: 'under_review' }, previous_attributes: { status: 'needs_response' } },
        },
        { type: 'charge.dispute.closed', data: { object: { status: 'won' } } },
        {
          type: 'charge.dispute.funds_reinstated',
          data: { object: { status: 'won', balance_transactions: [{ amount: -1_000 }, { amount: 1_000 }] } },
        },
      ]);
      expect(await effectTypes(payment)).toEqual(['dispute_opened', 'dispute_won']);
      await expect(simulator.closeDispute(id, 'won')).rejects.toThrow('Nothing to close');
      expect((await refunded(provider, payment)).status).toBe('succeeded');
    });

    test('that is lost keeps the money away', async () => {
      const payment = await captured(provider);
      const id = await simulator.disputePayment(payment.id);
      await simulator.closeDispute(id, 'lost');
      expect(await disputesOf(payment)).toMatchObject([{ id, status: 'lost' }]);
      expect(await typesAfterwards(payment)).toEqual([
        'charge.dispute.created',
        'charge.dispute.funds_withdrawn',
        'charge.dispute.closed',
      ]);
      expect(await effectTypes(payment)).toEqual(['dispute_opened', 'dispute_lost']);
      expect(await provider.createRefund(newRefund(payment), newKey())).toMatchObject({ kind: 'refused' });
    });

    test('that is only an inquiry moves nothing until it escalates', async () => {
      const payment = await captured(provider, { paymentMethod: 'pm_card_createDisputeInquiry' });
      const [inquiry] = await disputesOf(payment);
      expect(inquiry).toMatchObject({ status: 'inquiry', amountMinor: 2_500 });
      expect(await effectTypes(payment)).toEqual([]);
      await simulator.escalateDispute(inquiry?.id ?? '');
      expect(await disputesOf(payment)).toMatchObject([{ id: inquiry?.id, status: 'opened' }]);
      expect(await typesAfterwards(payment)).toEqual([
        'charge.dispute.created',
        'charge.dispute.updated',
        'charge.dispute.funds_withdrawn',
      ]);
      expect(await effectTypes(payment)).toEqual(['dispute_opened']);
      await expect(simulator.escalateDispute(inquiry?.id ?? '')).rejects.toThrow('Nothing to escalate');
    });

    test('that was only an inquiry can be closed without a winner, and allows refunds', async () => {
      const payment = await captured(provider);
      const id = await simulator.disputePayment(payment.id, { inquiry: true });
      expect((await refunded(provider, payment, 100)).status).toBe('succeeded');
      await simulator.closeDispute(id, 'won');
      expect(await disputesOf(payment)).toMatchObject([{ id, status: 'inquiry' }]);
      expect(await effectTypes(payment)).toEqual(['refunded']);
    });

    test('makes a pending refund fail', async () => {
      await simulator.turn({ refundSettleMs: 600_000 });
      const payment = await captured(provider, { paymentMethod: 'pm_card_pendingRefund' });
      const refund = await refunded(provider, payment, 1_000);
      await simulator.disputePayment(payment.id, { amountMinor: 2_500 });
      expect(refundOf(await provider.retrieveRefund(refund.id))).toMatchObject({
        status: 'failed',
        failureReason: 'charge_for_pending_refund_disputed',
      });
      expect(await effectTypes(payment)).toEqual(['refund_pending', 'dispute_opened', 'refund_dropped']);
    });

    test.each([
      ['more than was captured', 2_501],
      ['nothing', 0],
    ])('of %s is not possible', async (_name, amountMinor) => {
      const payment = await captured(provider);
      await expect(simulator.disputePayment(payment.id, { amountMinor })).rejects.toThrow('400');
      expect(await disputesOf(payment)).toEqual([]);
    });

    test('of what was not captured is not possible', async () => {
      const payment = await authorized(provider);
      await expect(simulator.disputePayment(payment.id)).rejects.toThrow('captured');
    });

    test('is listed page by page, the newest first', async () => {
      const payment = await captured(provider);
      const made: string[] = [];
      for (const amountMinor of [100, 200, 300]) {
        const id = await simulator.disputePayment(payment.id, { amountMinor });
        await simulator.closeDispute(id, 'won');
        made.push(id);
      }
      const first = pageOf(await provider.listDisputes({ paymentId: payment.id, limit: 2 }));
      expect(first.items.map(({ id }) => id)).toEqual([made[2], made[1]]);
      const startingAfter = first.nextCursor ?? '';
      const second = pageOf(await provider.listDisputes({ paymentId: payment.id, limit: 2, startingAfter }));
      expect(second).toMatchObject({ items: [{ id: made[0] }], nextCursor: null });
      const later = { createdFrom: new Date(Date.now() + 3_600_000) };
      expect(pageOf(await provider.listDisputes(later)).items).toEqual([]);
    });
  });

  test('refunds that wait and disputes outlive the process', async () => {
    await simulator.turn({ refundSettleMs: 600_000 });
    const payment = await captured(provider, { paymentMethod: 'pm_card_pendingRefund' });
    const other = await captured(provider);
    const refund = await refunded(provider, payment, 1_000);
    const disputeId = await simulator.disputePayment(other.id);
    await simulator.kill('SIGKILL');
    await simulator.restart();
    // Started with its own dials again, it lets the refund wait for a second only.
    await expect.poll(() => statusOf(refund), { timeout: 5_000 }).toBe('succeeded');
    expect(await disputesOf(other)).toMatchObject([{ id: disputeId, status: 'opened' }]);
    await simulator.closeDispute(disputeId, 'lost');
    expect(await effectTypes(other)).toEqual(['dispute_opened', 'dispute_lost']);
  });
});
