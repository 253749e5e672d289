/** The header itself: what is a key, what is refused before anything is looked up. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { isolatedDatabases } from '../database/isolated-databases.ts';
import {
  allRows,
  donate,
  donation,
  donationBody,
  newCampaign,
  newKey,
  OPERATOR_TOKEN,
  startGateway,
  type Gateway,
} from './gateway.ts';
import { problem, sendBytes, type Answer } from './http-client.ts';
import { allRefunds, newPayment, refund } from './refunding.ts';

const { urls } = isolatedDatabases(['donations', 'payments', 'campaigns']);
let gateway: Gateway;
let body: Record<string, unknown>;
/** Of a donation that can be refunded. */
let paymentId: string;
beforeAll(async () => {
  gateway = await startGateway({ urls });
  body = donationBody(await newCampaign(gateway));
  paymentId = await newPayment(gateway.pools.payments);
});
afterAll(async () => {
  await gateway[Symbol.asyncDispose]();
});

/** Posts with exactly these header lines. */
async function donateRaw(lines: readonly string[]): Promise<Answer> {
  return await postRaw('/donate', JSON.stringify(body), lines);
}

async function refundRaw(lines: readonly string[], id = paymentId): Promise<Answer> {
  const operator = `Authorization: Bearer ${OPERATOR_TOKEN}`;
  return await postRaw(`/donations/${id}/refunds`, '{"amount":1,"currency":"USD"}', [operator, ...lines]);
}

async function postRaw(path: string, text: string, lines: readonly string[]): Promise<Answer> {
  return await sendBytes(
    gateway.port,
    Buffer.from(
      [
        `POST ${path} HTTP/1.1`,
        'Host: localhost',
        'Content-Type: application/json',
        `Content-Length: ${Buffer.byteLength(text)}`,
        'Connection: close',
        ...lines,
        '',
        text,
      ].join('\r\n'),
      'latin1',
    ),
  );
}

describe('a key is taken', () => {
  test.each([
    ['of 16 characters', 'k'.repeat(16)],
    ['of 255 characters', 'k'.repeat(255)],
    [
      'of every visible character',
      Array.from({ length: 94 }, (_, i) => String.fromCharCode(33 + i)).join(''),
    ],
  ])('%s', async (_name, key) => {
    expect((await donate(gateway, key, body)).status).toBe(202);
    expect((await refund(gateway, paymentId, key, { amount: 1, currency: 'USD' })).status).toBe(202);
  });

  test('bare or quoted, and both are the same key', async () => {
    const key = newKey();
    const bare = donation(await donate(gateway, key, body));
    const quoted = await donate(gateway, `"${key}"`, body);
    expect(donation(quoted).id).toBe(bare.id);
    expect(quoted.headers['idempotent-replayed']).toBe('true');
    const [given, givenAgain] = [
      await refundRaw([`Idempotency-Key: ${key}`]),
      await refundRaw([`idempotency-key:\t"${key}"`]),
    ];
    expect([given.status, givenAgain.status, givenAgain.headers['idempotent-replayed']]).toEqual([
      202,
      202,
      'true',
    ]);
    expect(givenAgain.text).toBe(given.text);
  });

  test('whatever the case of the header’s name, and not the case of the key', async () => {
    const key = `CaseMatters-${newKey()}`;
    const first = await donateRaw([`IDEMPOTENCY-KEY: ${key}`]);
    const other = await donate(gateway, key.toLowerCase(), body);
    expect(first.status).toBe(202);
    expect(donation(other).id).not.toBe(donation(first).id);
  });
});

describe('a key is refused with 400 and a code, and nothing is stored', () => {
  const wrong: readonly (readonly [string, readonly string[], string])[] = [
    ['no header', [], 'idempotency_key_missing'],
    ['an empty one', ['Idempotency-Key:'], 'idempotency_key_missing'],
    ['white space', ['Idempotency-Key:  \t '], 'idempotency_key_missing'],
    ['empty quotes', ['Idempotency-Key: ""'], 'idempotency_key_missing'],
    ['one character', ['Idempotency-Key: k'], 'idempotency_key_invalid'],
    ['15 characters', [`Idempotency-Key: ${'k'.repeat(15)}`], 'idempotency_key_invalid'],
    ['15 characters within quotes', [`Idempotency-Key: "${'k'.repeat(15)}"`], 'idempotency_key_invalid'],
    ['256 characters', [`Idempotency-Key: ${'k'.repeat(256)}`], 'idempotency_key_invalid'],
    ['6000 characters', [`Idempotency-Key: ${'k'.repeat(6_000)}`], 'idempotency_key_invalid'],
    ['an inner blank', ['Idempotency-Key: kkkkkkkk kkkkkkkk'], 'idempotency_key_invalid'],
    ['a tab', ['Idempotency-Key: kkkkkkkk\tkkkkkkkk'], 'idempotency_key_invalid'],
    ['a letter beyond ASCII', ['Idempotency-Key: kkkkkkkkkkkkkkk\u00E9'], 'idempotency_key_invalid'],
    ['half a quote', [`Idempotency-Key: "${'k'.repeat(20)}`], 'idempotency_key_invalid'],
    [
      'parameters after a quoted one',
      [`Idempotency-Key: "${'k'.repeat(20)}";v=1`],
      'idempotency_key_invalid',
    ],
    [
      'two headers',
      [`Idempotency-Key: ${'k'.repeat(20)}`, `Idempotency-Key: ${'l'.repeat(20)}`],
      'idempotency_key_repeated',
    ],
    [
      'the same header twice',
      [`Idempotency-Key: ${'k'.repeat(20)}`, `idempotency-key: ${'k'.repeat(20)}`],
      'idempotency_key_repeated',
    ],
  ];
  test.each(wrong)('%s', async (_name, lines, code) => {
    const before = await allRows(gateway.pools.donations);
    const answer = await donateRaw(lines);
    expect([answer.status, problem(answer).code]).toEqual([400, code]);
    expect(await allRows(gateway.pools.donations)).toBe(before);

    const refunds = await allRefunds(gateway.pools.payments);
    // Before anything is looked up.
    for (const id of [paymentId, randomUUID()]) {
      const refused = await refundRaw(lines, id);
      expect([refused.status, problem(refused).code]).toEqual([400, code]);
    }
    expect(await allRefunds(gateway.pools.payments)).toBe(refunds);
  });
});

describe('a header that is no header is refused by the HTTP parser, and nothing is stored', () => {
  test.each([
    ['NUL', 'kkkkkkkkkkkk\0kkkkkkkk'],
    ['a control character', 'kkkkkkkkkkkk\x07kkkkkkkk'],
    ['DEL', 'kkkkkkkkkkkk\x7Fkkkkkkkk'],
    ['a lone CR', 'kkkkkkkkkkkk\rkkkkkkkk'],
    ['a line that is no header', 'kkkkkkkkkkkkkkkkkkkk\r\nkkkkkkkkk'],
    ['a folded line', 'kkkkkkkkkkkkkkkkkkkk\r\n kkkkkkkkk'],
  ])('%s', async (_name, key) => {
    const before = await allRows(gateway.pools.donations);
    const answer = await donateRaw([`Idempotency-Key: ${key}`]);
    expect([answer.status, problem(answer).code]).toEqual([400, 'malformed_request']);
    expect(await allRows(gateway.pools.donations)).toBe(before);
  });

  test('CR LF within a key starts another header and makes no other answer', async () => {
    const answer = await donateRaw([`Idempotency-Key: ${'k'.repeat(24)}\r\nSet-Cookie: a=b`]);
    expect(answer.status).toBe(202);
    expect(answer.headers['set-cookie']).toBeUndefined();
  });
});
