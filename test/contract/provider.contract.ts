import { randomUUID } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import type { PaymentProvider, ProviderListAnswer, ProviderPayment } from '../../provider/port.ts';
import { authorized, captured, created, newKey, newOrder, paymentOf } from './orders.ts';

export type ContractSubject = {
  readonly provider: PaymentProvider;
  /** The same provider, reached with a key that it does not know. */
  readonly stranger: PaymentProvider;
};

/** What our payment code relies on, true of Stripe in test mode and of anything that stands in for it. */
export function describeProviderContract(subject: () => ContractSubject): void {
  const provider = (): PaymentProvider => subject().provider;

  describe('creating a payment', () => {
    test('holds the order and touches no money', async () => {
      const order = newOrder({ amountMinor: 4_242, currency: 'EUR' });
      const payment = paymentOf(await provider().createPayment(order, newKey()));
      expect(payment).toMatchObject({
        status: 'requires_confirmation',
        amountMinor: 4_242,
        currency: 'EUR',
        amountCapturableMinor: 0,
        amountReceivedMinor: 0,
        donationId: order.donationId,
        campaignId: order.campaignId,
        lastErrorCode: null,
        cancellationReason: null,
        livemode: false,
      });
      expect(payment.id).toMatch(/^pi_/);
      expect(Math.abs(payment.createdAt.getTime() - Date.now())).toBeLessThan(120_000);
    });

    test('with the same key again is the same payment', async () => {
      const order = newOrder();
      const key = newKey();
      const first = paymentOf(await provider().createPayment(order, key));
      const second = paymentOf(await provider().createPayment(order, key));
      expect(second).toEqual(first);
    });

    test('ten times at once with one key makes one payment', async () => {
      const order = newOrder();
      const key = newKey();
      const answers = await Promise.all(
        Array.from({ length: 10 }, () => provider().createPayment(order, key)),
      );
      const ids = answers.flatMap((answer) => (answer.kind === 'yes' ? [answer.payment.id] : []));
      const others = answers.filter((answer) => answer.kind !== 'yes');
      for (const answer of others) expect(answer).toMatchObject({ kind: 'unknown', reason: 'in_use' });
      const later = paymentOf(await provider().createPayment(order, key));
      expect(new Set([...ids, later.id]).size).toBe(1);
    });

    test('with a used key and another amount is our fault', async () => {
      const order = newOrder();
      const key = newKey();
      await provider().createPayment(order, key);
      const answer = await provider().createPayment({ ...order, amountMinor: order.amountMinor + 1 }, key);
      expect(answer).toMatchObject({ kind: 'our_fault', status: 400, code: 'idempotency_error' });
    });

    test('keeps the minor units of a currency without decimals', async () => {
      const payment = await created(provider(), { amountMinor: 500, currency: 'JPY' });
      expect(payment).toMatchObject({ amountMinor: 500, currency: 'JPY' });
    });

    test('with a payment method that does not exist is our fault', async () => {
      const answer = await provider().createPayment(newOrder({ paymentMethod: 'pm_card_nowhere' }), newKey());
      expect(answer).toMatchObject({ kind: 'our_fault', status: 400, code: 'resource_missing' });
    });

    test('of more than the provider takes is our fault', async () => {
      const answer = await provider().createPayment(newOrder({ amountMinor: 100_000_000 }), newKey());
      expect(answer).toMatchObject({ kind: 'our_fault', status: 400, code: 'amount_too_large' });
    });

    test('with a wrong secret key is our fault', async () => {
      const answer = await subject().stranger.createPayment(newOrder(), newKey());
      expect(answer).toMatchObject({ kind: 'our_fault', status: 401 });
    });
  });

  describe('confirming', () => {
    test('authorizes the whole amount without taking it', async () => {
      const payment = await authorized(provider());
      expect(payment).toMatchObject({
        status: 'requires_capture',
        amountCapturableMinor: 2_500,
        amountReceivedMinor: 0,
      });
    });

    test('with the same key again changes nothing', async () => {
      const { id } = await created(provider());
      const key = newKey();
      const first = paymentOf(await provider().confirmPayment(id, key));
      expect(paymentOf(await provider().confirmPayment(id, key))).toEqual(first);
    });

    test.each([
      ['pm_card_chargeDeclined', 'generic_decline'],
      ['pm_card_chargeDeclinedInsufficientFunds', 'insufficient_funds'],
      ['pm_card_chargeDeclinedExpiredCard', 'expired_card'],
    ])('%s is declined with %s and stays declined', async (paymentMethod, code) => {
      const { id } = await created(provider(), { paymentMethod });
      const key = newKey();
      const answer = await provider().confirmPayment(id, key);
      const declined = {
        kind: 'declined',
        code,
        payment: { id, status: 'requires_payment_method', lastErrorCode: code },
      };
      expect(answer).toMatchObject(declined);
      expect(await provider().confirmPayment(id, key)).toMatchObject(declined);
      expect(paymentOf(await provider().retrievePayment(id))).toMatchObject({
        status: 'requires_payment_method',
        lastErrorCode: code,
        amountCapturableMinor: 0,
      });
    });

    test('a card that needs authentication waits for the donor', async () => {
      const payment = await authorized(provider(), { paymentMethod: 'pm_card_authenticationRequired' });
      expect(payment).toMatchObject({ status: 'requires_action', amountCapturableMinor: 0 });
    });

    test('an authorized payment is refused with what is true', async () => {
      const { id } = await authorized(provider());
      const answer = await provider().confirmPayment(id, newKey());
      expect(answer).toMatchObject({ kind: 'wrong_state', payment: { id, status: 'requires_capture' } });
    });
  });

  describe('capturing', () => {
    test('takes the whole amount', async () => {
      const payment = await captured(provider());
      expect(payment).toMatchObject({
        status: 'succeeded',
        amountCapturableMinor: 0,
        amountReceivedMinor: 2_500,
      });
    });

    test('with the same key again changes nothing', async () => {
      const { id } = await authorized(provider());
      const key = newKey();
      const first = paymentOf(await provider().capturePayment(id, key));
      expect(paymentOf(await provider().capturePayment(id, key))).toEqual(first);
    });

    test('a second time with another key is refused with what is true', async () => {
      const { id } = await captured(provider());
      const answer = await provider().capturePayment(id, newKey());
      expect(answer).toMatchObject({
        kind: 'wrong_state',
        payment: { status: 'succeeded', amountReceivedMinor: 2_500 },
      });
    });

    test('what is not authorized is refused', async () => {
      const { id } = await created(provider());
      const answer = await provider().capturePayment(id, newKey());
      expect(answer).toMatchObject({ kind: 'wrong_state', payment: { status: 'requires_confirmation' } });
    });
  });

  describe('canceling', () => {
    test.each([
      ['a payment nobody confirmed', created],
      ['an authorized payment', authorized],
    ])('%s ends it', async (_name, prepare) => {
      const { id } = await prepare(provider());
      const payment = paymentOf(await provider().cancelPayment(id, newKey()));
      expect(payment).toMatchObject({
        status: 'canceled',
        amountCapturableMinor: 0,
        amountReceivedMinor: 0,
        cancellationReason: 'abandoned',
      });
      expect(await provider().confirmPayment(id, newKey())).toMatchObject({
        kind: 'wrong_state',
        payment: { status: 'canceled' },
      });
    });

    test('a declined payment ends it, so that nobody can confirm it later', async () => {
      const { id } = await created(provider(), { paymentMethod: 'pm_card_chargeDeclined' });
      await provider().confirmPayment(id, newKey());
      expect(paymentOf(await provider().cancelPayment(id, newKey())).status).toBe('canceled');
    });

    test('a captured payment is refused with what is true', async () => {
      const { id } = await captured(provider());
      const answer = await provider().cancelPayment(id, newKey());
      expect(answer).toMatchObject({
        kind: 'wrong_state',
        payment: { status: 'succeeded', amountReceivedMinor: 2_500 },
      });
    });

    test('capture after it is refused with what is true', async () => {
      const { id } = await authorized(provider());
      await provider().cancelPayment(id, newKey());
      const answer = await provider().capturePayment(id, newKey());
      expect(answer).toMatchObject({ kind: 'wrong_state', payment: { status: 'canceled' } });
    });
  });

  describe('asking', () => {
    test('for one payment tells its newest state', async () => {
      const { id } = await authorized(provider());
      expect(paymentOf(await provider().retrievePayment(id))).toMatchObject({
        id,
        status: 'requires_capture',
      });
    });

    test('tells the charge and, once captured, what the provider keeps of it', async () => {
      const held = await authorized(provider());
      expect(held).toMatchObject({ chargeId: expect.stringMatching(/^ch_/) as string, fee: null });
      const taken = paymentOf(await provider().capturePayment(held.id, newKey()));
      expect(taken.chargeId).toBe(held.chargeId);
      expect(taken.fee?.amountMinor).toBeGreaterThan(0);
      expect(taken.fee?.amountMinor).toBeLessThan(taken.amountReceivedMinor);
      expect(taken.fee?.currency).toMatch(/^[A-Z]{3}$/);
      expect(paymentOf(await provider().retrievePayment(held.id)).fee).toEqual(taken.fee);
      const { payments } = pageOf(await provider().listPayments({ limit: 10 }));
      expect(payments.find(({ id }) => id === held.id)?.fee).toEqual(taken.fee);
    });

    test('for the client secret gets the one of that payment, and no payment carries it', async () => {
      const waiting = await authorized(provider(), { paymentMethod: 'pm_card_authenticationRequired' });
      const answer = await provider().retrieveClientSecret(waiting.id);
      expect(answer).toMatchObject({
        kind: 'yes',
        clientSecret: expect.stringContaining(`${waiting.id}_secret_`) as string,
      });
      expect(JSON.stringify(waiting)).not.toContain('_secret_');
    });

    test('for the client secret of a payment that does not exist is our fault', async () => {
      const answer = await provider().retrieveClientSecret('pi_0000000000000000nowhere0');
      expect(answer).toMatchObject({ kind: 'our_fault', status: 404 });
    });

    test('for a payment that does not exist is our fault', async () => {
      const answer = await provider().retrievePayment('pi_0000000000000000nowhere0');
      expect(answer).toMatchObject({ kind: 'our_fault', status: 404, code: 'resource_missing' });
    });

    test('for a list walks every payment once, the newest first', async () => {
      const wanted = [
        (await created(provider())).id,
        (await created(provider())).id,
        (await created(provider())).id,
      ];
      const seen: ProviderPayment[] = [];
      let startingAfter: string | undefined;
      while (!wanted.every((id) => seen.some((payment) => payment.id === id))) {
        const page = pageOf(
          await provider().listPayments({
            limit: 2,
            ...(startingAfter === undefined ? {} : { startingAfter }),
          }),
        );
        expect(page.payments.length).toBeLessThanOrEqual(2);
        seen.push(...page.payments);
        if (page.nextCursor === null) break;
        startingAfter = page.nextCursor;
      }
      const ids = seen.map((payment) => payment.id);
      expect(new Set(ids).size).toBe(ids.length);
      expect(ids.filter((id) => wanted.includes(id)).toSorted()).toEqual(wanted.toSorted());
      const times = seen.map((payment) => payment.createdAt.getTime());
      expect(times).toEqual(times.toSorted((a, b) => b - a));
    });

    test('for a list from a time on leaves out what is older', async () => {
      await created(provider());
      const page = pageOf(await provider().listPayments({ createdFrom: new Date(Date.now() + 3_600_000) }));
      expect(page).toMatchObject({ payments: [], nextCursor: null });
    });

    test('for the payments of a donation finds them also while search lags', async () => {
      const from = new Date();
      const { id, donationId } = await authorized(provider());
      const page = pageOf(await provider().findByDonation(donationId ?? '', from));
      expect(page.payments.map((payment) => payment.id)).toEqual([id]);
    });

    test('for the payments of an unknown donation finds none', async () => {
      const page = pageOf(await provider().findByDonation(randomUUID(), new Date()));
      expect(page.payments).toEqual([]);
    });
  });
}

function pageOf(answer: ProviderListAnswer): Extract<ProviderListAnswer, { kind: 'yes' }> {
  expect(answer).toMatchObject({ kind: 'yes' });
  if (answer.kind !== 'yes') throw new Error('No page in the answer');
  return answer;
}
