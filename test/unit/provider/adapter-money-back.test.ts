import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { PaymentProvider } from '../../../provider/port.ts';
import { createStripeProvider } from '../../../provider/stripe/adapter.ts';
import { disputeBody, intentBody, refundBody, startStub } from './stripe-stub.ts';
import type { Stub } from './stripe-stub.ts';

const order = { donationId: 'd', refundId: 'r', paymentId: 'pi_1', amountMinor: 1_000, currency: 'USD' };

const stripeError = (error: Record<string, unknown>) => ({
  error: { type: 'invalid_request_error', message: 'm', ...error },
});

describe('the Stripe adapter, when money goes back', () => {
  let stub: Stub;
  let provider: PaymentProvider;

  beforeAll(async () => {
    stub = await startStub();
    provider = createStripeProvider({ apiBase: stub.base, secretKey: 'sk_test_x', timeoutMs: 300 });
  });
  afterAll(() => stub[Symbol.asyncDispose]());
  beforeEach(() => {
    stub.requests.length = 0;
  });

  const queryOf = (request: Stub['requests'][number] | undefined): Record<string, string> =>
    Object.fromEntries(new URL(request?.url ?? '', stub.base).searchParams);

  test('asks for a refund of the payment, with our ids and the key', async () => {
    stub.answer(200, refundBody());
    expect(await provider.createRefund(order, 'key-1')).toMatchObject({
      kind: 'yes',
      refund: { id: 're_1' },
    });
    const [request] = stub.requests;
    expect(Object.fromEntries(new URLSearchParams(request?.body))).toEqual({
      payment_intent: 'pi_1',
      amount: '1000',
      reason: 'requested_by_customer',
      'metadata[donation_id]': 'd',
      'metadata[refund_id]': 'r',
    });
    expect(request).toMatchObject({
      method: 'POST',
      url: '/v1/refunds',
      headers: { 'idempotency-key': 'key-1' },
    });
  });

  test.each([
    [{ code: 'charge_already_refunded' }, 'charge_already_refunded'],
    [{ code: 'charge_disputed' }, 'charge_disputed'],
    [{ code: 'charge_not_refundable' }, 'charge_not_refundable'],
    [{ code: 'refund_disputed_payment' }, 'refund_disputed_payment'],
    [{ code: 'amount_too_large', param: 'amount' }, 'amount_too_large'],
    [
      {
        param: 'amount',
        message: 'Refund amount ($9.00) is greater than unrefunded amount on charge ($7.00)',
      },
      'amount_too_large',
    ],
    [
      { param: 'amount', message: 'Refund amount (£93.90) is greater than charge amount (£54.45)' },
      'amount_too_large',
    ],
    [
      {
        param: 'payment_intent',
        message: 'This PaymentIntent (pi_1) does not have a successful charge to refund.',
      },
      'charge_not_refundable',
    ],
  ])('takes 400 %j for a definitive no: %s', async (error, code) => {
    const body = stripeError(error);
    stub.answer(400, body);
    expect(await provider.createRefund(order, 'k')).toEqual({
      kind: 'refused',
      code,
      message: body.error.message,
    });
  });

  test.each([
    [400, { code: 'balance_insufficient' }, 'balance_insufficient'],
    [400, { code: 'insufficient_funds' }, 'insufficient_funds'],
    [400, { code: 'payment_intent_unexpected_state' }, 'payment_intent_unexpected_state'],
    [400, { code: 'something_new', param: 'amount' }, 'something_new'],
    [400, { param: 'amount', message: 'Invalid integer: 1e3' }, 'invalid_request_error'],
    [400, { param: 'charge', message: 'Refund amount is greater than that' }, 'invalid_request_error'],
    [400, { type: 'idempotency_error' }, 'idempotency_error'],
    [401, {}, 'invalid_request_error'],
    [403, { code: 'more_permissions_required' }, 'more_permissions_required'],
    [404, { code: 'resource_missing' }, 'resource_missing'],
    [404, { code: 'charge_disputed' }, 'charge_disputed'],
  ])('takes %i %j for our fault', async (status, error, code) => {
    stub.answer(status, stripeError(error));
    expect(await provider.createRefund(order, 'k')).toMatchObject({ kind: 'our_fault', status, code });
  });

  test.each([
    [500, stripeError({ type: 'api_error', code: 'charge_disputed' }), 'server_error'],
    [409, stripeError({ type: 'idempotency_error', code: 'idempotency_key_in_use' }), 'in_use'],
    [429, stripeError({ code: 'lock_timeout' }), 'rate_limited'],
    [400, stripeError({ code: 'rate_limit' }), 'rate_limited'],
    [402, stripeError({ type: 'card_error', code: 'card_declined' }), 'garbage'],
    [402, stripeError({ code: 'charge_disputed' }), 'garbage'],
    [418, stripeError({ code: 'charge_disputed' }), 'garbage'],
    [400, '<html>', 'garbage'],
    [200, '{}', 'garbage'],
    [200, refundBody({ status: 'on_a_journey' }), 'garbage'],
    [200, refundBody({ payment_intent: 'pi_other' }), 'garbage'],
  ])('knows no more than before after %i with %j', async (status, body, reason) => {
    stub.answer(status, body);
    expect(await provider.createRefund(order, 'k')).toMatchObject({ kind: 'unknown', reason });
    expect(stub.requests).toHaveLength(1);
  });

  test('believes a refund that names only its charge', async () => {
    stub.answer(200, refundBody({ payment_intent: null }));
    expect(await provider.createRefund(order, 'k')).toMatchObject({
      kind: 'yes',
      refund: { paymentId: null, chargeId: 'ch_1' },
    });
  });

  test('takes an answer about another refund or dispute for garbage', async () => {
    const garbage = { kind: 'unknown', reason: 'garbage' };
    stub.answer(200, refundBody({ id: 're_other' }));
    expect(await provider.retrieveRefund('re_1')).toMatchObject(garbage);
    stub.answer(200, disputeBody({ id: 'du_other' }));
    expect(await provider.retrieveDispute('du_1')).toMatchObject(garbage);
    stub.answer(200, { ...intentBody({ id: 'pi_other' }), client_secret: 'pi_other_secret_x' });
    expect(await provider.retrieveClientSecret('pi_1')).toMatchObject(garbage);
  });

  test.each([
    ['listRefunds', '/v1/refunds', refundBody],
    ['listDisputes', '/v1/disputes', disputeBody],
  ] as const)('%s asks for a page of one payment and gives back a cursor', async (method, path, bodyOf) => {
    const data = [bodyOf({ id: 'x_2' }), bodyOf({ id: 'x_1' })];
    stub.answer(200, { object: 'list', data, has_more: true });
    const createdFrom = new Date(1_800_000_000_999);
    const page = await provider[method]({ paymentId: 'pi_1', createdFrom, startingAfter: 'x_3', limit: 2 });
    expect(page).toMatchObject({ kind: 'yes', items: [{ id: 'x_2' }, { id: 'x_1' }], nextCursor: 'x_1' });
    expect(new URL(stub.requests[0]?.url ?? '', stub.base).pathname).toBe(path);
    expect(queryOf(stub.requests[0])).toEqual({
      payment_intent: 'pi_1',
      'created[gte]': '1800000000',
      starting_after: 'x_3',
      limit: '2',
    });
    stub.answer(200, { object: 'list', data, has_more: false });
    expect(await provider[method]({})).toMatchObject({ nextCursor: null });
    expect(queryOf(stub.requests[1])).toEqual({ limit: '100' });
  });

  test.each([
    { data: [refundBody(), disputeBody(), { id: 'x' }], has_more: false },
    { data: [], has_more: true },
    { data: null, has_more: false },
    { data: [] },
    {},
  ])('takes the page %j for garbage', async (page) => {
    stub.answer(200, { object: 'list', ...page });
    const garbage = { kind: 'unknown', reason: 'garbage' };
    expect(await provider.listRefunds({})).toMatchObject(garbage);
    expect(await provider.listDisputes({})).toMatchObject(garbage);
  });

  test('asks for the fee wherever a captured payment may come back', async () => {
    stub.answer(200, intentBody());
    await provider.confirmPayment('pi_1', 'k');
    await provider.capturePayment('pi_1', 'k');
    const fee = { 'expand[0]': 'latest_charge.balance_transaction' };
    expect(stub.requests.map(({ body }) => Object.fromEntries(new URLSearchParams(body)))).toEqual([
      fee,
      fee,
    ]);
    await provider.retrievePayment('pi_1');
    expect(queryOf(stub.requests[2])).toEqual(fee);
    stub.answer(200, { object: 'list', data: [intentBody()], has_more: false });
    await provider.listPayments({});
    expect(queryOf(stub.requests[3])).toEqual({
      limit: '100',
      'expand[0]': 'data.latest_charge.balance_transaction',
    });
  });

  test.each([
    ['pi_1_secret_x', { kind: 'yes', clientSecret: 'pi_1_secret_x' }],
    [null, { kind: 'yes', clientSecret: null }],
    [undefined, { kind: 'yes', clientSecret: null }],
    [7, { kind: 'unknown', reason: 'garbage' }],
    ['', { kind: 'unknown', reason: 'garbage' }],
  ])('reads the client secret %j', async (client_secret, answer) => {
    stub.answer(200, intentBody({ client_secret }));
    expect(await provider.retrieveClientSecret('pi_1')).toMatchObject(answer);
  });

  test('keeps the client secret out of every payment and every refusal', async () => {
    const payment_intent = intentBody({ client_secret: 'pi_1_secret_x', status: 'canceled' });
    stub.answer(200, payment_intent);
    const payment = await provider.retrievePayment('pi_1');
    stub.answer(400, stripeError({ code: 'payment_intent_unexpected_state', payment_intent }));
    const refusal = await provider.capturePayment('pi_1', 'k');
    stub.answer(402, stripeError({ type: 'card_error', code: 'expired_card', payment_intent }));
    const decline = await provider.confirmPayment('pi_1', 'k');
    expect([payment.kind, refusal.kind, decline.kind]).toEqual(['yes', 'wrong_state', 'declined']);
    expect(JSON.stringify([payment, refusal, decline])).not.toContain('secret');
  });
});
