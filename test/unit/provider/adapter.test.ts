import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { PaymentProvider } from '../../../provider/port.ts';
import { createStripeProvider } from '../../../provider/stripe/adapter.ts';
import { intentBody, startStub } from './stripe-stub.ts';
import type { Stub } from './stripe-stub.ts';

const order = {
  donationId: 'd',
  campaignId: 'c',
  amountMinor: 2_500,
  currency: 'USD',
  paymentMethod: 'pm_card_visa',
};

const stripeError = (error: Record<string, unknown>) => ({ error: { message: 'm', ...error } });

describe('the Stripe adapter', () => {
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

  test('asks for a card payment that is neither confirmed nor captured', async () => {
    stub.answer(200, intentBody());
    await provider.createPayment(order, 'key-1');
    const [request] = stub.requests;
    expect(Object.fromEntries(new URLSearchParams(request?.body))).toEqual({
      amount: '2500',
      currency: 'usd',
      capture_method: 'manual',
      payment_method: 'pm_card_visa',
      'allowed_payment_method_types[0]': 'card',
      'metadata[donation_id]': 'd',
      'metadata[campaign_id]': 'c',
    });
    expect(request).toMatchObject({
      method: 'POST',
      url: '/v1/payment_intents',
      headers: {
        authorization: 'Bearer sk_test_x',
        'idempotency-key': 'key-1',
        'stripe-version': '2026-10-28.endive',
      },
    });
    expect(request?.headers).not.toHaveProperty('x-stripe-client-telemetry');
  });

  test.each([
    ['confirmPayment', '/v1/payment_intents/pi_1/confirm'],
    ['capturePayment', '/v1/payment_intents/pi_1/capture'],
    ['cancelPayment', '/v1/payment_intents/pi_1/cancel'],
  ] as const)('sends the key with %s', async (method, url) => {
    stub.answer(200, intentBody());
    expect(await provider[method]('pi_1', 'key-2')).toMatchObject({ kind: 'yes' });
    expect(stub.requests).toMatchObject([{ method: 'POST', url, headers: { 'idempotency-key': 'key-2' } }]);
  });

  test('takes an answer about another payment for garbage', async () => {
    stub.answer(200, intentBody({ id: 'pi_other' }));
    expect(await provider.capturePayment('pi_1', 'k')).toMatchObject({ kind: 'unknown', reason: 'garbage' });
  });

  describe('knows no more than before', () => {
    test.each([
      [500, '<html>', 'server_error'],
      [502, '', 'server_error'],
      [503, '5', 'server_error'],
      [504, '{}', 'server_error'],
      [500, stripeError({ type: 'api_error' }), 'server_error'],
      [409, stripeError({ type: 'idempotency_error', code: 'idempotency_key_in_use' }), 'in_use'],
      [429, stripeError({ type: 'invalid_request_error', code: 'rate_limit' }), 'rate_limited'],
      [429, stripeError({ type: 'invalid_request_error', code: 'lock_timeout' }), 'rate_limited'],
      [400, stripeError({ type: 'invalid_request_error', code: 'rate_limit' }), 'rate_limited'],
      [200, '<html>', 'garbage'],
      [200, '', 'garbage'],
      [200, 'null', 'garbage'],
      [200, '5', 'garbage'],
      [200, '"text"', 'garbage'],
      [200, '[]', 'garbage'],
      [200, '{}', 'garbage'],
      [200, { error: 5 }, 'garbage'],
      [200, { error: null }, 'garbage'],
      [200, stripeError({ type: 'api_error' }), 'garbage'],
      [204, '', 'garbage'],
      [302, '', 'garbage'],
      [400, '<html>', 'garbage'],
      [401, '{}', 'garbage'],
      [404, { error: 'not_found' }, 'garbage'],
      [402, stripeError({ type: 'invalid_request_error', code: 'something_new' }), 'garbage'],
      [402, stripeError({ type: 'card_error' }), 'garbage'],
      [418, stripeError({ type: 'invalid_request_error' }), 'garbage'],
      [424, stripeError({ type: 'api_error' }), 'garbage'],
    ])('after %i with %j', async (status, body, reason) => {
      stub.answer(status, body);
      expect(await provider.capturePayment('pi_1', 'k')).toEqual({
        kind: 'unknown',
        reason,
        retryAfterMs: null,
        replayed: false,
      });
      expect(await provider.listPayments({})).toMatchObject({ kind: 'unknown' });
      expect(stub.requests).toHaveLength(2);
    });

    test('and says when the answer was a replayed one, readable or not', async () => {
      stub.answer(500, '<html>', { 'idempotent-replayed': 'true' });
      expect(await provider.capturePayment('pi_1', 'k')).toMatchObject({
        reason: 'server_error',
        replayed: true,
      });
      stub.answer(200, '{', { 'idempotent-replayed': 'true' });
      expect(await provider.capturePayment('pi_1', 'k')).toMatchObject({ reason: 'garbage', replayed: true });
    });

    test('after a connection that broke, having asked exactly once', async () => {
      stub.answerWith((request) => request.socket.resetAndDestroy());
      expect(await provider.capturePayment('pi_1', 'k')).toMatchObject({
        kind: 'unknown',
        reason: 'connection',
      });
      expect(stub.requests).toHaveLength(1);
    });

    test('after an answer that broke off', async () => {
      stub.answerWith((request, response) => {
        response
          .writeHead(200, { 'content-length': '5000' })
          .write('{"id":"pi_1",', () => request.socket.destroy());
      });
      expect(await provider.capturePayment('pi_1', 'k')).toMatchObject({
        kind: 'unknown',
        reason: 'connection',
      });
      expect(stub.requests).toHaveLength(1);
    });

    test('after the time-out, also when the answer keeps dripping', async () => {
      let dripping: NodeJS.Timeout | undefined;
      stub.answerWith((_request, response) => {
        response.writeHead(200);
        dripping = setInterval(() => response.write(' '), 50);
        response.on('close', () => clearInterval(dripping));
      });
      const started = performance.now();
      expect(await provider.capturePayment('pi_1', 'k')).toMatchObject({
        kind: 'unknown',
        reason: 'timeout',
      });
      expect(performance.now() - started).toBeLessThan(1_000);
    });

    test('when the caller gives up first', async () => {
      stub.answerWith(() => undefined);
      const started = performance.now();
      const answer = await provider.createPayment(order, 'k', AbortSignal.timeout(50));
      expect(answer).toMatchObject({ kind: 'unknown', reason: 'timeout' });
      expect(performance.now() - started).toBeLessThan(250);
    });

    test('when nobody listens', async () => {
      const apiBase = `http://127.0.0.1:${await freePort()}`;
      const nobody = createStripeProvider({ apiBase, secretKey: 'sk_test_x', timeoutMs: 300 });
      expect(await nobody.retrievePayment('pi_1')).toMatchObject({ kind: 'unknown', reason: 'connection' });
    });
  });

  test.each([
    ['2', 2_000],
    ['0', 0],
    ['999999', 3_600_000],
    ['soon', null],
    [new Date(Date.now() - 60_000).toUTCString(), 0],
  ])('reads Retry-After: %s', async (header, retryAfterMs) => {
    stub.answer(429, stripeError({ type: 'invalid_request_error' }), { 'retry-after': header });
    expect(await provider.retrievePayment('pi_1')).toMatchObject({ reason: 'rate_limited', retryAfterMs });
  });

  test('reads a Retry-After that is a date', async () => {
    const header = new Date(Date.now() + 10_000).toUTCString();
    stub.answer(503, '', { 'retry-after': header });
    const answer = await provider.retrievePayment('pi_1');
    const ms = answer.kind === 'unknown' ? answer.retryAfterMs : null;
    expect(ms).toBeGreaterThan(7_000);
    expect(ms).toBeLessThanOrEqual(10_000);
  });

  test.each([
    [400, { type: 'invalid_request_error', code: 'parameter_missing' }, 'parameter_missing'],
    [400, { type: 'idempotency_error' }, 'idempotency_error'],
    [401, { type: 'invalid_request_error' }, 'invalid_request_error'],
    [403, { type: 'invalid_request_error', code: 'more_permissions_required' }, 'more_permissions_required'],
    [404, { type: 'invalid_request_error', code: 'resource_missing' }, 'resource_missing'],
  ])('takes %i %j for our fault', async (status, error, code) => {
    stub.answer(status, stripeError(error));
    expect(await provider.capturePayment('pi_1', 'k')).toEqual({
      kind: 'our_fault',
      status,
      code,
      message: 'm',
      replayed: false,
    });
    expect(await provider.listPayments({})).toMatchObject({ kind: 'our_fault', status, code, message: 'm' });
  });

  test('tells a refusal that was stored with its key from one that is new', async () => {
    stub.answer(400, stripeError({ type: 'invalid_request_error' }), { 'idempotent-replayed': 'true' });
    expect(await provider.capturePayment('pi_1', 'k')).toMatchObject({ kind: 'our_fault', replayed: true });
  });

  test('tells a decline by its most precise code', async () => {
    const payment_intent = intentBody({ status: 'requires_payment_method' });
    stub.answer(
      402,
      stripeError({ type: 'card_error', code: 'card_declined', decline_code: 'lost_card', payment_intent }),
    );
    expect(await provider.confirmPayment('pi_1', 'k')).toMatchObject({
      kind: 'declined',
      code: 'lost_card',
      payment: { id: 'pi_1', status: 'requires_payment_method' },
    });
    stub.answer(402, stripeError({ type: 'card_error', code: 'expired_card' }));
    expect(await provider.confirmPayment('pi_1', 'k')).toEqual({
      kind: 'declined',
      code: 'expired_card',
      payment: null,
    });
  });

  test('tells a wrong state with the payment that came along', async () => {
    const code = 'payment_intent_unexpected_state';
    const payment_intent = intentBody({ status: 'canceled' });
    stub.answer(400, stripeError({ type: 'invalid_request_error', code, payment_intent }));
    expect(await provider.capturePayment('pi_1', 'k')).toMatchObject({
      kind: 'wrong_state',
      payment: { status: 'canceled' },
    });
    stub.answer(400, stripeError({ type: 'invalid_request_error', code }));
    expect(await provider.capturePayment('pi_1', 'k')).toEqual({ kind: 'wrong_state', payment: null });
  });

  test('keeps time and headers of calls apart that run at once', async () => {
    stub.answerWith((request, response) => {
      const replayed = request.url?.includes('pi_replayed') ?? false;
      setTimeout(
        () => response.writeHead(500, replayed ? { 'idempotent-replayed': 'true' } : {}).end(),
        replayed ? 20 : 60,
      );
    });
    const ids = Array.from({ length: 20 }, (_, index) => (index % 2 === 0 ? 'pi_replayed' : 'pi_fresh'));
    const answers = await Promise.all(ids.map((id) => provider.retrievePayment(id)));
    expect(answers.map((answer) => answer.kind === 'unknown' && answer.replayed)).toEqual(
      ids.map((id) => id === 'pi_replayed'),
    );
  });

  describe('looks for the payments of a donation', () => {
    test('by search, with quotes that cannot escape', async () => {
      stub.answer(200, {
        object: 'search_result',
        data: [intentBody({ metadata: { donation_id: "d'x" } })],
        has_more: false,
      });
      const found = await provider.findByDonation("d'x", new Date());
      expect(found).toMatchObject({ kind: 'yes', payments: [{ donationId: "d'x" }], nextCursor: null });
      const query = new URL(stub.requests[0]?.url ?? '', stub.base).searchParams.get('query');
      expect(query).toBe(String.raw`metadata['donation_id']:'d\'x'`);
    });

    test('in the list, page by page and from a little earlier on, when search finds nothing', async () => {
      stub.answerWith((request, response) => {
        const url = new URL(request.url ?? '', stub.base);
        const mine = intentBody({ id: 'pi_mine' });
        const other = intentBody({ id: 'pi_other', metadata: { donation_id: 'other' } });
        const second = url.searchParams.get('starting_after') === 'pi_other';
        const data = url.pathname.endsWith('/search') ? [] : [second ? mine : other];
        response.end(JSON.stringify({ object: 'list', data, has_more: data.length > 0 && !second }));
      });
      const found = await provider.findByDonation('d', new Date(1_800_000_000_000));
      expect(found).toMatchObject({ kind: 'yes', payments: [{ id: 'pi_mine' }] });
      expect(stub.requests).toHaveLength(3);
      expect(stub.requests[1]?.url).toContain('created[gte]=1799999700');
    });

    test('and says unknown, not "none", when the list goes on for ever', async () => {
      const other = intentBody({ metadata: { donation_id: 'other' } });
      stub.answerWith((request, response) => {
        const data = request.url?.includes('/search') ? [] : [other];
        response.end(JSON.stringify({ object: 'list', data, has_more: data.length > 0 }));
      });
      expect(await provider.findByDonation('d', new Date())).toMatchObject({ kind: 'unknown' });
      expect(stub.requests.length).toBeLessThanOrEqual(51);
    });

    test('and says unknown when the list cannot be read', async () => {
      stub.answerWith((request, response) => {
        if (request.url?.includes('/search')) response.end(JSON.stringify({ data: [], has_more: false }));
        else response.writeHead(500).end();
      });
      expect(await provider.findByDonation('d', new Date())).toMatchObject({
        kind: 'unknown',
        reason: 'server_error',
      });
    });
  });

  test.each(['ftp://host', 'https://host/prefix'])('refuses the base %s', (apiBase) => {
    expect(() => createStripeProvider({ apiBase, secretKey: 'sk_test_x', timeoutMs: 300 })).toThrow(
      'API base',
    );
  });
});

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
