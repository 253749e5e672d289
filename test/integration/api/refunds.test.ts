/** `POST /donations/:id/refunds`: who may ask, for how much, and that asking again, or at once, never asks for more. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { startProxy, targetOf, through } from '../../harness/proxy.ts';
import { isolatedDatabases } from '../database/isolated-databases.ts';
import {
  donate,
  donation,
  donationBody,
  newCampaign,
  newKey,
  OPERATOR_TOKEN,
  startGateway,
  type Gateway,
} from './gateway.ts';
import { json, problem, type Answer } from './http-client.ts';
import {
  accepted,
  allRefunds,
  dispute,
  newPayment,
  OPERATOR,
  refund,
  refundsOf,
  type PaymentState,
  type RefundAnswer,
} from './refunding.ts';

const { urls } = isolatedDatabases(['donations', 'payments', 'campaigns']);
let gateway: Gateway;
beforeAll(async () => {
  gateway = await startGateway({ urls });
});
afterAll(async () => {
  await gateway[Symbol.asyncDispose]();
});

function codeOf(answer: Answer): readonly [number, string] {
  return [answer.status, problem(answer).code];
}

describe('a refund', () => {
  test('of part of a donation is accepted, reserved and left for aftercare', async () => {
    const id = await newPayment(gateway.pools.payments);
    const woken = gateway.woken();
    const answer = await refund(gateway, id, newKey(), {
      amount: 700,
      currency: 'USD',
      reason: '  asked by phone ',
    });
    const made = accepted(answer);
    expect(made).toMatchObject({
      donationId: id,
      amount: 700,
      currency: 'USD',
      status: 'pending',
      requestedBy: 'operator:00000000-0000-8000-8000-000000000001',
      reason: 'asked by phone',
    });
    expect(answer.headers['location']).toBe(`/donations/${id}/refunds/${made.id}`);
    expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0);
    expect([answer.headers['cache-control'], answer.headers['idempotent-replayed']]).toEqual([
      'no-store',
      undefined,
    ]);
    expect(await refundsOf(gateway.pools.payments, id)).toEqual({
      amounts: [700],
      commands: 1,
      reserved: 700,
      version: 3,
    });
    expect(gateway.woken()).toBe(woken + 1);
  });

  test('without an amount is of all that is left, also with the currency alone; then nothing is left', async () => {
    for (const body of [{}, { currency: 'USD' }]) {
      const id = await newPayment(gateway.pools.payments);
      accepted(await refund(gateway, id, newKey(), { amount: 700, currency: 'USD' }));
      expect(accepted(await refund(gateway, id, newKey(), body)).amount).toBe(1_800);
      for (const more of [{}, { amount: 1, currency: 'USD' }])
        expect(codeOf(await refund(gateway, id, newKey(), more))).toEqual([422, 'refund_exceeds_captured']);
      expect((await refundsOf(gateway.pools.payments, id)).reserved).toBe(2_500);
    }
  });

  test.each([
    ['JPY', 500],
    ['BHD', 12_345],
    ['EUR', 99_999_999],
    ['USD', 1],
  ])('in %s of %i minor units is taken as written', async (currency, amount) => {
    const id = await newPayment(gateway.pools.payments, { currency, amount });
    expect(accepted(await refund(gateway, id, newKey(), { amount, currency }))).toMatchObject({
      amount,
      currency,
    });
  });

  test('is found by its id and in the list of its donation, whatever the spelling of the ids', async () => {
    const id = await newPayment(gateway.pools.payments);
    const [first, second] = [
      accepted(await refund(gateway, id.toUpperCase(), newKey(), { amount: 100, currency: 'USD' })),
      accepted(await refund(gateway, id.replaceAll('-', '%2D'), newKey(), { amount: 200, currency: 'USD' })),
    ];
    const read = async (path: string): Promise<unknown> => {
      const answer = await gateway.send({ path, headers: [OPERATOR] });
      expect([answer.status, answer.headers['cache-control']]).toEqual([200, 'no-store']);
      return json(answer);
    };
    for (const spelling of [id, id.toUpperCase(), id.replaceAll('-', '%2d')])
      expect(await read(`/donations/${spelling}/refunds`)).toEqual({
        data: [first, second],
        nextCursor: null,
      });
    for (const spelling of [second.id, second.id.toUpperCase(), second.id.replaceAll('-', '%2D')])
      expect(await read(`/donations/${id}/refunds/${spelling}`)).toEqual(second);
  });

  test('that nobody asked for, or of another donation, is not found', async () => {
    const [id, other] = [await newPayment(gateway.pools.payments), await newPayment(gateway.pools.payments)];
    const made = accepted(await refund(gateway, id, newKey()));
    for (const path of [
      `/donations/${other}/refunds/${made.id}`,
      `/donations/${id}/refunds/${randomUUID()}`,
      `/donations/${id}/refunds/${made.id}%00`,
      `/donations/${id}/refunds/constructor`,
      `/donations/${randomUUID()}/refunds`,
      `/donations/${randomUUID()}/refunds/${made.id}`,
      `/donations/${id}%00/refunds`,
      `/donations/x/refunds`,
    ])
      expect(codeOf(await gateway.send({ path, headers: [OPERATOR] })), path).toEqual([404, 'not_found']);
    expect(json(await gateway.send({ path: `/donations/${other}/refunds`, headers: [OPERATOR] }))).toEqual({
      data: [],
      nextCursor: null,
    });
  });
});

describe('guests may not ask', () => {
  let id: string;
  let donorToken: string;
  beforeAll(async () => {
    const campaignId = await newCampaign(gateway);
    ({ id, donorToken } = donation(await donate(gateway, newKey(), donationBody(campaignId))));
  });
  const shown: readonly (readonly [name: string, lines: () => readonly (readonly [string, string])[]])[] = [
    ['nothing', () => []],
    ['an empty header', () => [['Authorization', '']]],
    ['a wrong token', () => [['Authorization', 'Bearer wrong']]],
    ['the donor’s own token', () => [['Authorization', `Bearer ${donorToken}`]]],
    ['the right token under another scheme', () => [['Authorization', `Basic ${OPERATOR_TOKEN}`]]],
    ['the right token and another', () => [OPERATOR, ['Authorization', 'Bearer other']]],
  ];
  test.each(shown)(
    '%s is 401, before anything else is looked at, and stores nothing',
    async (_name, lines) => {
      const key = newKey();
      const before = await allRefunds(gateway.pools.payments);
      const wrong: readonly (readonly [path: string, key: string, body: string])[] = [
        [id, key, '{}'],
        [id, 'short', '{}'],
        [id, key, '{"amount":0}'],
        [id, key, 'no JSON'],
        ['not-an-id', key, '{}'],
        [randomUUID(), key, '{}'],
      ];
      for (const [path, itsKey, body] of wrong) {
        const answer = await refund(gateway, path, itsKey, body, lines());
        expect(codeOf(answer), body).toEqual([401, 'unauthorized']);
        expect(answer.headers['www-authenticate']).toBe('Bearer');
      }
      for (const path of [`/donations/${id}/refunds`, `/donations/${id}/refunds/${randomUUID()}`]) {
        expect((await gateway.send({ path, headers: lines() })).status).toBe(401);
        expect((await gateway.send({ method: 'HEAD', path, headers: lines() })).status).toBe(401);
      }
      expect(await allRefunds(gateway.pools.payments)).toBe(before);
    },
  );

  test('also of a body that is too large or of another type', async () => {
    const path = `/donations/${id}/refunds`;
    const text: readonly [string, string] = ['Content-Type', 'text/plain'];
    expect((await gateway.send({ method: 'POST', path, headers: [text], body: 'x' })).status).toBe(401);
    const large = JSON.stringify({ reason: 'x'.repeat(20_000) });
    expect((await refund(gateway, id, newKey(), large, [])).status).toBe(401);
  });
});

describe('methods', () => {
  test.each([
    ['/refunds', 'GET, HEAD, POST'],
    ['/refunds/11111111-1111-4111-8111-111111111111', 'GET, HEAD'],
  ])('%s says to everybody which there are', async (more, allowed) => {
    for (const method of ['PUT', 'PATCH', 'DELETE']) {
      const answer = await gateway.send({ method, path: `/donations/${randomUUID()}${more}` });
      expect([answer.status, answer.headers['allow']]).toEqual([405, allowed]);
      expect(problem(answer).code).toBe('method_not_allowed');
    }
    const options = await gateway.send({ method: 'OPTIONS', path: `/donations/${randomUUID()}${more}` });
    expect([options.status, options.headers['allow'], options.text]).toEqual([204, allowed, '']);
  });

  test('HEAD answers as GET, without the body', async () => {
    const id = await newPayment(gateway.pools.payments);
    const made = accepted(await refund(gateway, id, newKey()));
    for (const path of [`/donations/${id}/refunds`, `/donations/${id}/refunds/${made.id}`]) {
      const [whole, head] = [
        await gateway.send({ path, headers: [OPERATOR] }),
        await gateway.send({ method: 'HEAD', path, headers: [OPERATOR] }),
      ];
      expect([whole.status, head.status, head.text]).toEqual([200, 200, '']);
      for (const name of ['content-type', 'content-length', 'cache-control'])
        expect(head.headers[name]).toBe(whole.headers[name]);
    }
  });
});

describe('the same key', () => {
  const body = { amount: 900, currency: 'USD', reason: 'changed their mind' };

  test.each([
    ['as it was', JSON.stringify(body)],
    ['in another order', JSON.stringify({ reason: body.reason, currency: 'USD', amount: 900 })],
    ['with white space', JSON.stringify(body, null, 4)],
    ['with escapes', `{"\\u0061mount":900,"currency":"\\u0055SD","reason":"changed their mind"}`],
    ['with blanks around the reason', JSON.stringify({ ...body, reason: ' changed their mind\n' })],
  ])('and JSON %s is the same refund', async (_name, again) => {
    const id = await newPayment(gateway.pools.payments);
    const key = newKey();
    const first = accepted(await refund(gateway, id, key, body));
    const answer = await refund(gateway, id.toUpperCase(), `"${key}"`, again);
    expect([answer.headers['idempotent-replayed'], answer.headers['location']]).toEqual([
      'true',
      `/donations/${id}/refunds/${first.id}`,
    ]);
    expect(accepted(answer)).toEqual(first);
    expect(await refundsOf(gateway.pools.payments, id)).toMatchObject({
      amounts: [900],
      commands: 1,
      reserved: 900,
    });
  });

  test('without an amount is the same refund when nothing is left', async () => {
    const id = await newPayment(gateway.pools.payments);
    const key = newKey();
    const first = accepted(await refund(gateway, id, key, {}));
    const again = await refund(gateway, id, key, {});
    expect([accepted(again), again.headers['idempotent-replayed']]).toEqual([first, 'true']);
  });

  test.each<[name: string, other: Record<string, unknown>]>([
    ['another amount', { ...body, amount: 901 }],
    ['another reason', { ...body, reason: 'other' }],
    ['no reason', { amount: 900, currency: 'USD' }],
    ['no amount', { currency: 'USD', reason: body.reason }],
    ['another currency', { ...body, currency: 'EUR' }],
    ['nothing', {}],
  ])('with %s is 422, which says nothing of the first', async (_name, other) => {
    const id = await newPayment(gateway.pools.payments);
    const key = newKey();
    const first = accepted(await refund(gateway, id, key, body));
    const answer = await refund(gateway, id, key, other);
    expect(codeOf(answer)).toEqual([422, 'idempotency_key_reused']);
    for (const secret of [first.id, String(first.amount), body.reason, 'pending'])
      expect(answer.text).not.toContain(secret);
    expect((await refundsOf(gateway.pools.payments, id)).amounts).toEqual([900]);
  });

  test('for another donation is 422, whether that donation exists or not', async () => {
    const [id, other] = [await newPayment(gateway.pools.payments), await newPayment(gateway.pools.payments)];
    const key = newKey();
    const first = accepted(await refund(gateway, id, key, body));
    for (const another of [other, randomUUID()]) {
      const answer = await refund(gateway, another, key, body);
      expect(codeOf(answer)).toEqual([422, 'idempotency_key_reused']);
      expect(answer.text).not.toContain(first.id);
      expect(answer.text).not.toContain(id);
    }
    expect((await refundsOf(gateway.pools.payments, other)).amounts).toEqual([]);
  });

  test('fifty times at once over two processes is one refund and one command', async () => {
    const second = await startGateway({ urls });
    onTestFinished(() => second[Symbol.asyncDispose]());
    const id = await newPayment(gateway.pools.payments);
    const key = newKey();
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, index) => refund(index % 2 === 0 ? gateway : second, id, key, body)),
    );
    const ids = new Set(answers.map((answer) => accepted(answer).id));
    expect(ids.size).toBe(1);
    expect(answers.filter(({ headers }) => headers['idempotent-replayed'] === undefined)).toHaveLength(1);
    expect(await refundsOf(gateway.pools.payments, id)).toEqual({
      amounts: [900],
      commands: 1,
      reserved: 900,
      version: 3,
    });
  });

  test('at once for twenty donations is a refund of one of them', async () => {
    const donations = await Promise.all(Array.from({ length: 20 }, () => newPayment(gateway.pools.payments)));
    const key = newKey();
    const answers = await Promise.all(donations.map((id) => refund(gateway, id, key, body)));
    expect(answers.filter(({ status }) => status === 202)).toHaveLength(1);
    for (const answer of answers)
      if (answer.status !== 202) expect(codeOf(answer)).toEqual([422, 'idempotency_key_reused']);
    const written = await Promise.all(donations.map((id) => refundsOf(gateway.pools.payments, id)));
    expect(written.flatMap(({ amounts }) => amounts)).toEqual([900]);
  });
});

test.each([
  [20, 200, 12],
  [20, 2_500, 1],
  [2, 1_300, 1],
])(
  '%i refunds of %i at once never reserve more than the 2500 that were captured',
  async (count, amount, fit) => {
    const id = await newPayment(gateway.pools.payments);
    const answers = await Promise.all(
      Array.from({ length: count }, () => refund(gateway, id, newKey(), { amount, currency: 'USD' })),
    );
    const refused = answers.filter(({ status }) => status !== 202);
    expect(refused.map(codeOf)).toEqual(refused.map(() => [422, 'refund_exceeds_captured']));
    expect(answers.length - refused.length).toBe(fit);
    expect(await refundsOf(gateway.pools.payments, id)).toMatchObject({
      commands: fit,
      reserved: fit * amount,
    });
  },
);

describe('is refused with 400, stores nothing, and the same key works afterwards:', () => {
  let id: string;
  beforeEach(async () => {
    id = await newPayment(gateway.pools.payments);
  });
  const usd = { currency: 'USD' };
  test.each<[name: string, body: Record<string, unknown> | string, pointers: readonly string[]]>([
    ['nothing', { ...usd, amount: 0 }, ['/amount']],
    ['a negative amount', { ...usd, amount: -1 }, ['/amount']],
    ['a fraction', { ...usd, amount: 10.5 }, ['/amount']],
    ['a whole number with a fraction of zero', '{"amount":10.0,"currency":"USD"}', ['/amount']],
    ['an exponent', '{"amount":1e3,"currency":"USD"}', ['/amount']],
    ['a text', { ...usd, amount: '100' }, ['/amount']],
    ['null', { ...usd, amount: null }, ['/amount']],
    ['an unsafe integer', '{"amount":9007199254740993,"currency":"USD"}', ['/amount']],
    ['more than any payment', { ...usd, amount: 100_000_000 }, ['/amount']],
    ['an amount without its currency', { amount: 100 }, ['/currency']],
    ['a currency that is none', { amount: 100, currency: 'XXX' }, ['/currency']],
    ['a currency in lower case', { amount: 100, currency: 'usd' }, ['/currency']],
    ['null for a currency', { amount: 100, currency: null }, ['/currency']],
    ['an unknown field', { ...usd, amount: 100, notify: true }, ['/notify']],
    ['a field of another language', { ...usd, amount: 100, __proto__x: 1 }, ['/__proto__x']],
    ['NUL in the reason', { ...usd, amount: 100, reason: 'a\0b' }, ['/reason']],
    ['half a surrogate pair', '{"amount":100,"currency":"USD","reason":"\\ud800"}', ['/reason']],
    ['an empty reason', { ...usd, amount: 100, reason: '  ' }, ['/reason']],
    ['a reason of 501 characters', { ...usd, amount: 100, reason: 'x'.repeat(501) }, ['/reason']],
    ['a reason that is no text', { ...usd, amount: 100, reason: 7 }, ['/reason']],
    ['two wrong fields', { amount: 0, currency: 'XXX' }, ['/amount', '/currency']],
    ['a list', '[]', ['']],
    ['null', 'null', ['']],
    ['a text', '"all"', ['']],
  ])('%s', async (_name, body, pointers) => {
    const key = newKey();
    const answer = await refund(gateway, id, key, body);
    expect(codeOf(answer)).toEqual([400, 'invalid_body']);
    expect((problem(answer).errors ?? []).map(({ pointer }) => pointer).toSorted()).toEqual(pointers);
    await expectUntouched(key);
  });

  test.each([
    ['no JSON', '{'],
    ['nothing at all', ''],
    ['a field twice', '{"amount":1,"amount":100,"currency":"USD"}'],
  ])('%s', async (_name, body) => {
    const key = newKey();
    expect(codeOf(await refund(gateway, id, key, body))).toEqual([400, 'malformed_json']);
    await expectUntouched(key);
  });

  async function expectUntouched(key: string): Promise<void> {
    expect(await refundsOf(gateway.pools.payments, id)).toEqual({
      amounts: [],
      commands: 0,
      reserved: 0,
      version: 2,
    });
    const made = await refund(gateway, id, key, { amount: 100, currency: 'USD' });
    expect([accepted(made).amount, made.headers['idempotent-replayed']]).toEqual([100, undefined]);
  }
});

describe('is refused with 422, stores nothing, and the same key works once that has changed:', () => {
  test.each<PaymentState>(['INITIATED', 'AUTHORIZED', 'FAILED', 'EXPIRED'])(
    'a payment that is %s',
    async (state) => {
      const id = await newPayment(gateway.pools.payments, { state });
      const key = newKey();
      for (const body of [{}, { amount: 100, currency: 'USD' }])
        expect(codeOf(await refund(gateway, id, key, body))).toEqual([422, 'not_refundable']);
      expect(await refundsOf(gateway.pools.payments, id)).toMatchObject({ amounts: [], commands: 0 });
      // The key is still free.
      const captured = await newPayment(gateway.pools.payments);
      expect((await refund(gateway, captured, key)).status).toBe(202);
    },
  );

  test('more than was captured, by one', async () => {
    const id = await newPayment(gateway.pools.payments);
    const key = newKey();
    const answer = await refund(gateway, id, key, { amount: 2_501, currency: 'USD' });
    expect(codeOf(answer)).toEqual([422, 'refund_exceeds_captured']);
    expect(accepted(await refund(gateway, id, key, { amount: 2_500, currency: 'USD' })).amount).toBe(2_500);
  });

  test('another currency than the donation’s', async () => {
    const id = await newPayment(gateway.pools.payments);
    const key = newKey();
    for (const body of [{ amount: 100, currency: 'EUR' }, { currency: 'JPY' }])
      expect(codeOf(await refund(gateway, id, key, body))).toEqual([422, 'currency_mismatch']);
    expect((await refundsOf(gateway.pools.payments, id)).amounts).toEqual([]);
    expect((await refund(gateway, id, key, { amount: 100, currency: 'USD' })).status).toBe(202);
  });

  test.each([100, 2_500])('a payment of which the bank wants %i back', async (amount) => {
    const id = await newPayment(gateway.pools.payments);
    await dispute(gateway.pools.payments, id, { amount, status: 'opened' });
    const key = newKey();
    for (const body of [{}, { amount: 1, currency: 'USD' }])
      expect(codeOf(await refund(gateway, id, key, body))).toEqual([422, 'dispute_open']);
    await dispute(gateway.pools.payments, id, { amount, status: 'won' });
    expect(accepted(await refund(gateway, id, key, {})).amount).toBe(2_500);
  });

  test('what the bank took back for good', async () => {
    const id = await newPayment(gateway.pools.payments);
    await dispute(gateway.pools.payments, id, { amount: 2_000, status: 'lost' });
    const key = newKey();
    expect(codeOf(await refund(gateway, id, key, { amount: 501, currency: 'USD' }))).toEqual([
      422,
      'refund_exceeds_captured',
    ]);
    expect(accepted(await refund(gateway, id, key, {})).amount).toBe(500);
  });
});

describe('a donation that is not there is 404, stores nothing, and the key stays free:', () => {
  test.each([
    ['an unknown id', () => randomUUID()],
    ['no id', () => 'refund-me'],
    ['an id with a NUL', () => `${randomUUID()}%00`],
    ['a percent sign', () => '%'],
  ])('%s', async (_name, spelling) => {
    const key = newKey();
    expect(codeOf(await refund(gateway, spelling(), key))).toEqual([404, 'not_found']);
    const id = await newPayment(gateway.pools.payments);
    expect((await refund(gateway, id, key)).status).toBe(202);
  });
});

describe('while the database is away', () => {
  test.each<[name: string, trouble: 'cut' | 'answers lost']>([
    ['cut off', 'cut'],
    ['it answers and no answer arrives', 'answers lost'],
  ])('%s: 503 with Retry-After; afterwards the same key is one refund', async (_name, trouble) => {
    const proxy = await startProxy(targetOf(urls.payments, 5432));
    onTestFinished(() => proxy[Symbol.asyncDispose]());
    const away = await startGateway({
      urls: { ...urls, payments: through(urls.payments, proxy) },
      statementTimeoutMs: 300,
    });
    onTestFinished(() => away[Symbol.asyncDispose]());
    const id = await newPayment(gateway.pools.payments);
    const key = newKey();
    // A connection is open when the trouble starts.
    accepted(await refund(away, id, newKey(), { amount: 1, currency: 'USD' }));
    if (trouble === 'cut') await proxy.cut();
    else proxy.loseAnswers();
    const path = `/donations/${id}/refunds`;
    const [asked, listed] = await Promise.all([
      refund(away, id, key, { amount: 100, currency: 'USD' }),
      away.send({ path, headers: [OPERATOR] }),
    ]);
    for (const answer of [asked, listed]) {
      expect(codeOf(answer)).toEqual([503, 'database_unavailable']);
      expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0);
    }
    await proxy.heal();
    const made = accepted(await refund(away, id, key, { amount: 100, currency: 'USD' }));
    const again = await refund(gateway, id, key, { amount: 100, currency: 'USD' });
    expect([(json(again) as RefundAnswer).id, again.headers['idempotent-replayed']]).toEqual([
      made.id,
      'true',
    ]);
    expect((await refundsOf(gateway.pools.payments, id)).amounts).toEqual([1, 100]);
  });
});
