/** `POST /webhooks/stripe`: exact bytes, every active secret, five minutes both ways, one row per event. */
import { createHmac, randomUUID } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { isolatedDatabases } from '../database/isolated-databases.ts';
import { NEXT_WEBHOOK_SECRET, startGateway, WEBHOOK_SECRET, type Gateway } from './gateway.ts';
import { json, problem, sendBytes, sendForAll, type Answer } from './http-client.ts';

const { urls } = isolatedDatabases(['donations', 'payments', 'campaigns']);
let gateway: Gateway;
let second: Gateway;
beforeAll(async () => {
  gateway = await startGateway({ urls });
  second = await startGateway({ urls });
});
afterAll(async () => {
  await gateway[Symbol.asyncDispose]();
  await second[Symbol.asyncDispose]();
});

// Only the date stands still: "301 s ago" must not become 300 on a slow machine, nor "in 301 s".
const NOW = 1_790_000_000;
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['Date'], now: NOW * 1_000 });
});
afterEach(() => {
  vi.useRealTimers();
});

function newEvent(fields: Record<string, unknown> = {}): { id: string; body: string } {
  const id = `evt_${randomUUID().replaceAll('-', '')}`;
  const object = { object: 'payment_intent', id: `pi_${id.slice(4)}`, amount: 2500, currency: 'usd' };
  const event = {
    object: 'event',
    type: 'payment_intent.succeeded',
    created: NOW,
    livemode: false,
    data: { object },
    ...fields,
    id,
  };
  return { id, body: JSON.stringify(event) };
}

function v1(body: string | Buffer, secret = WEBHOOK_SECRET, at = NOW): string {
  return createHmac('sha256', secret).update(`${at}.`).update(body).digest('hex');
}

function signed(body: string | Buffer, secret = WEBHOOK_SECRET, at = NOW): string {
  return `t=${at},v1=${v1(body, secret, at)}`;
}

function post(
  body: string | Buffer,
  signatures: readonly string[],
  more: readonly (readonly [string, string])[] = [['Content-Type', 'application/json; charset=utf-8']],
  to: Gateway = gateway,
): Promise<Answer> {
  return to.send({
    method: 'POST',
    path: '/webhooks/stripe',
    headers: [...more, ...signatures.map((value) => ['Stripe-Signature', value] as const)],
    body,
  });
}

type StoredEvent = {
  readonly type: string;
  readonly object_id: string;
  readonly donation_id: string | null;
  readonly payload: string;
};

async function stored(id: string): Promise<StoredEvent[]> {
  const { rows } = await gateway.pools.payments.query<StoredEvent>(
    'SELECT type, object_id, donation_id, payload FROM webhook_events WHERE event_id = $1',
    [id],
  );
  return rows;
}

async function expectStored(answer: Answer, id: string): Promise<StoredEvent> {
  expect([answer.status, json(answer)]).toEqual([200, { received: true }]);
  const rows = await stored(id);
  expect(rows).toHaveLength(1);
  return rows[0] as StoredEvent;
}

async function expectRefused(
  answer: Answer,
  id: string,
  status = 400,
  code = 'invalid_signature',
): Promise<void> {
  expect([answer.status, problem(answer).code]).toEqual([status, code]);
  expect(await stored(id)).toEqual([]);
}

describe('an event is stored, with the exact text that was signed', () => {
  test.each([
    '"__proto__":{"polluted":true}',
    '"\\u005f_proto__":{"polluted":true}',
    '"constructor":{"prototype":{"polluted":true}}',
    '"prototype":{"polluted":true}',
  ])('also one that holds %s, anywhere, and is no way to the prototype of anything', async (power) => {
    for (const place of ['{"object":"event"', '"data":{', '"object":{']) {
      const { id, body } = newEvent();
      const armed = place.startsWith('{')
        ? body.replace('{', `{${power},`)
        : body.replace(place, `${place}${power},`);
      expect(armed).toContain(power);
      await expectStored(await post(armed, [signed(armed)]), id);
    }
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
    expect(Object.getOwnPropertyNames(Object.prototype)).not.toContain('polluted');
  });

  test('when the signature fits', async () => {
    const donationId = randomUUID();
    const { id, body } = newEvent({
      data: { object: { object: 'payment_intent', id: 'pi_fits', metadata: { donation_id: donationId } } },
    });
    const spaced = body.replace('{', '{ ').replaceAll(',', ',\n  ');
    const row = await expectStored(await post(spaced, [signed(spaced)]), id);
    expect(row).toEqual({
      type: 'payment_intent.succeeded',
      object_id: 'pi_fits',
      donation_id: donationId,
      payload: spaced,
    });
    expect(gateway.woken()).toBeGreaterThan(0);
  });

  test('but for the client secret, with which a browser could complete the payment', async () => {
    const secret = 'pi_told_secret_x\\"y';
    const object = {
      object: 'payment_intent',
      id: 'pi_told',
      client_secret: secret,
      description: 'the "client_secret": "is kept back"',
      charges: { data: [{ client_secret: null }, { client_secret: secret }] },
    };
    const { id, body } = newEvent({ data: { object } });
    const spaced = body.replaceAll('"client_secret":', '"client_secret"\n:  ');
    const row = await expectStored(await post(spaced, [signed(spaced)]), id);
    expect(row.payload).not.toContain('pi_told_secret');
    expect(row.payload).toBe(spaced.replaceAll(JSON.stringify(secret), 'null'));
    expect(JSON.parse(row.payload)).toMatchObject({
      data: { object: { client_secret: null, description: object.description } },
    });
  });

  test.each([
    ['the second secret during a rotation', (body: string) => signed(body, NEXT_WEBHOOK_SECRET)],
    [
      'two v1 signatures, the first of a secret that is gone',
      (body: string) => `t=${NOW},v1=${v1(body, 'whsec_gone')},v1=${v1(body)}`,
    ],
    [
      'two v1 signatures, the second of a secret that is gone',
      (body: string) => `t=${NOW},v1=${v1(body)},v1=${v1(body, 'whsec_gone')}`,
    ],
    [
      'a signature of another scheme beside it',
      (body: string) => `t=${NOW},v1=${v1(body)},v0=${'0'.repeat(64)}`,
    ],
    ['299 s ago', (body: string) => signed(body, WEBHOOK_SECRET, NOW - 299)],
    ['300 s ago', (body: string) => signed(body, WEBHOOK_SECRET, NOW - 300)],
    ['in 299 s', (body: string) => signed(body, WEBHOOK_SECRET, NOW + 299)],
    ['in 300 s', (body: string) => signed(body, WEBHOOK_SECRET, NOW + 300)],
  ])('when signed by %s', async (_name, sign) => {
    const { id, body } = newEvent();
    await expectStored(await post(body, [sign(body)]), id);
  });

  test('when its type is one we do not know', async () => {
    const { id, body } = newEvent({ type: 'treasury.surprise.created' });
    expect(await expectStored(await post(body, [signed(body)]), id)).toMatchObject({
      type: 'treasury.surprise.created',
    });
  });

  test('when its payment is one we do not know, to be matched later', async () => {
    const { id, body } = newEvent({
      data: { object: { object: 'charge', id: 'ch_1', payment_intent: 'pi_nobodys' } },
    });
    expect(await expectStored(await post(body, [signed(body)]), id)).toMatchObject({
      object_id: 'pi_nobodys',
      donation_id: null,
    });
  });

  test('when its object has no id, and metadata of any kind', async () => {
    const { id, body } = newEvent({
      data: { object: { object: 'balance', metadata: { donation_id: 'not-ours' } } },
    });
    expect(await expectStored(await post(body, [signed(body)]), id)).toMatchObject({
      object_id: '',
      donation_id: null,
    });
  });

  test.each([
    ['a NUL', 'pi_\u0000'],
    [
      'ten thousand characters that do not compress',
      Array.from({ length: 300 }, () => randomUUID()).join(''),
    ],
  ])('when it names a payment with %s, and its neighbours too', async (_name, paymentIntent) => {
    const odd = newEvent({
      data: { object: { object: 'charge', id: 'ch_odd', payment_intent: paymentIntent } },
    });
    const neighbours = Array.from({ length: 20 }, () => newEvent());
    const all = [...neighbours.slice(0, 10), odd, ...neighbours.slice(10)];
    const answers = await Promise.all(all.map(({ body }) => post(body, [signed(body)])));
    expect(answers.map(({ status }) => status)).toEqual(all.map(() => 200));
    expect(await stored(odd.id)).toMatchObject([{ object_id: 'ch_odd' }]);
  });

  test('whatever content type it claims', async () => {
    for (const headers of [[], [['Content-Type', 'text/plain']]] as const) {
      const { id, body } = newEvent();
      await expectStored(await post(body, [signed(body)], headers), id);
    }
  });

  test('up to 256 kB', async () => {
    const { id, body } = newEvent();
    const padded = body.padEnd(262_144, ' ');
    await expectStored(await post(padded, [signed(padded)]), id);
  });
});

/** As it travels; `lines` say how long it is. */
function wire(requestLine: string, lines: readonly string[], body: string | Buffer): Buffer {
  const head = [requestLine, 'Host: localhost', ...lines].join('\r\n');
  return Buffer.concat([Buffer.from(`${head}\r\n\r\n`), Buffer.from(body)]);
}

/** In pieces of `size` bytes, which cut letters apart. */
function inChunks(body: string, size: number): Buffer {
  const content = Buffer.from(body);
  const pieces = Array.from({ length: Math.ceil(content.length / size) }, (_, index) => {
    const piece = content.subarray(index * size, (index + 1) * size);
    return Buffer.concat([Buffer.from(`${piece.length.toString(16)}\r\n`), piece, Buffer.from('\r\n')]);
  });
  return Buffer.concat([...pieces, Buffer.from('0\r\n\r\n')]);
}

describe('an event is stored once, however its bytes are sent', () => {
  const ROUTE = 'POST /webhooks/stripe';
  const CLOSE = 'Connection: close';
  const length = (body: string): string => `Content-Length: ${Buffer.byteLength(body)}`;
  const ways: readonly (readonly [name: string, request: (body: string, signature: string) => Buffer])[] = [
    [
      'as HTTP/1.0',
      (body, signature) => wire(`${ROUTE} HTTP/1.0`, [`Stripe-Signature: ${signature}`, length(body)], body),
    ],
    [
      'in chunks',
      (body, signature) =>
        wire(
          `${ROUTE} HTTP/1.1`,
          [`Stripe-Signature: ${signature}`, 'Transfer-Encoding: chunked', CLOSE],
          inChunks(body, 7),
        ),
    ],
    [
      'with the header’s name in lower case',
      (body, signature) =>
        wire(`${ROUTE} HTTP/1.1`, [`stripe-signature:${signature}`, length(body), CLOSE], body),
    ],
    [
      'with the header’s name in upper case and blanks between its items',
      (body, signature) =>
        wire(
          `${ROUTE} HTTP/1.1`,
          [`STRIPE-SIGNATURE:  ${signature.replaceAll(',', ' , ')} `, length(body), CLOSE],
          body,
        ),
    ],
    [
      'with an absolute address',
      (body, signature) =>
        wire(
          'POST http://elsewhere.example/webhooks/stripe HTTP/1.1',
          [`Stripe-Signature: ${signature}`, length(body), CLOSE],
          body,
        ),
    ],
    [
      'with a slash at the end and a query',
      (body, signature) =>
        wire(
          `${ROUTE}/?source=stripe HTTP/1.1`,
          [`Stripe-Signature: ${signature}`, length(body), CLOSE],
          body,
        ),
    ],
    [
      'with the encoding that is none',
      (body, signature) =>
        wire(
          `${ROUTE} HTTP/1.1`,
          [`Stripe-Signature: ${signature}`, 'Content-Encoding: identity', length(body), CLOSE],
          body,
        ),
    ],
  ];
  test.each(ways)('%s', async (_name, request) => {
    const { id, body } = newEvent({ note: 'Zoë gave 5 € \u{1F389}', type: 'payment_intent.succeeded' });
    const row = await expectStored(await sendBytes(gateway.port, request(body, signed(body))), id);
    expect(row.payload).toBe(body);
    await expectStored(await post(body, [signed(body)], undefined, second), id);
  });

  test('by a sender that waits to be told to go on', async () => {
    const { id, body } = newEvent();
    const [interim, answer] = await sendForAll(
      gateway.port,
      wire(
        `${ROUTE} HTTP/1.1`,
        [`Stripe-Signature: ${signed(body)}`, length(body), CLOSE, 'Expect: 100-continue'],
        body,
      ),
    );
    expect(interim?.status).toBe(100);
    await expectStored(answer as Answer, id);
  });

  test('by a sender that does not wait for answers', async () => {
    const [first, next] = [newEvent(), newEvent()];
    const request = ({ body }: { body: string }, more: readonly string[] = []): Buffer =>
      wire(`${ROUTE} HTTP/1.1`, [`Stripe-Signature: ${signed(body)}`, length(body), ...more], body);
    const answers = await sendForAll(
      gateway.port,
      Buffer.concat([request(first), request(next), request(first, [CLOSE])]),
    );
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
    for (const { id } of [first, next]) expect(await stored(id)).toHaveLength(1);
  });

  test('but not without a length when it is 300 kB', async () => {
    const { id, body } = newEvent();
    const padded = body.padEnd(300_000, ' ');
    const answer = await sendBytes(
      gateway.port,
      wire(
        `${ROUTE} HTTP/1.1`,
        [`Stripe-Signature: ${signed(padded)}`, 'Transfer-Encoding: chunked', CLOSE],
        inChunks(padded, 8_192),
      ),
    );
    await expectRefused(answer, id, 413, 'body_too_large');
  });
});

describe('an event is refused and nothing is stored', () => {
  test.each([
    ['another secret', (body: string) => [signed(body, 'whsec_other')]],
    ['the signature of another body', () => [signed('{}')]],
    ['301 s ago', (body: string) => [signed(body, WEBHOOK_SECRET, NOW - 301)]],
    ['in 301 s', (body: string) => [signed(body, WEBHOOK_SECRET, NOW + 301)]],
    ['a time that was not signed', (body: string) => [`t=${NOW + 1},v1=${v1(body)}`]],
    ['two times', (body: string) => [`t=${NOW - 9_999},t=${NOW},v1=${v1(body)}`]],
    ['no header', () => []],
    ['an empty header', () => ['']],
    ['no time', (body: string) => [`v1=${v1(body)}`]],
    ['no v1', (body: string) => [`t=${NOW},v0=${v1(body)}`]],
    ['half a signature', (body: string) => [`t=${NOW},v1=${v1(body).slice(0, 32)}`]],
    ['an empty signature', () => [`t=${NOW},v1=`]],
    ['upper case', (body: string) => [`t=${NOW},v1=${v1(body).toUpperCase()}`]],
    ['nonsense', () => ['\u00ff=;,,,=']],
    ['the header twice', (body: string) => [signed(body), signed(body)]],
    ['the header twice, a wrong one first', (body: string) => [signed(body, 'whsec_other'), signed(body)]],
  ])('when signed by %s', async (_name, sign) => {
    const { id, body } = newEvent();
    await expectRefused(await post(body, sign(body)), id);
  });

  test('when one byte was altered', async () => {
    const { id, body } = newEvent();
    const altered = body.replace('2500', '9500');
    await expectRefused(await post(altered, [signed(body)]), id);
    await expectRefused(await post(`${body}\n`, [signed(body)]), id);
    await expectRefused(await post(body.slice(0, -1), [signed(body)]), id);
  });

  test('when the JSON was written again', async () => {
    const { id, body } = newEvent();
    const spaced = body.replace('{', '{ ');
    await expectRefused(await post(JSON.stringify(JSON.parse(spaced)), [signed(spaced)]), id);
  });

  test('when a byte order mark stands before it, signed or not', async () => {
    const { id, body } = newEvent();
    const marked = `\uFEFF${body}`;
    await expectRefused(await post(marked, [signed(body)]), id);
    await expectRefused(await post(marked, [signed(marked)]), id);
  });

  test('when bytes that are no UTF-8 were replaced, although both decode to the same text', async () => {
    const { id, body } = newEvent({ note: '\uFFFD' });
    const [before = '', after = ''] = body.split('\uFFFD');
    const broken = Buffer.concat([Buffer.from(before), Buffer.from([0xff]), Buffer.from(after)]);
    await expectRefused(await post(broken, [signed(body)]), id);
    await expectRefused(await post(broken, [signed(broken)]), id);
  });

  test('when two signatures were joined into one header, as a proxy does', async () => {
    const { id, body } = newEvent();
    await expectRefused(await post(body, [`${signed(body)}, ${signed(body)}`]), id);
  });

  test('and a correct one of the same event is taken afterwards', async () => {
    const { id, body } = newEvent();
    await expectRefused(await post(body, [signed(body, 'whsec_other')]), id);
    await expectRefused(await post(body, []), id);
    await expectStored(await post(body, [signed(body)]), id);
  });

  test('when the bytes are compressed', async () => {
    const { id, body } = newEvent();
    const zipped = gzipSync(body);
    for (const signature of [signed(body), signed(zipped)]) {
      const answer = await post(zipped, [signature], [['Content-Encoding', 'gzip']]);
      await expectRefused(answer, id, 415, 'unsupported_media_type');
    }
  });

  test.each([
    ['no JSON', 'not json'],
    ['no event', '{"object":"charge","id":"evt_no"}'],
    ['an id with a NUL', newEvent().body.replace('"evt_', String.raw`"evt_\u0000`)],
    ['an id that is no text', newEvent().body.replace(/"id":"evt_[^"]*"/, '"id":5')],
    ['nothing', ''],
    ['null', 'null'],
  ])('when what was signed is %s', async (_name, body) => {
    const before = await count();
    const answer = await post(body, [signed(body)]);
    expect([answer.status, problem(answer).code]).toEqual([400, 'invalid_signature']);
    expect(await count()).toBe(before);
  });

  test('when it is one byte larger than 256 kB, or 300 kB', async () => {
    for (const bytes of [262_145, 300_000]) {
      const { id, body } = newEvent();
      const padded = body.padEnd(bytes, ' ');
      await expectRefused(await post(padded, [signed(padded)]), id, 413, 'body_too_large');
    }
  });
});

async function count(): Promise<number> {
  const { rows } = await gateway.pools.payments.query<{ count: number }>(
    'SELECT count(*) AS count FROM webhook_events',
  );
  return rows[0]?.count ?? -1;
}

test('one event a thousand times at once over two processes is one row, and every answer is 200', async () => {
  const { id, body } = newEvent();
  const signature = signed(body);
  const answers = await Promise.all(
    Array.from({ length: 1_000 }, (_, index) =>
      post(body, [signature], undefined, index % 2 === 0 ? gateway : second),
    ),
  );
  expect(new Set(answers.map(({ status, text }) => `${status} ${text}`))).toEqual(
    new Set(['200 {"received":true}']),
  );
  expect(await stored(id)).toHaveLength(1);
});

test('a repetition with another text changes nothing: the first one stands', async () => {
  const { id, body } = newEvent();
  await expectStored(await post(body, [signed(body)]), id);
  const other = body.replace('2500', '9500');
  const row = await expectStored(await post(other, [signed(other)]), id);
  expect(row.payload).toBe(body);
});

test('many events, each several times and in any order, over two processes neither mix nor deadlock', async () => {
  const events = Array.from({ length: 60 }, () => newEvent());
  const before = await count();
  const answers = await Promise.all(
    Array.from({ length: 4 }, (_, turn) =>
      (turn % 2 === 0 ? events : events.toReversed()).map(({ body }) =>
        post(body, [signed(body)], undefined, turn < 2 ? gateway : second),
      ),
    ).flat(),
  );
  expect(answers.every(({ status }) => status === 200)).toBe(true);
  expect(await count()).toBe(before + events.length);
});
