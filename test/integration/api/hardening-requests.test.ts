/** Requests that two readers may take for different ones: refused, the connection closed, nothing of it done. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { isolatedDatabases } from '../database/isolated-databases.ts';
import { allRows, donationBody, newCampaign, newKey, startGateway, type Gateway } from './gateway.ts';
import { problem, sendBytes, sendForAll } from './http-client.ts';

const { urls } = isolatedDatabases(['donations', 'payments', 'campaigns']);
let gateway: Gateway;
let body: string;
let rows: number;
beforeAll(async () => {
  gateway = await startGateway({ urls });
  body = JSON.stringify(donationBody(await newCampaign(gateway)));
  rows = await allRows(gateway.pools.donations);
});
afterAll(async () => {
  await gateway[Symbol.asyncDispose]();
});
async function expectUntouched(): Promise<void> {
  expect(await allRows(gateway.pools.donations), 'nothing is stored').toBe(rows);
  expect((await gateway.send({ path: '/livez' })).status, 'the next one is served').toBe(200);
}

const HEAD = ['Host: localhost', 'Content-Type: application/json'];

/** A donation with these lines instead of its length; what follows it would be a donation as well. */
function donationWith(lines: readonly string[], content: string): string {
  const smuggled = [
    'POST /donate HTTP/1.1',
    ...HEAD,
    `Idempotency-Key: ${newKey()}`,
    `Content-Length: ${body.length}`,
    '',
    body,
  ].join('\r\n');
  const head = ['POST /donate HTTP/1.1', ...HEAD, `Idempotency-Key: ${newKey()}`, ...lines, '', ''];
  return `${head.join('\r\n')}${content}${smuggled}`;
}

const chunked = (): string => `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`;
const length = (): string => `Content-Length: ${body.length}`;

describe('a body whose end is not certain', () => {
  test.each<[name: string, lines: () => string[], content: () => string]>([
    ['CL.TE', () => [length(), 'Transfer-Encoding: chunked'], chunked],
    ['TE.CL', () => ['Transfer-Encoding: chunked', length()], chunked],
    ['CL.TE with no length', () => ['Content-Length: 0', 'Transfer-Encoding: chunked'], chunked],
    ['two lengths', () => [length(), 'Content-Length: 0'], () => body],
    ['the same length twice', () => [length(), length()], () => body],
    ['a list of lengths', () => [`${length()}, ${body.length}`], () => body],
    ['a signed length', () => [`Content-Length: +${body.length}`], () => body],
    ['a hexadecimal length', () => [`Content-Length: 0x${body.length.toString(16)}`], () => body],
    ['a length with a space in it', () => ['Content-Length: 1 2'], () => body],
    ['a length beyond 64 bits', () => ['Content-Length: 18446744073709551617'], () => body],
    ['an empty length', () => ['Content-Length:'], () => body],
    ['TE with a space before the colon', () => ['Transfer-Encoding : chunked'], chunked],
    ['CL with a space before the colon', () => [`Content-Length : ${body.length}`], () => body],
    ['TE that is not chunked', () => ['Transfer-Encoding: xchunked'], chunked],
    ['TE of identity', () => ['Transfer-Encoding: identity'], chunked],
    ['TE whose last is not chunked', () => ['Transfer-Encoding: chunked, identity'], chunked],
    ['TE.TE', () => ['Transfer-Encoding: chunked', 'Transfer-Encoding: x'], chunked],
    ['TE in two lines that are folded', () => ['Transfer-Encoding:', ' chunked'], chunked],
    ['TE with a vertical tab', () => ['Transfer-Encoding:\vchunked'], chunked],
    ['TE in quotes', () => ['Transfer-Encoding: "chunked"'], chunked],
    ['a folded header', () => [length(), 'X-Long: one', ' two'], () => body],
    ['a bare line feed', () => [`X-One: 1\n${length()}`], () => body],
    ['a bare carriage return', () => [`X-One: 1\r${length()}`], () => body],
    ['a NUL in a value', () => [`X-One: 1\0`, length()], () => body],
    ['a line without a colon', () => ['X-One', length()], () => body],
    ['a header without a name', () => [': 1', length()], () => body],
    ['a name with a space', () => ['X One: 1', length()], () => body],
  ])('%s', async (_name, lines, content) => {
    const [first, ...more] = await sendForAll(gateway.port, donationWith(lines(), content()));
    if (first === undefined) throw new Error('no answer');
    expect([first.status, problem(first).code]).toEqual([400, 'malformed_request']);
    expect(first.headers['connection']).toBe('close');
    expect(more).toEqual([]);
    await expectUntouched();
  });

  test.each<[name: string, content: () => string]>([
    ['a chunk longer than it says', () => `1\r\n${body}\r\n0\r\n\r\n`],
    ['a negative chunk', () => `-1\r\n${body}\r\n0\r\n\r\n`],
    ['a chunk of 2⁶⁴ bytes', () => `10000000000000000\r\n${body}\r\n0\r\n\r\n`],
    ['a chunk with 0x', () => `0x${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`],
    ['a chunk that a bare line feed ends', () => `${body.length.toString(16)}\n${body}\r\n0\r\n\r\n`],
    [
      'an extension that a bare line feed ends',
      () => `${body.length.toString(16)};a=b\n${body}\r\n0\r\n\r\n`,
    ],
    ['an extension of 20 kB', () => `1;${'a'.repeat(20_000)}\r\n{\r\n0\r\n\r\n`],
  ])('%s', async (_name, content) => {
    const answers = await sendForAll(gateway.port, donationWith(['Transfer-Encoding: chunked'], content()));
    expect(answers).toHaveLength(1);
    expect(answers[0]?.status).toBeGreaterThanOrEqual(400);
    expect(answers[0]?.status).toBeLessThan(500);
    await expectUntouched();
  });
});

describe('a request line or a host that is none', () => {
  const alive = (line: string, lines: readonly string[] = ['Host: localhost']): string =>
    [line, ...lines, 'Connection: close', '', ''].join('\r\n');
  test.each([
    ['no host', alive('GET /livez HTTP/1.1', [])],
    ['two hosts', alive('GET /livez HTTP/1.1', ['Host: localhost', 'Host: elsewhere'])],
    ['the same host twice', alive('GET /livez HTTP/1.1', ['Host: localhost', 'Host: localhost'])],
    ['two hosts in HTTP/1.0', alive('GET /livez HTTP/1.0', ['Host: a', 'Host: b'])],
    ['a host with a path', alive('GET /livez HTTP/1.1', ['Host: localhost/livez'])],
    ['a host with a user', alive('GET /livez HTTP/1.1', ['Host: me@localhost'])],
    ['a list of hosts', alive('GET /livez HTTP/1.1', ['Host: a, b'])],
    ['HTTP/0.9', 'GET /livez\r\n\r\n'],
    ['HTTP/1.2 of the future', alive('GET /livez HTTP/1.2')],
    ['HTTP/0.9 that says so', alive('GET /livez HTTP/0.9')],
    ['HTTP/2.0', alive('GET /livez HTTP/2.0')],
    ['no version', 'GET /livez HTTP/\r\nHost: x\r\n\r\n'],
    ['a bare line feed', 'GET /livez HTTP/1.1\nHost: localhost\n\n'],
    ['a tab instead of a space', alive('GET\t/livez HTTP/1.1')],
    ['a method in lower case', alive('get /livez HTTP/1.1')],
    ['a space in the path', alive('GET /li vez HTTP/1.1')],
    ['an authority', alive('GET localhost:80 HTTP/1.1')],
    ['a path without its slash', alive('GET livez HTTP/1.1')],
  ])('%s', async (_name, bytes) => {
    const answer = await sendBytes(gateway.port, bytes);
    expect([answer.status, problem(answer).code]).toEqual([400, 'malformed_request']);
    expect(answer.headers['connection']).toBe('close');
    await expectUntouched();
  });

  test('headers without number are too many', async () => {
    const lines = Array.from({ length: 3_000 }, (_, index) => `X-${index}: 1`);
    const answer = await sendBytes(gateway.port, alive('GET /livez HTTP/1.1', ['Host: x', ...lines]));
    expect([answer.status, problem(answer).code]).toEqual([431, 'headers_too_large']);
    await expectUntouched();
  });

  test('an address of 20 kB is too long', async () => {
    const answer = await sendBytes(gateway.port, alive(`GET /${'x'.repeat(20_000)} HTTP/1.1`));
    expect([answer.status, problem(answer).code]).toEqual([431, 'headers_too_large']);
    await expectUntouched();
  });

  test.each([
    ['no host in HTTP/1.0', 'GET /livez HTTP/1.0\r\n\r\n', 200],
    ['an empty host', alive('GET /livez HTTP/1.1', ['Host:']), 200],
    ['a host in IPv6', alive('GET /livez HTTP/1.1', ['Host: [::1]:8080']), 200],
    [
      'an offer of h2c, which is not taken up',
      alive('GET /livez HTTP/1.1', ['Host: x', 'Upgrade: h2c', 'HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA']),
      200,
    ],
    ['TRACE, which would show what came in', alive('TRACE /livez HTTP/1.1'), 405],
    ['everything', alive('OPTIONS * HTTP/1.1'), 404],
  ])('%s is answered', async (_name, bytes, status) => {
    const answer = await sendBytes(gateway.port, bytes);
    expect(answer.status).toBe(status);
    expect(answer.text).not.toContain('Host:');
    await expectUntouched();
  });

  test('CONNECT opens no tunnel: the connection is closed', async () => {
    const answers = await sendForAll(
      gateway.port,
      'CONNECT localhost:5432 HTTP/1.1\r\nHost: localhost:5432\r\n\r\n',
    );
    expect(answers).toEqual([]);
    await expectUntouched();
  });
});
