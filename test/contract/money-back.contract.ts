import { describe, expect, test } from 'vitest';
import type { PaymentProvider, ProviderRefund } from '../../provider/port.ts';
import { authorized, captured, newKey, newRefund, pageOf, refundOf, refunded } from './orders.ts';
import type { ContractSubject } from './provider.contract.ts';

/** What our refunds and disputes rely on, true of Stripe in test mode and of anything that stands in for it. */
export function describeMoneyBackContract(subject: () => ContractSubject): void {
  const provider = (): PaymentProvider => subject().provider;

  describe('refunding', () => {
    test('all of a captured payment succeeds and comes back with our ids', async () => {
      const payment = await captured(provider(), { amountMinor: 4_242, currency: 'EUR' });
      const order = newRefund(payment);
      const refund = refundOf(await provider().createRefund(order, newKey()));
      expect(refund).toMatchObject({
        status: 'succeeded',
        amountMinor: 4_242,
        currency: 'EUR',
        paymentId: payment.id,
        chargeId: payment.chargeId,
        donationId: payment.donationId,
        refundId: order.refundId,
        failureReason: null,
      });
      expect(refund.id).toMatch(/^re_/);
      expect(Math.abs(refund.createdAt.getTime() - Date.now())).toBeLessThan(120_000);
      expect(refundOf(await provider().retrieveRefund(refund.id))).toEqual(refund);
    });

    test('in parts is possible until nothing is left', async () => {
      const payment = await captured(provider());
      await refunded(provider(), payment, 1_000);
      await refunded(provider(), payment, 1_500);
      const answer = await provider().createRefund(newRefund(payment, { amountMinor: 1 }), newKey());
      expect(answer).toMatchObject({ kind: 'refused', code: 'charge_already_refunded' });
    });

    test('more than is left is refused and changes nothing', async () => {
      const payment = await captured(provider());
      await refunded(provider(), payment, 1_000);
      const tooMuch = newRefund(payment, { amountMinor: 1_501 });
      expect(await provider().createRefund(tooMuch, newKey())).toMatchObject({
        kind: 'refused',
        code: 'amount_too_large',
      });
      expect((await refunded(provider(), payment, 1_500)).status).toBe('succeeded');
    });

    test('what was never captured is refused', async () => {
      const payment = await authorized(provider());
      const answer = await provider().createRefund(newRefund(payment, { amountMinor: 1 }), newKey());
      expect(answer).toMatchObject({ kind: 'refused', code: 'charge_not_refundable' });
    });

    test('with the same key again is the same refund', async () => {
      const payment = await captured(provider());
      const order = newRefund(payment, { amountMinor: 500 });
      const key = newKey();
      const first = refundOf(await provider().createRefund(order, key));
      expect(refundOf(await provider().createRefund(order, key))).toEqual(first);
      expect(pageOf(await provider().listRefunds({ paymentId: payment.id })).items).toEqual([first]);
    });

    test('ten times at once with one key makes one refund', async () => {
      const payment = await captured(provider());
      const order = newRefund(payment, { amountMinor: 100 });
      const key = newKey();
      const answers = await Promise.all(
        Array.from({ length: 10 }, () => provider().createRefund(order, key)),
      );
      for (const answer of answers.filter(({ kind }) => kind !== 'yes'))
        expect(answer).toMatchObject({ kind: 'unknown', reason: 'in_use' });
      await provider().createRefund(order, key);
      expect(pageOf(await provider().listRefunds({ paymentId: payment.id })).items).toHaveLength(1);
    });

    test('ten times at once with ten keys never gives back more than was captured', async () => {
      const payment = await captured(provider());
      const answers = await Promise.all(
        Array.from({ length: 10 }, () =>
          provider().createRefund(newRefund(payment, { amountMinor: 1_000 }), newKey()),
        ),
      );
      expect(answers.filter(({ kind }) => kind === 'yes')).toHaveLength(2);
      const { items } = pageOf(await provider().listRefunds({ paymentId: payment.id }));
      expect(items.map(({ amountMinor }) => amountMinor)).toEqual([1_000, 1_000]);
    });

    test('with a used key and another amount is our fault', async () => {
      const payment = await captured(provider());
      const order = newRefund(payment, { amountMinor: 500 });
      const key = newKey();
      await provider().createRefund(order, key);
      const answer = await provider().createRefund({ ...order, amountMinor: 501 }, key);
      expect(answer).toMatchObject({ kind: 'our_fault', status: 400, code: 'idempotency_error' });
    });

    test('nothing at all, or a payment that does not exist, is our fault', async () => {
      const payment = await captured(provider());
      const nothing = await provider().createRefund(newRefund(payment, { amountMinor: 0 }), newKey());
      expect(nothing).toMatchObject({ kind: 'our_fault', status: 400 });
      const nowhere = newRefund(payment, { paymentId: 'pi_0000000000000000nowhere0' });
      expect(await provider().createRefund(nowhere, newKey())).toMatchObject({
        kind: 'our_fault',
        code: 'resource_missing',
      });
    });
  });

  describe('asking for refunds', () => {
    test('walks those of one payment once each, the newest first', async () => {
      const payment = await captured(provider());
      const made: ProviderRefund[] = [];
      for (const amountMinor of [100, 200, 300, 400, 500])
        made.push(await refunded(provider(), payment, amountMinor));
      const seen: ProviderRefund[] = [];
      let startingAfter: string | undefined;
      do {
        const page = pageOf(
          await provider().listRefunds({
            paymentId: payment.id,
            limit: 2,
            ...(startingAfter === undefined ? {} : { startingAfter }),
          }),
        );
        expect(page.items.length).toBeLessThanOrEqual(2);
        seen.push(...page.items);
        startingAfter = page.nextCursor ?? undefined;
      } while (startingAfter !== undefined && seen.length < 10);
      expect(seen.map(({ id }) => id)).toEqual(made.map(({ id }) => id).toReversed());
    });

    test('leaves out those of other payments and those from before a time', async () => {
      const [one, other] = [await captured(provider()), await captured(provider())];
      const refund = await refunded(provider(), one);
      await refunded(provider(), other);
      const mine = await provider().listRefunds({ paymentId: one.id, createdFrom: refund.createdAt });
      expect(pageOf(mine).items).toEqual([refund]);
      const later = await provider().listRefunds({ createdFrom: new Date(Date.now() + 3_600_000) });
      expect(later).toEqual({ kind: 'yes', items: [], nextCursor: null });
    });

    test('for one that does not exist, or from a cursor that does not, is our fault', async () => {
      const missing = { kind: 'our_fault', code: 'resource_missing' };
      expect(await provider().retrieveRefund('re_0000000000000000nowhere0')).toMatchObject(missing);
      const startingAfter = 're_0000000000000000nowhere0';
      expect(await provider().listRefunds({ startingAfter })).toMatchObject({ kind: 'our_fault' });
    });

    test('as somebody whom the provider does not know is our fault', async () => {
      const { stranger } = subject();
      expect(await stranger.listRefunds({})).toMatchObject({ kind: 'our_fault', status: 401 });
      expect(await stranger.listDisputes({})).toMatchObject({ kind: 'our_fault', status: 401 });
      expect(await stranger.retrieveClientSecret('pi_1')).toMatchObject({ kind: 'our_fault', status: 401 });
    });
  });

  describe('disputes', () => {
    test('by a card that is always disputed show up with the payment, its amount and a reason', async () => {
      const payment = await captured(provider(), { paymentMethod: 'pm_card_createDispute' });
      await expect
        .poll(async () => pageOf(await provider().listDisputes({ paymentId: payment.id })).items, {
          timeout: 30_000,
        })
        .toHaveLength(1);
      const [dispute] = pageOf(await provider().listDisputes({ paymentId: payment.id })).items;
      expect(dispute).toMatchObject({
        status: 'opened',
        amountMinor: 2_500,
        currency: 'USD',
        paymentId: payment.id,
        chargeId: payment.chargeId,
        reason: 'fraudulent',
      });
      expect(await provider().retrieveDispute(dispute?.id ?? '')).toEqual({ kind: 'yes', dispute });
      const refund = await provider().createRefund(newRefund(payment), newKey());
      expect(refund).toMatchObject({ kind: 'refused', code: 'charge_disputed' });
    });

    test('of a payment without any are none', async () => {
      const payment = await captured(provider());
      const answer = await provider().listDisputes({ paymentId: payment.id });
      expect(answer).toEqual({ kind: 'yes', items: [], nextCursor: null });
    });

    test('that do not exist are our fault', async () => {
      const answer = await provider().retrieveDispute('du_0000000000000000nowhere0');
      expect(answer).toMatchObject({ kind: 'our_fault', status: 404, code: 'resource_missing' });
    });
  });
}
