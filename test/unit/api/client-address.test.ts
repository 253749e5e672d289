/** Real requests, because what Node makes of repeated and odd headers is part of it. */
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { clientsBehind } from '../../../api/http/client-address.ts';

let server: Server | undefined;
afterEach(() => {
  server?.close();
});

/** Who a request from 127.0.0.1 with these header lines is taken for. */
async function clientOf(trusted: readonly string[], lines: readonly string[]) {
  const clients = clientsBehind(trusted);
  server = createServer((request, response) => response.end(JSON.stringify(clients(request))));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  socket.end(['GET / HTTP/1.1', 'Host: x', 'Connection: close', ...lines, '', ''].join('\r\n'));
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  await once(socket, 'close');
  const text = Buffer.concat(chunks).toString();
  return JSON.parse(text.slice(text.indexOf('\r\n\r\n'))) as { address: string; network: string };
}

const SPOOFS = [
  ['X-Forwarded-For: 192.0.2.1'],
  ['X-Forwarded-For: 192.0.2.1', 'X-Forwarded-For: 192.0.2.2'],
  ['X-Real-IP: 192.0.2.1', 'Forwarded: for=192.0.2.1', 'CF-Connecting-IP: 192.0.2.1', 'Client-IP: 192.0.2.1'],
  ['X_Forwarded_For: 192.0.2.1'],
];

describe('a peer that is not trusted is the client, whatever it says', () => {
  test.each(
    SPOOFS.flatMap((lines) => [[], ['192.0.2.0/24', '10.0.0.0/8']].map((trusted) => ({ trusted, lines }))),
  )('$lines with trust in $trusted', async ({ trusted, lines }) => {
    expect((await clientOf(trusted, lines)).address).toBe('127.0.0.1');
  });
});

describe('behind a trusted proxy', () => {
  const trusted = ['127.0.0.0/8', '10.0.0.0/8', '2001:db8:aaaa::/48'];
  test.each<[what: string, lines: string[], address: string]>([
    ['nothing said leaves the proxy', [], '127.0.0.1'],
    ['an empty list leaves the proxy', ['X-Forwarded-For:'], '127.0.0.1'],
    ['the one whom it names', ['X-Forwarded-For: 192.0.2.1'], '192.0.2.1'],
    [
      'what the client itself sent before does not count',
      ['X-Forwarded-For: 192.0.2.9, 192.0.2.1'],
      '192.0.2.1',
    ],
    [
      'nor when it pretends to be one of ours',
      ['X-Forwarded-For: 192.0.2.9, 10.0.0.1, 192.0.2.1'],
      '192.0.2.1',
    ],
    ['nor in a line of its own', ['X-Forwarded-For: 192.0.2.9', 'X-Forwarded-For: 192.0.2.1'], '192.0.2.1'],
    ['further trusted hops are walked past', ['X-Forwarded-For: 192.0.2.1, 10.0.0.1,127.0.0.2'], '192.0.2.1'],
    ['of trusted hops only, the farthest', ['X-Forwarded-For: 10.0.0.3, 10.0.0.1'], '10.0.0.3'],
    ['a port is no part of it', ['X-Forwarded-For: 192.0.2.1:4711'], '192.0.2.1'],
    ['IPv6', ['X-Forwarded-For: 2001:DB8::5'], '2001:db8::5'],
    ['IPv6 with a port', ['X-Forwarded-For: [2001:db8::5]:4711'], '2001:db8::5'],
    ['IPv6 in brackets', ['X-Forwarded-For: [2001:db8::5]'], '2001:db8::5'],
    ['IPv4 in IPv6', ['X-Forwarded-For: ::ffff:192.0.2.1'], '192.0.2.1'],
    ['a trusted hop that writes as IPv6', ['X-Forwarded-For: 192.0.2.1, ::ffff:10.0.0.1'], '192.0.2.1'],
    ['a trusted IPv6 hop', ['X-Forwarded-For: 192.0.2.1, 2001:db8:aaaa:1::1'], '192.0.2.1'],
    ['what is no address ends the walk', ['X-Forwarded-For: 192.0.2.1, unknown'], '127.0.0.1'],
    ['an octal one is none', ['X-Forwarded-For: 192.0.2.1, 010.0.0.1'], '127.0.0.1'],
    ['an empty entry ends the walk', ['X-Forwarded-For: 192.0.2.1,'], '127.0.0.1'],
    ['beyond what is no address nobody is asked', ['X-Forwarded-For: 192.0.2.1, "x", 10.0.0.1'], '10.0.0.1'],
    ['other headers say nothing', ['X-Real-IP: 192.0.2.1', 'Forwarded: for=192.0.2.1'], '127.0.0.1'],
  ])('%s', async (_what, lines, address) => {
    expect((await clientOf(trusted, lines)).address).toBe(address);
  });

  test('two addresses of one IPv6 subscriber count as one client', async () => {
    const [one, other] = [
      await clientOf(trusted, ['X-Forwarded-For: 2001:db8:1:2::3']),
      await clientOf(trusted, ['X-Forwarded-For: 2001:db8:1:2:ffff::']),
    ];
    expect(one.network).toBe(other.network);
    expect(one.address).not.toBe(other.address);
  });
});
