/** The door alone, with services behind it that write down what reaches them. */
import { randomUUID } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { testComponents } from '../harness/components.ts';
import { startDoor, type Door, type Upstream } from '../harness/nginx.ts';
import { problem, send, sendBytes } from '../integration/api/http-client.ts';
import { firstAnswer } from './fronts.ts';
import { startListening, type ListeningService } from './listening-service.ts';

const SERVICES = ['auth', 'campaigns', 'donations', 'payments'] as const;
const services = {} as Record<Upstream, ListeningService>;
const usual = {} as Record<Upstream, ListeningService['answer']>;
let door: Door;
beforeAll(async () => {
  for (const name of SERVICES) {
    services[name] = await startListening(name);
    usual[name] = services[name].answer;
  }
  door = await startDoor({
    directory: testComponents().runDirectory,
    upstreams: Object.fromEntries(SERVICES.map((name) => [name, [services[name].address]])),
    shorter: {
      'client_header_timeout 10s;': 'client_header_timeout 1s;',
      'client_body_timeout 10s;': 'client_body_timeout 1s;',
      'proxy_read_timeout 25s;': 'proxy_read_timeout 1s;',
    },
  });
});
afterAll(async () => {
  await door.stop();
  for (const name of SERVICES) await services[name][Symbol.asyncDispose]();
});
afterEach(() => {
  for (const name of SERVICES) {
    services[name].seen.length = 0;
    services[name].answer = usual[name];
  }
});

function seenAnywhere(): string[] {
  return SERVICES.flatMap((name) => services[name].seen.map(({ method, url }) => `${name} ${method} ${url}`));
}

const id = randomUUID();

describe('each path has its service', () => {
  test.each([
    ['donations', '/donate'],
    ['donations', `/donations/${id}`],
    ['donations', `/donations/${id}/cancel`],
    ['donations', `/donations/${id}/events`],
    ['donations', '/me/donations?limit=2'],
    ['donations', '/openapi.json'],
    ['donations', '/docs'],
    ['donations', '/problems/not_found'],
    ['payments', `/donations/${id}/refunds`],
    ['payments', `/donations/${id}/refunds/${id}`],
    ['payments', '/webhooks/stripe'],
    ['campaigns', '/campaigns'],
    ['campaigns', `/campaigns/${id}/live`],
    ['campaigns', `/campaigns/${id}/total`],
    ['campaigns', '/campaigns/wells-for-rangpur'],
    ['auth', '/auth/login'],
    ['auth', '/.well-known/jwks.json'],
  ] as const)('%s: %s', async (service, path) => {
    const answer = await send(door.ports.public, { path });
    expect([answer.status, answer.text]).toEqual([200, service]);
    expect(services[service].seen.map(({ url }) => url)).toEqual([path]);
  });

  test.each([
    ['payments', '/admin/reviews'],
    ['auth', '/admin/users'],
    ['donations', '/donate'],
  ] as const)('at the operators’ listener %s: %s', async (service, path) => {
    expect((await send(door.ports.operators, { path })).text).toBe(service);
  });
});

describe('no spelling of an address that is not the public’s reaches any service:', () => {
  test.each([
    '/admin',
    '/admin/',
    '/admin/reviews',
    '/ADMIN/reviews',
    '//admin/reviews',
    '/./admin/reviews',
    '/donate/../admin/reviews',
    '/donations/%2e%2e/admin/reviews',
    '/donations/..%2fadmin/reviews',
    '/donations/..%5cadmin/reviews',
    '/donate/..;/admin/reviews',
    '/%61dmin/reviews',
    '/admin%2freviews',
    '/admin;x/reviews',
    '/admin%00',
    '/admin%20',
    // Decoded they hold a whole request of their own.
    '/admin/users/a%2f..%2f..%2f..%2f..%2fauth%2fz%20%3f/role',
    '/internal/x%2f..%2f..%2fdonations%2fy%20%3f',
    '/donations/x%20%3f',
    '/donations/x%20/donations/y%3f',
    '/%2d/not_found%20/donate?',
    '\\admin',
    '/donate\\..\\admin',
    `/internal/campaigns/${id}`,
    `/internal/campaigns/%2e%2e%2f%2e%2e%2fcampaigns`,
    `/campaigns/../internal/campaigns/${id}`,
    `/internal/campaigns/../../campaigns`,
    `//internal/campaigns/${id}`,
    '/metrics',
    '/campaigns//',
    '/campaigns/%2e',
    '/door',
    '/nginx_status',
  ])('%s', async (path) => {
    const answer = await sendBytes(
      door.ports.public,
      `GET ${path} HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n`,
    );
    expect([400, 404]).toContain(answer.status);
    if (answer.status === 404) expect(problem(answer).code).toBe('not_found');
    expect(seenAnywhere()).toEqual([]);
  });

  test('an absolute one', async () => {
    const answer = await sendBytes(
      door.ports.public,
      'GET http://here/admin/reviews HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n',
    );
    expect(answer.status).toBe(404);
    expect(seenAnywhere()).toEqual([]);
  });
});

test('what a service reads of an address is to the letter what the client wrote', async () => {
  const path = '/campaigns?cursor=%2Fa%2f..%2F&limit=2&x=//';
  await send(door.ports.public, { path });
  expect(services.campaigns.seen[0]?.url).toBe(path);
});

test('the client’s address and way of coming are told by the door alone', async () => {
  await send(door.ports.public, {
    path: '/campaigns',
    headers: [
      ['X-Forwarded-For', '203.0.113.7'],
      ['X-Forwarded-For', '203.0.113.8, 203.0.113.9'],
      ['X-Real-IP', '203.0.113.7'],
      ['X-Forwarded-Proto', 'https'],
      ['X-Forwarded-Host', 'elsewhere'],
      ['Forwarded', 'for=203.0.113.7'],
    ],
  });
  const { headers = {} } = services.campaigns.seen[0] ?? {};
  expect(headers['x-forwarded-for']).toBe('127.0.0.1');
  expect(headers['x-forwarded-proto']).toBe('http');
  for (const name of ['x-real-ip', 'x-forwarded-host', 'forwarded']) expect(headers).not.toHaveProperty(name);
});

test('a webhook arrives byte by byte as it was signed, with its signature', async () => {
  const body = Buffer.from('{"a":  1,\r\n"b":"\u00e9\\u0000"}\n\n');
  const bytes = Buffer.concat([body, Buffer.from([0xff, 0x00, 0x0d, 0x0a])]);
  await send(door.ports.public, {
    method: 'POST',
    path: '/webhooks/stripe',
    headers: [
      ['Content-Type', 'application/json; charset=utf-8'],
      ['Stripe-Signature', 't=1,v1=ab,v1=cd'],
    ],
    body: bytes,
  });
  const [seen] = services.payments.seen;
  expect(seen?.body.equals(bytes)).toBe(true);
  expect(seen?.headers['stripe-signature']).toBe('t=1,v1=ab,v1=cd');
});

describe('a request that two readers may take differently', () => {
  const smuggled = 'GET /admin/smuggled HTTP/1.1\r\nHost: here\r\n\r\n';
  const post = (...lines: string[]): string =>
    ['POST /donate HTTP/1.1', 'Host: here', ...lines, '', ''].join('\r\n');
  test.each([
    ['length and chunks', `${post('Content-Length: 6', 'Transfer-Encoding: chunked')}0\r\n\r\n${smuggled}`],
    ['chunks and length', `${post('Transfer-Encoding: chunked', 'Content-Length: 90')}0\r\n\r\n${smuggled}`],
    ['two lengths', `${post('Content-Length: 0', 'Content-Length: 52')}${smuggled}`],
    ['a list of lengths', `${post('Content-Length: 0, 52')}${smuggled}`],
    ['a signed length', `${post('Content-Length: +52')}${smuggled}`],
    ['a space before the colon', `${post('Content-Length : 52')}${smuggled}`],
    ['chunks by another name', `${post('Transfer-Encoding: xchunked')}0\r\n\r\n${smuggled}`],
    ['chunks twice', `${post('Transfer-Encoding: chunked, chunked')}0\r\n\r\n${smuggled}`],
    ['chunks of a wrong size', `${post('Transfer-Encoding: chunked')}zz\r\n${smuggled}`],
    ['a folded header', `${post('Transfer-Encoding:', ' chunked')}0\r\n\r\n${smuggled}`],
    [
      'two hosts',
      `POST /donate HTTP/1.1\r\nHost: here\r\nHost: there\r\nContent-Length: 0\r\n\r\n${smuggled}`,
    ],
    ['no host', `POST /donate HTTP/1.1\r\nContent-Length: 0\r\n\r\n${smuggled}`],
  ])('is refused or read as one: %s', async (_name, bytes) => {
    const answer = await firstAnswer(door.ports.public, bytes);
    for (const line of seenAnywhere()) expect(line).toBe('donations POST /donate');
    expect(services.donations.seen.length).toBeLessThan(2);
    if (services.donations.seen.length === 0) {
      expect(answer?.status).toBe(400);
      expect(JSON.parse(answer?.text ?? '')).toMatchObject({ code: 'malformed_request' });
    }
  });
});

describe('what the door answers by itself is a problem document', () => {
  const expectProblem = (answer: Awaited<ReturnType<typeof send>>, status: number, code: string): void => {
    expect([answer.status, problem(answer)]).toMatchObject([
      status,
      { status, code, type: `/problems/${code}` },
    ]);
    expect(answer.headers['cache-control']).toBe('no-store');
    expect(problem(answer).traceId).toMatch(/^[0-9a-f]{32}$/);
  };

  test.each([
    'nonsense',
    'GET',
    'GET  HTTP/1.1',
    'G\0T / HTTP/1.1',
    'GET /%zz HTTP/1.1',
    'CONNECT a:1 HTTP/1.1',
  ])('400 for what is no HTTP: %j', async (line) => {
    const answer = await firstAnswer(door.ports.public, `${line}\r\nHost: here\r\n\r\n`);
    if (answer === null) throw new Error('no answer');
    expectProblem(answer, 400, 'malformed_request');
  });

  test('431 for an address that is too long', async () => {
    const answer = await firstAnswer(
      door.ports.public,
      `GET /${'x'.repeat(40_000)} HTTP/1.1\r\nHost: a\r\n\r\n`,
    );
    if (answer === null) throw new Error('no answer');
    expectProblem(answer, 431, 'headers_too_large');
  });

  test('404 for what is nowhere', async () => {
    expectProblem(await send(door.ports.public, { path: '/wp-login.php' }), 404, 'not_found');
  });

  test('413 for a body that is too large, before any of it reaches a service', async () => {
    const body = 'x'.repeat(16_385);
    expectProblem(
      await send(door.ports.public, { method: 'POST', path: '/donate', body }),
      413,
      'body_too_large',
    );
    const chunked = `POST /donate HTTP/1.1\r\nHost: here\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n4001\r\n${body}\r\n0\r\n\r\n`;
    expectProblem(await sendBytes(door.ports.public, chunked), 413, 'body_too_large');
    expect(seenAnywhere()).toEqual([]);
    await send(door.ports.public, { method: 'POST', path: '/donate', body: 'x'.repeat(16_384) });
    expect(services.donations.seen[0]?.body.length).toBe(16_384);
  });

  test.each([
    ['campaigns', '/campaigns'],
    ['payments', '/webhooks/stripe'],
  ] as const)('a body for %s may be as large as its service takes it', async (service, path) => {
    expectProblem(
      await send(door.ports.public, { method: 'POST', path, body: 'x'.repeat(262_145) }),
      413,
      'body_too_large',
    );
    expect(seenAnywhere()).toEqual([]);
    await send(door.ports.public, { method: 'POST', path, body: 'x'.repeat(262_144) });
    expect(services[service].seen[0]?.body.length).toBe(262_144);
  });

  test('431 for a header that is too long', async () => {
    const headers: [string, string][] = [['X-Long', 'x'.repeat(40_000)]];
    expectProblem(await send(door.ports.public, { path: '/donate', headers }), 431, 'headers_too_large');
  });

  test('405 for TRACE, which would send secrets back', async () => {
    expectProblem(
      await send(door.ports.public, { method: 'TRACE', path: '/donate' }),
      405,
      'method_not_allowed',
    );
  });

  test('502 that invites a retry, when nobody is behind', async () => {
    await using alone = await startDoor({ directory: testComponents().runDirectory, upstreams: {} });
    const answer = await send(alone.ports.public, { method: 'POST', path: '/donate', body: '{}' });
    expectProblem(answer, 502, 'service_unreachable');
    expect(answer.headers['retry-after']).toBe('2');
    expect((await send(alone.ports.operators, { path: '/door' })).status).toBe(204);
  });

  test('504 that invites a retry, when there is no answer in time, and the request was sent once', async () => {
    services.donations.answer = () => undefined;
    const answer = await send(door.ports.public, { method: 'POST', path: '/donate', body: '{}' });
    expectProblem(answer, 504, 'service_silent');
    expect(answer.headers['retry-after']).toBe('2');
    expect(services.donations.seen).toHaveLength(1);
  });

  test('and says nothing of its version', async () => {
    const answer = await send(door.ports.public, { path: '/nothing' });
    expect(answer.headers['server']).toBe('nginx');
  });
});

describe('who sends slowly', () => {
  async function closed(socket: Socket): Promise<void> {
    socket.resume();
    // A reset is a way to close as well.
    socket.on('error', () => undefined);
    await new Promise((resolve) => socket.once('close', resolve));
  }

  async function closedAfter(bytes: string): Promise<number> {
    const startedAt = Date.now();
    const socket = connect(door.ports.public, '127.0.0.1');
    socket.write(bytes);
    // One byte now and then is not enough to keep it open.
    const drip = setInterval(() => socket.write('x'), 300);
    await closed(socket);
    clearInterval(drip);
    return Date.now() - startedAt;
  }

  test('of headers is disconnected, and others are served meanwhile', async () => {
    const slow = Promise.all(
      Array.from({ length: 100 }, () => closedAfter('GET /donate HTTP/1.1\r\nHost: here\r\nX-Slow: ')),
    );
    await new Promise((resolve) => setTimeout(resolve, 300));
    const startedAt = Date.now();
    expect((await send(door.ports.public, { path: '/donate' })).status).toBe(200);
    expect(Date.now() - startedAt).toBeLessThan(1_000);
    for (const ms of await slow) expect(ms).toBeLessThan(5_000);
    expect(seenAnywhere()).toEqual(['donations GET /donate']);
  });

  test('of a body is disconnected, and no service has seen the request', async () => {
    const startedAt = Date.now();
    const socket = connect(door.ports.public, '127.0.0.1');
    socket.write('POST /donate HTTP/1.1\r\nHost: here\r\nContent-Length: 1000\r\n\r\n{"amount"');
    await closed(socket);
    expect(Date.now() - startedAt).toBeLessThan(5_000);
    expect(seenAnywhere()).toEqual([]);
  });
});
