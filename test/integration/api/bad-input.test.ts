/** Whatever is wrong with a request: the 4xx that says where, nothing stored, the key still free. */
import { connect } from 'node:net';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually } from '../../harness/eventually.ts';
import { isolatedDatabases } from '../database/isolated-databases.ts';
import {
  allRows,
  closeCampaign,
  donate,
  donationBody,
  newCampaign,
  newKey,
  rowsOf,
  startGateway,
  type Gateway,
} from './gateway.ts';
import { problem, sendBytes, sendForAll, type Answer } from './http-client.ts';

const { urls } = isolatedDatabases(['donations', 'payments', 'campaigns']);
let gateway: Gateway;
let campaignId: string;
beforeAll(async () => {
  gateway = await startGateway({ urls });
  campaignId = await newCampaign(gateway);
});
afterAll(async () => {
  await gateway[Symbol.asyncDispose]();
});

function text(fields: Record<string, unknown> = {}): string {
  return JSON.stringify(donationBody(campaignId, fields));
}

/** The valid body with one more member in front, as written. */
function withMember(member: string): string {
  return text().replace('{', `{${member},`);
}

function withAmount(literal: string): string {
  return text().replace('"amount":2500', `"amount":${literal}`);
}

async function post(
  key: string,
  body: string | Uint8Array,
  headers: readonly (readonly [string, string])[] = [['Content-Type', 'application/json']],
): Promise<Answer> {
  return await gateway.send({
    method: 'POST',
    path: '/donate',
    headers: [...headers, ['Idempotency-Key', key]],
    body,
  });
}

/** Refused, and afterwards the same key takes a correct body. */
async function expectRefused(
  send: (key: string) => Promise<Answer>,
  status: number,
  code: string,
): Promise<ReturnType<typeof problem>> {
  const key = newKey();
  const answer = await send(key);
  const document = problem(answer);
  expect([answer.status, document.status, document.code]).toEqual([status, status, code]);
  expect(document.type).toBe(`/problems/${code}`);
  expect(await rowsOf(gateway.pools.donations, key)).toBe(0);
  const corrected = await post(key, text());
  expect(corrected.status).toBe(202);
  expect(corrected.headers['idempotent-replayed']).toBeUndefined();
  return document;
}

describe('a wrong value is refused with its pointer', () => {
  const wrongTypes = ['1', '1.5', 'true', '[]', '{}', 'null'];
  const values: readonly (readonly [pointer: string, body: () => string])[] = [
    ...['null', '"10"', '"2500"', 'true', '[]', '{}', '[2500]'].map(
      (literal) => ['/amount', () => withAmount(literal)] as const,
    ),
    ...['0', '-1', '-0', '1.5', '0.1', '1e30', '1e2', '10.0', '1E2', '2500e0'].map(
      (literal) => ['/amount', () => withAmount(literal)] as const,
    ),
    ...[
      '100000000',
      '9007199254740991',
      '9007199254740992',
      '9007199254740993',
      '1e400',
      '9'.repeat(400),
    ].map((literal) => ['/amount', () => withAmount(literal)] as const),
    ...wrongTypes.map(
      (value) => ['/campaignId', () => text({ campaignId: JSON.parse(value) as unknown })] as const,
    ),
    ...['', 'abc', '11111111-1111-4111-8111-11111111111', '{11111111-1111-4111-8111-111111111111}'].map(
      (campaign) => ['/campaignId', () => text({ campaignId: campaign })] as const,
    ),
    ...wrongTypes.map(
      (value) => ['/currency', () => text({ currency: JSON.parse(value) as unknown })] as const,
    ),
    ...['', 'usd', 'US', 'USDD', 'XXX', 'toString', 'U\u0000D'].map(
      (currency) => ['/currency', () => text({ currency })] as const,
    ),
    ...wrongTypes.map(
      (value) => ['/paymentMethod', () => text({ paymentMethod: JSON.parse(value) as unknown })] as const,
    ),
    ...['', 'pm_', 'card', 'pm_a b', 'pm_a/../b', "pm_'; drop table pledges", `pm_${'a'.repeat(253)}`].map(
      (paymentMethod) => ['/paymentMethod', () => text({ paymentMethod })] as const,
    ),
    ...wrongTypes.map((value) => ['/message', () => withMember(`"message":${value}`)] as const),
    ['/message', () => withMember('"message":10.0')],
    ['/message', () => text({ message: 'a'.repeat(501) })],
    ['/message', () => text({ message: 'a\u0000b' })],
    ['/message', () => withMember(String.raw`"message":"\ud800"`)],
    ['/message', () => withMember(String.raw`"message":"\udc00\ud800"`)],
    ...['1', 'true', '[]', 'null', '"Ada"'].map(
      (value) => ['/donor', () => withMember(`"donor":${value}`)] as const,
    ),
    ...wrongTypes.map((value) => ['/donor/name', () => withMember(`"donor":{"name":${value}}`)] as const),
    ['/donor/name', () => text({ donor: { name: '' } })],
    ['/donor/name', () => text({ donor: { name: '   ' } })],
    ['/donor/name', () => text({ donor: { name: 'a'.repeat(101) } })],
    ['/donor/name', () => text({ donor: { name: 'A\u0000' } })],
    ...wrongTypes.map((value) => ['/donor/email', () => withMember(`"donor":{"email":${value}}`)] as const),
    ...['', 'ada', 'ada@', '@example.org', 'a b@example.org', `${'a'.repeat(250)}@example.org`].map(
      (email) => ['/donor/email', () => text({ donor: { email } })] as const,
    ),
    ['/donor/email', () => text({ donor: { email: 'ada@example.org\r\nBcc: all@example.org' } })],
    ...['1', '"true"', 'null', '[]'].map(
      (value) => ['/donor/anonymous', () => withMember(`"donor":{"anonymous":${value}}`)] as const,
    ),
  ];
  test.each(values.map(([pointer, body], index) => ({ pointer, body, index })))(
    '$pointer, case $index',
    async ({ pointer, body }) => {
      const { errors } = await expectRefused((key) => post(key, body()), 400, 'invalid_body');
      expect(errors?.map((error) => error.pointer)).toContain(pointer);
      for (const { detail } of errors ?? []) expect(detail).not.toBe('');
    },
  );

  test('every wrong field is named at once', async () => {
    const { errors } = await expectRefused(
      (key) => post(key, '{"amount":0,"currency":"usd","surprise":1}'),
      400,
      'invalid_body',
    );
    expect(errors?.map(({ pointer }) => pointer).toSorted()).toEqual([
      '/amount',
      '/campaignId',
      '/currency',
      '/paymentMethod',
      '/surprise',
    ]);
  });
});

describe('an unknown field is refused with its pointer', () => {
  test.each([
    ['/surprise', () => withMember('"surprise":1')],
    ['/Amount', () => withMember('"Amount":1')],
    ['/__proto__', () => withMember('"__proto__":{"amount":1}')],
    ['/constructor', () => withMember('"constructor":{"prototype":{"amount":1}}')],
    ['/hasOwnProperty', () => withMember('"hasOwnProperty":1')],
    ['/', () => withMember('"":1')],
    ['/a~1b~0c', () => withMember('"a/b~c":1')],
    ['/donor/surprise', () => withMember('"donor":{"surprise":1}')],
    ['/donor/__proto__', () => withMember('"donor":{"__proto__":{"anonymous":true}}')],
    ['/status', () => withMember('"status":"CAPTURED"')],
    ['/donationId', () => withMember('"donationId":"11111111-1111-4111-8111-111111111111"')],
  ])('%s', async (pointer, body) => {
    const { errors } = await expectRefused((key) => post(key, body()), 400, 'invalid_body');
    expect(errors?.map((error) => error.pointer)).toContain(pointer);
    expect(({} as Record<string, unknown>)['amount']).toBeUndefined();
  });

  test('a field whose name holds a NUL', async () => {
    await expectRefused((key) => post(key, withMember(String.raw`"a\u0000":1`)), 400, 'invalid_body');
  });
});

describe('a campaign that does not take this donation is refused', () => {
  test('unknown: 404', async () => {
    const { errors } = await expectRefused(
      (key) => post(key, text({ campaignId: '11111111-1111-4111-8111-111111111111' })),
      404,
      'campaign_not_found',
    );
    expect(errors).toEqual([{ pointer: '/campaignId', detail: 'is not a campaign' }]);
  });

  test('closed: 422', async () => {
    const closed = await newCampaign(gateway);
    await closeCampaign(gateway, closed);
    const { errors } = await expectRefused(
      (key) => post(key, text({ campaignId: closed })),
      422,
      'campaign_closed',
    );
    expect(errors).toEqual([{ pointer: '/campaignId', detail: 'is closed' }]);
  });

  test('a draft: 422', async () => {
    const draft = await newCampaign(gateway, { status: 'draft' });
    await expectRefused((key) => post(key, text({ campaignId: draft })), 422, 'campaign_closed');
  });

  test('another currency: 422', async () => {
    const { errors } = await expectRefused(
      (key) => post(key, text({ currency: 'JPY' })),
      422,
      'currency_mismatch',
    );
    expect(errors?.[0]?.pointer).toBe('/currency');
  });
});

describe('a body that is no JSON object is refused', () => {
  const deep = (depth: number, open: string, close: string): string =>
    open.repeat(depth) + close.repeat(depth);
  const bodies: readonly (readonly [string, () => string | Uint8Array, string])[] = [
    ['empty', () => '', 'malformed_json'],
    ['white space', () => ' \n ', 'malformed_json'],
    ['cut off', () => text().slice(0, -1), 'malformed_json'],
    ['trailing garbage', () => `${text()}x`, 'malformed_json'],
    ['two documents', () => text() + text(), 'malformed_json'],
    ['single quotes', () => text().replaceAll('"', "'"), 'malformed_json'],
    ['a trailing comma', () => text().replace('}', ',}'), 'malformed_json'],
    ['a comment', () => text().replace('{', '{/**/'), 'malformed_json'],
    ['NaN', () => withAmount('NaN'), 'malformed_json'],
    ['a leading plus', () => withAmount('+1'), 'malformed_json'],
    ['a leading zero', () => withAmount('0010'), 'malformed_json'],
    ['hexadecimal', () => withAmount('0x10'), 'malformed_json'],
    ['a raw control character', () => text({ message: 'x' }).replace('"x"', '"\u0001"'), 'malformed_json'],
    ['a byte order mark', () => `\uFEFF${text()}`, 'malformed_json'],
    [
      'bytes that are not UTF-8',
      () => Buffer.concat([Buffer.from(text()), Buffer.from([0xff])]),
      'malformed_json',
    ],
    ['UTF-16', () => Buffer.from(text(), 'utf16le'), 'malformed_json'],
    ['an amount twice', () => withMember('"amount":1'), 'malformed_json'],
    ['an amount twice, once escaped', () => withMember(String.raw`"\u0061mount":1`), 'malformed_json'],
    ['a nested name twice', () => withMember('"donor":{"name":"Ada","name":"Eve"}'), 'malformed_json'],
    ['2000 nested arrays', () => deep(2_000, '[', ']'), 'malformed_json'],
    ['8000 nested arrays', () => deep(8_000, '[', ']'), 'malformed_json'],
    [
      '2000 nested objects',
      () => withMember(`"donor":${deep(2_000, '{"a":', '').replace(/$/, '1')}${'}'.repeat(2_000)}`),
      'malformed_json',
    ],
    ['65 nested arrays in a field', () => withMember(`"message":${deep(65, '[', ']')}`), 'malformed_json'],
    ['null', () => 'null', 'invalid_body'],
    ['a number', () => '2500', 'invalid_body'],
    ['a string', () => '"donate"', 'invalid_body'],
    ['an array', () => `[${text()}]`, 'invalid_body'],
    ['an empty object', () => '{}', 'invalid_body'],
  ];
  test.each(bodies)('%s', async (_name, body, code) => {
    await expectRefused((key) => post(key, body()), 400, code);
  });

  test('names that only look alike are not twins', async () => {
    // The same text as a name and as a value, and the same name in two objects.
    const body = text({ message: 'amount', donor: { name: 'message' } });
    expect((await post(newKey(), body)).status).toBe(202);
    const quotes = text({ message: String.raw`","amount":1,"x\":{` });
    expect((await post(newKey(), quotes)).status).toBe(202);
  });
});

describe('what the body claims to be', () => {
  test.each([
    ['text/plain'],
    ['application/x-www-form-urlencoded'],
    ['multipart/form-data; boundary=x'],
    ['application/problem+json'],
    ['application/jsonp'],
    ['application'],
    ['application/json, text/plain'],
    [''],
  ])('content type "%s" is refused with 415', async (type) => {
    await expectRefused((key) => post(key, text(), [['Content-Type', type]]), 415, 'unsupported_media_type');
  });

  test('no content type is refused with 415', async () => {
    await expectRefused((key) => post(key, text(), []), 415, 'unsupported_media_type');
  });

  test.each([
    ['application/json; charset=utf-8'],
    ['application/json;charset="UTF-8"'],
    ['APPLICATION/JSON'],
  ])('content type "%s" is taken', async (type) => {
    expect((await post(newKey(), text(), [['Content-Type', type]])).status).toBe(202);
  });

  test('a charset parameter does not change how bytes are read: they are UTF-8 or refused', async () => {
    const type = (charset: string) => [['Content-Type', `application/json; charset=${charset}`]] as const;
    const latin1 = Buffer.from(text({ donor: { name: 'Zoë' } }), 'latin1');
    await expectRefused((key) => post(key, latin1, type('iso-8859-1')), 400, 'malformed_json');
    await expectRefused(
      (key) => post(key, Buffer.from(text(), 'utf16le'), type('utf-16')),
      400,
      'malformed_json',
    );
  });

  test.each([['compress'], ['zstd-of-old'], ['gzip, gzip'], ['identity, gzip']])(
    'content encoding "%s" is refused with 415',
    async (encoding) => {
      const headers = [
        ['Content-Type', 'application/json'],
        ['Content-Encoding', encoding],
      ] as const;
      await expectRefused((key) => post(key, text(), headers), 415, 'unsupported_media_type');
    },
  );

  test('compressed bytes that are none are refused', async () => {
    for (const encoding of ['gzip', 'deflate', 'br']) {
      const headers = [
        ['Content-Type', 'application/json'],
        ['Content-Encoding', encoding],
      ] as const;
      await expectRefused((key) => post(key, text(), headers), 400, 'malformed_json');
    }
  });

  test('a small body that unpacks to 200 MB is refused with 413 without unpacking it', async () => {
    const bomb = Buffer.alloc(200 << 20, ' ');
    for (const [encoding, body] of [
      ['gzip', gzipSync(bomb)],
      ['br', brotliCompressSync(bomb.subarray(0, 50 << 20), { params: {} })],
    ] as const) {
      const before = process.memoryUsage().rss;
      const headers = [
        ['Content-Type', 'application/json'],
        ['Content-Encoding', encoding],
      ] as const;
      // Small enough to be let in by its own length.
      const sent = body.subarray(0, 16_000);
      await expectRefused((key) => post(key, sent, headers), 413, 'body_too_large');
      expect(process.memoryUsage().rss - before).toBeLessThan(100 << 20);
    }
  });
});

describe('a body that is too large is refused with 413', () => {
  test('one byte more than the limit, and the limit itself is read', async () => {
    const padded = (bytes: number): string => text().padEnd(bytes, ' ');
    expect((await post(newKey(), padded(16_384))).status).toBe(202);
    await expectRefused((key) => post(key, padded(16_385)), 413, 'body_too_large');
  });

  test('1 MB', async () => {
    await expectRefused((key) => post(key, 'x'.repeat(1 << 20)), 413, 'body_too_large');
  });

  test('without a length, in chunks', async () => {
    const chunk = `${(1 << 10).toString(16)}\r\n${'x'.repeat(1 << 10)}\r\n`;
    const answer = await sendBytes(
      gateway.port,
      `POST /donate HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nIdempotency-Key: ${newKey()}\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n${chunk.repeat(20)}0\r\n\r\n`,
    );
    expect([answer.status, problem(answer).code]).toEqual([413, 'body_too_large']);
  });
});

test('two lengths, or a length and chunks, are refused: a proxy might read them differently', async () => {
  const before = await allRows(gateway.pools.donations);
  const head = `POST /donate HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nIdempotency-Key: ${newKey()}\r\nConnection: close\r\n`;
  for (const lengths of [
    'Content-Length: 4\r\nContent-Length: 5\r\n',
    'Content-Length: 4\r\nTransfer-Encoding: chunked\r\n',
    'Content-Length: -1\r\n',
  ])
    expect(problem(await sendBytes(gateway.port, `${head}${lengths}\r\n{}{}`)).code).toBe(
      'malformed_request',
    );
  expect(await allRows(gateway.pools.donations)).toBe(before);
});

describe('what is no request is answered with a problem document, too', () => {
  const head =
    'POST /donate HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nConnection: close\r\n';
  test.each([
    ['headers of 20 kB', `${head}X-Long: ${'x'.repeat(20_000)}\r\n\r\n`, 431, 'headers_too_large'],
    ['another protocol', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 400, 'malformed_request'],
    ['a TLS handshake', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', 400, 'malformed_request'],
    ['an unknown method', 'GIVE /donate HTTP/1.1\r\nHost: localhost\r\n\r\n', 400, 'malformed_request'],
    [
      'a chunk of no length',
      `${head}Idempotency-Key: ${'k'.repeat(20)}\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n{}\r\n0\r\n\r\n`,
      400,
      'malformed_request',
    ],
    [
      'an expectation nobody can meet',
      `${head}Content-Length: 0\r\nExpect: applause\r\n\r\n`,
      417,
      'expectation_failed',
    ],
  ])('%s', async (_name, bytes, status, code) => {
    const answer = await sendBytes(gateway.port, Buffer.from(bytes, 'latin1'));
    expect([answer.status, problem(answer).status, problem(answer).code]).toEqual([status, status, code]);
    expect((await gateway.send({ path: '/livez' })).status).toBe(200);
  });

  test('after the answers to what came before it on its connection', async () => {
    const key = newKey();
    const whole = `POST /donate HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nIdempotency-Key: ${key}\r\nContent-Length: ${text().length}\r\n\r\n${text()}`;
    const alive = 'GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n';
    for (const [before, expected] of [
      [whole, [202, 400]],
      [alive, [200, 400]],
      [whole + alive + whole, [202, 200, 202, 400]],
    ] as const) {
      const answers = await sendForAll(gateway.port, `${before}nonsense\r\n\r\n`);
      expect(answers.map(({ status }) => status)).toEqual(expected);
    }
    expect(await rowsOf(gateway.pools.donations, key)).toBe(1);
  });
});

test('a client that sends nonsense and never closes its side is cut off', async () => {
  const socket = connect({ host: '127.0.0.1', port: gateway.port, allowHalfOpen: true });
  socket.on('error', () => undefined).resume();
  socket.write('nonsense\r\n\r\n');
  await eventually('it is cut off', () => {
    if (socket.writable) socket.write('more nonsense\r\n');
    expect(socket.destroyed).toBe(true);
  });
});

test('a client that goes away in the middle of its body leaves nothing behind', async () => {
  const key = newKey();
  const before = await allRows(gateway.pools.donations);
  await new Promise<void>((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port: gateway.port }, () => {
      socket.write(
        `POST /donate HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nIdempotency-Key: ${key}\r\nContent-Length: 500\r\n\r\n{"camp`,
        () => {
          socket.resetAndDestroy();
          resolve();
        },
      );
    });
    socket.on('error', reject);
  });
  expect((await donate(gateway, key, donationBody(campaignId))).status).toBe(202);
  expect(await allRows(gateway.pools.donations)).toBe(before + 1);
});
