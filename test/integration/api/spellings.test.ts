/** One request in the many ways in which clients and proxies may send it: always the same donation, or refused. */
import { deflateSync, gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { isolatedDatabases } from '../database/isolated-databases.ts';
import {
  allRows,
  closeCampaign,
  donate,
  donation,
  donationBody,
  newCampaign,
  newKey,
  OPERATOR_TOKEN,
  rowsOf,
  startGateway,
  type DonationAnswer,
  type Gateway,
} from './gateway.ts';
import { json, problem, sendBytes, sendForAll, type Answer } from './http-client.ts';

const { urls } = isolatedDatabases(['donations', 'payments', 'campaigns']);
let gateway: Gateway;
let campaignId: string;
let body: string;
beforeAll(async () => {
  gateway = await startGateway({ urls });
  campaignId = await newCampaign(gateway);
  body = JSON.stringify(donationBody(campaignId, { donor: { name: 'Zoë' } }));
});
afterAll(async () => {
  await gateway[Symbol.asyncDispose]();
});

const TYPE = 'Content-Type: application/json';

function keyLine(key: string): string {
  return `Idempotency-Key: ${key}`;
}

/** A request as it travels, its length added. */
function bytes(requestLine: string, lines: readonly string[], content: string | Uint8Array): Buffer {
  const head = [requestLine, 'Host: localhost', `Content-Length: ${Buffer.byteLength(content)}`, ...lines];
  return Buffer.concat([Buffer.from(`${head.join('\r\n')}\r\n\r\n`), Buffer.from(content)]);
}

/** The body in pieces of seven bytes, which cut its letters apart. */
function chunked(requestLine: string, lines: readonly string[], trailers: readonly string[] = []): Buffer {
  const content = Buffer.from(body);
  const pieces = Array.from({ length: Math.ceil(content.length / 7) }, (_, index) => {
    const piece = content.subarray(index * 7, index * 7 + 7);
    return Buffer.concat([Buffer.from(`${piece.length.toString(16)};a="b"\r\n`), piece, Buffer.from('\r\n')]);
  });
  const head = [requestLine, 'Host: localhost', 'Transfer-Encoding: chunked', ...lines].join('\r\n');
  const end = ['0', ...trailers, '', ''].join('\r\n');
  return Buffer.concat([Buffer.from(`${head}\r\n\r\n`), ...pieces, Buffer.from(end)]);
}

const CLOSE = 'Connection: close';

describe('a donation is the same one', () => {
  const post = 'POST /donate HTTP/1.1';
  const ways: readonly (readonly [name: string, request: (key: string) => Buffer])[] = [
    ['as HTTP/1.0', (key) => bytes('POST /donate HTTP/1.0', [TYPE, keyLine(key)], body)],
    ['in chunks', (key) => chunked(post, [TYPE, keyLine(key), CLOSE])],
    [
      'in chunks with another key behind them, where no header can be',
      (key) => chunked(post, [TYPE, keyLine(key), CLOSE, 'Trailer: Idempotency-Key'], [keyLine(newKey())]),
    ],
    [
      'with an absolute address of any host',
      (key) => bytes('POST http://elsewhere.example/donate HTTP/1.1', [TYPE, keyLine(key), CLOSE], body),
    ],
    [
      'with header names in lower case',
      (key) => bytes(post, [TYPE.toLowerCase(), `idempotency-key: ${key}`, CLOSE], body),
    ],
    [
      'with header names in upper case and values between tabs',
      (key) => bytes(post, ['CONTENT-TYPE:\tapplication/json', `IDEMPOTENCY-KEY:\t ${key}\t`, CLOSE], body),
    ],
    ['with a slash at the end', (key) => bytes('POST /donate/ HTTP/1.1', [TYPE, keyLine(key), CLOSE], body)],
    [
      'with a query, which says nothing',
      (key) => bytes('POST /donate?amount=1&Idempotency-Key=x HTTP/1.1', [TYPE, keyLine(key), CLOSE], body),
    ],
    ['as gzip', (key) => bytes(post, [TYPE, keyLine(key), CLOSE, 'Content-Encoding: gzip'], gzipSync(body))],
    [
      'as deflate',
      (key) => bytes(post, [TYPE, keyLine(key), CLOSE, 'Content-Encoding: DEFLATE'], deflateSync(body)),
    ],
    [
      'with hints for another method, host and path',
      (key) =>
        bytes(
          post,
          [
            TYPE,
            keyLine(key),
            CLOSE,
            'X-HTTP-Method-Override: DELETE',
            'X-Forwarded-Host: elsewhere.example',
            'X-Forwarded-Prefix: /elsewhere',
            'X-Original-URL: /campaigns',
          ],
          body,
        ),
    ],
  ];
  test.each(ways)('%s', async (_name, request) => {
    const key = newKey();
    const odd = await sendBytes(gateway.port, request(key));
    const plain = await donate(gateway, key, body);
    expect([odd.status, odd.headers['idempotent-replayed']]).toEqual([202, undefined]);
    expect([plain.status, plain.headers['idempotent-replayed']]).toEqual([202, 'true']);
    expect(json(odd)).toEqual(json(plain));
    // A reference without a host: right behind every proxy, and nothing of the request comes back in it.
    expect(odd.headers['location']).toBe(`/donations/${donation(plain).id}`);
    expect(await rowsOf(gateway.pools.donations, key)).toBe(1);
  });

  test('by a client that waits to be told to go on', async () => {
    const key = newKey();
    const request = bytes('POST /donate HTTP/1.1', [TYPE, keyLine(key), CLOSE, 'Expect: 100-continue'], body);
    const [interim, answer] = await sendForAll(gateway.port, request);
    expect([interim?.status, answer?.status]).toEqual([100, 202]);
    expect((await donate(gateway, key, body)).headers['idempotent-replayed']).toBe('true');
    expect(await rowsOf(gateway.pools.donations, key)).toBe(1);
  });

  test('by a client that does not wait for answers: they come in order, and one key is one donation', async () => {
    const [key, other] = [newKey(), newKey()];
    const request = (its: string, more: readonly string[] = []): Buffer =>
      bytes('POST /donate HTTP/1.1', [TYPE, keyLine(its), ...more], body);
    const answers = await sendForAll(
      gateway.port,
      Buffer.concat([request(key), request(other), request(key), request(key, [CLOSE])]),
    );
    expect(answers.map(({ status }) => status)).toEqual([202, 202, 202, 202]);
    const [first, second, third, fourth] = answers.map((answer) => donation(answer).id);
    expect([third, fourth]).toEqual([first, first]);
    expect(second).not.toBe(first);
    expect([
      await rowsOf(gateway.pools.donations, key),
      await rowsOf(gateway.pools.donations, other),
    ]).toEqual([1, 1]);
  });

  test('at the address that its answer names', async () => {
    const answer = await donate(gateway, newKey(), body);
    const path = answer.headers['location'] ?? '';
    const { id, donorToken } = donation(answer);
    const found = await gateway.send({ path, headers: [['Authorization', `Bearer ${donorToken}`]] });
    expect([found.status, (json(found) as DonationAnswer).id]).toEqual([200, id]);
  });
});

describe('a key that stands anywhere but in its one header is none, and nothing is stored', () => {
  const post = 'POST /donate HTTP/1.1';
  const places: readonly (readonly [name: string, request: (key: string) => Buffer, code: string])[] = [
    [
      'behind the body',
      (key) => chunked(post, [TYPE, CLOSE, 'Trailer: Idempotency-Key'], [keyLine(key)]),
      'idempotency_key_missing',
    ],
    [
      'in the query',
      (key) => bytes(`POST /donate?Idempotency-Key=${key} HTTP/1.1`, [TYPE, CLOSE], body),
      'idempotency_key_missing',
    ],
    [
      'under a name with an underscore',
      (key) => bytes(post, [TYPE, CLOSE, `Idempotency_Key: ${key}`], body),
      'idempotency_key_missing',
    ],
    [
      'under an older name',
      (key) => bytes(post, [TYPE, CLOSE, `X-Idempotency-Key: ${key}`], body),
      'idempotency_key_missing',
    ],
    [
      'twice in one header, as a proxy joins two',
      (key) => bytes(post, [TYPE, CLOSE, `${keyLine(key)}, ${key}`], body),
      'idempotency_key_invalid',
    ],
    [
      'three times',
      (key) => bytes(post, [TYPE, CLOSE, keyLine(key), `idempotency-key: ${key}`, keyLine(key)], body),
      'idempotency_key_repeated',
    ],
    [
      'once and once empty',
      (key) => bytes(post, [TYPE, CLOSE, keyLine(key), 'Idempotency-Key:'], body),
      'idempotency_key_repeated',
    ],
  ];
  test.each(places)('%s', async (_name, request, code) => {
    const before = await allRows(gateway.pools.donations);
    const answer = await sendBytes(gateway.port, request(newKey()));
    expect([answer.status, problem(answer).code]).toEqual([400, code]);
    expect(await allRows(gateway.pools.donations)).toBe(before);
  });

  test('before anything is looked up: a bad key with an unknown campaign is a bad key', async () => {
    const unknown = donationBody('11111111-1111-4111-8111-111111111111');
    expect(problem(await donate(gateway, 'short', unknown)).code).toBe('idempotency_key_invalid');
  });
});

describe('whoever shows a token with a donation is never taken for a guest', () => {
  let made: DonationAnswer;
  beforeAll(async () => {
    made = donation(await donate(gateway, newKey(), body));
  });
  test.each<[name: string, lines: () => readonly string[]]>([
    ['an empty one', () => ['Authorization:']],
    ['no token', () => ['Authorization: Bearer']],
    ['another scheme', () => ['Authorization: Basic YWRhOmFkYQ==']],
    ['one that nobody gave', () => ['Authorization: Bearer abc.def.ghi']],
    ['the token of a donation', () => [`Authorization: Bearer ${made.donorToken}`]],
    ['two', () => ['Authorization: Bearer a', 'authorization: Bearer b']],
  ])('%s is 401, nothing is stored, and the key is free', async (_name, lines) => {
    const key = newKey();
    const answer = await sendBytes(
      gateway.port,
      bytes('POST /donate HTTP/1.1', [TYPE, keyLine(key), CLOSE, ...lines()], body),
    );
    expect([answer.status, problem(answer).code]).toEqual([401, 'unauthorized']);
    expect(await rowsOf(gateway.pools.donations, key)).toBe(0);
    expect((await donate(gateway, key, body)).headers['idempotent-replayed']).toBeUndefined();
  });
});

describe('a donation that is read', () => {
  let made: DonationAnswer;
  beforeAll(async () => {
    made = donation(await donate(gateway, newKey(), body));
  });

  const read = (id: string, authorizations: readonly string[], method = 'GET', more = ''): Promise<Answer> =>
    gateway.send({
      method,
      path: `/donations/${id}${more}`,
      headers: authorizations.map((value) => ['Authorization', value] as const),
    });

  test.each<[name: string, spelling: (id: string) => string]>([
    ['percent-encoded', (id) => id.replaceAll('-', '%2D')],
    [
      'percent-encoded throughout',
      (id) =>
        id
          .split('')
          .map((it) => `%${it.charCodeAt(0).toString(16)}`)
          .join(''),
    ],
    ['in upper case', (id) => id.toUpperCase()],
    ['with a slash behind it', (id) => `${id}/`],
    ['with a query', (id) => `${id}?id=${campaignId}`],
  ])('is found by its id %s', async (_name, spelling) => {
    const answer = await read(spelling(made.id), [`Bearer ${made.donorToken}`]);
    expect([answer.status, (json(answer) as DonationAnswer).id]).toEqual([200, made.id]);
  });

  test.each<[name: string, spelling: (id: string) => string]>([
    ['without hyphens', (id) => id.replaceAll('-', '')],
    ['in braces', (id) => `%7B${id}%7D`],
    ['as a URN', (id) => `urn:uuid:${id}`],
    ['with a blank', (id) => `${id}%20`],
    ['with a NUL', (id) => `${id}%00`],
    ['with a line feed', (id) => `${id}%0A`],
    ['percent-encoded twice', (id) => id.replaceAll('-', '%252D')],
    ['in wide letters', (id) => `${id.slice(0, -1)}%EF%BC%91`],
  ])('is not found by its id %s', async (_name, spelling) => {
    const answer = await read(spelling(made.id), [`Bearer ${made.donorToken}`]);
    expect([answer.status, problem(answer).code]).toEqual([404, 'not_found']);
  });

  test.each<[name: string, authorizations: (token: string) => readonly string[]]>([
    ['no token', () => ['Bearer']],
    ['an empty header', () => ['']],
    ['another scheme', (token) => [`Basic ${token}`]],
    ['the token without a scheme', (token) => [token]],
    ['two tokens in one header', (token) => [`Bearer ${token}, Bearer ${token}`]],
    ['two headers, the right one first', (token) => [`Bearer ${token}`, 'Bearer other']],
    ['two headers, the right one last', (token) => ['Bearer other', `Bearer ${token}`]],
    ['the right header twice', (token) => [`Bearer ${token}`, `Bearer ${token}`]],
    ['a token of 8000 characters', () => [`Bearer ${'a'.repeat(8_000)}`]],
  ])('does not exist for whoever shows %s, by any method', async (_name, authorizations) => {
    const shown = authorizations(made.donorToken);
    const answer = await read(made.id, shown);
    expect([answer.status, problem(answer).code]).toEqual([404, 'not_found']);
    expect((await read(made.id, shown, 'HEAD')).status).toBe(404);
    expect((await read(made.id, shown, 'GET', '/events')).status).toBe(404);
  });

  test('costs a stranger no look-up, so that nobody can measure whether it is there', async () => {
    const { donations } = gateway.pools;
    const query = donations.query.bind(donations);
    let queries = 0;
    vi.spyOn(donations, 'query').mockImplementation((...args: Parameters<typeof query>) => {
      queries += 1;
      return query(...args);
    });
    onTestFinished(() => void vi.restoreAllMocks());
    for (const id of [made.id, campaignId]) await read(id, ['Bearer wrong']);
    expect(queries).toBe(0);
    await read(made.id, [`Bearer ${made.donorToken}`]);
    expect(queries).toBe(1);
  });

  test('is found by its token whatever the case of the scheme', async () => {
    expect((await read(made.id, [`bearer ${made.donorToken}`])).status).toBe(200);
    expect((await read(made.id, [`BEARER  ${made.donorToken}`])).status).toBe(200);
  });

  test('answers HEAD as GET, without the body', async () => {
    const [whole, head] = [
      await read(made.id, [`Bearer ${made.donorToken}`]),
      await read(made.id, [`Bearer ${made.donorToken}`], 'HEAD'),
    ];
    expect([head.status, head.text]).toEqual([200, '']);
    for (const name of ['content-type', 'content-length', 'cache-control'])
      expect(head.headers[name]).toBe(whole.headers[name]);
  });

  test('answers HEAD of its events at once, although they have not ended, and goes on to the next request', async () => {
    const lines = ['Host: localhost', `Authorization: Bearer ${made.donorToken}`];
    const request = (requestLine: string, more: readonly string[]): string =>
      [requestLine, ...lines, ...more, '', ''].join('\r\n');
    const [head, next] = await sendForAll(
      gateway.port,
      request(`HEAD /donations/${made.id}/events HTTP/1.1`, []) +
        request(`GET /donations/${made.id} HTTP/1.1`, [CLOSE]),
    );
    expect([head?.status, head?.headers['content-type']]).toEqual([200, 'text/event-stream; charset=utf-8']);
    expect(next?.status).toBe(200);
  });

  test.each([
    ['OPTIONS', 204],
    ['POST', 405],
    ['PUT', 405],
    ['DELETE', 405],
  ])('%s tells what is allowed, to everybody and of every id', async (method, status) => {
    for (const more of ['', '/events']) {
      for (const id of [made.id, campaignId]) {
        const answer = await read(id, [], method, more);
        expect([answer.status, answer.headers['allow']]).toEqual([status, 'GET, HEAD']);
      }
    }
  });
});

test('an operator who shows two tokens, one of them right, is nobody', async () => {
  const tokens = [`Bearer ${OPERATOR_TOKEN}`, 'Bearer other'];
  for (const order of [tokens, tokens.toReversed()]) {
    const answer = await gateway.send({
      method: 'POST',
      path: `/campaigns/${campaignId}/close`,
      headers: order.map((value) => ['Authorization', value] as const),
    });
    expect([answer.status, problem(answer).code]).toEqual([401, 'unauthorized']);
  }
  expect((await donate(gateway, newKey(), body)).status).toBe(202);
});

test('a campaign is found, and closed, whatever the spelling of its id', async () => {
  const id = await newCampaign(gateway);
  for (const spelling of [id.toUpperCase(), id.replaceAll('-', '%2d'), `${id}/`]) {
    expect((await gateway.send({ path: `/campaigns/${spelling}` })).status).toBe(200);
    expect((await gateway.send({ path: `/campaigns/${spelling.replace(/\/$/, '')}/total` })).status).toBe(
      200,
    );
  }
  expect((await closeCampaign(gateway, id.toUpperCase())).status).toBe(200);
  expect((await closeCampaign(gateway, id.replaceAll('-', '%2D'))).status).toBe(200);
});

describe('a body that is refused is not taken for the next request on its connection', () => {
  const smuggled = `POST /donate HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n`;
  test.each<[name: string, status: number, request: () => Buffer]>([
    [
      'of another type',
      415,
      () =>
        bytes('POST /donate HTTP/1.1', ['Content-Type: text/plain', keyLine(newKey())], smuggled.repeat(20)),
    ],
    [
      'of 300 kB',
      413,
      () => bytes('POST /donate HTTP/1.1', [TYPE, keyLine(newKey())], smuggled.repeat(5_000)),
    ],
    ['without a token', 401, () => bytes('POST /campaigns HTTP/1.1', [TYPE], smuggled.repeat(20))],
    [
      'as a refund without a token',
      401,
      () => bytes(`POST /donations/${campaignId}/refunds HTTP/1.1`, [TYPE], smuggled.repeat(20)),
    ],
    [
      'with a method that is not allowed',
      405,
      () => bytes('PUT /donate HTTP/1.1', [TYPE], smuggled.repeat(20)),
    ],
    ['at an unknown address', 404, () => bytes('POST /nowhere HTTP/1.1', [TYPE], smuggled.repeat(20))],
    [
      'as a webhook of 300 kB',
      413,
      () => bytes('POST /webhooks/stripe HTTP/1.1', [TYPE], smuggled.repeat(5_000)),
    ],
  ])('%s: %i', async (_name, status, request) => {
    const next = `GET /livez HTTP/1.1\r\nHost: localhost\r\n${CLOSE}\r\n\r\n`;
    const answers = await sendForAll(gateway.port, Buffer.concat([request(), Buffer.from(next)]));
    expect(answers.map((answer) => answer.status)).toEqual([status, 200]);
  });
});
