/** Clients that are slow, or that only hold connections: they are cut off, and everybody else is served meanwhile. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import { eventually } from '../../harness/eventually.ts';
import { isolatedDatabases } from '../database/isolated-databases.ts';
import { newKey, rowsOf, startGateway, type Gateway } from './gateway.ts';

const { urls } = isolatedDatabases(['donations', 'payments', 'campaigns']);

const HEADERS_MS = 1_500;
const REQUEST_MS = 3_000;
/** What a busy machine may add to them. */
const LATE_MS = 5_000;

function start(
  connections: object = {},
  more: { ownNetworks?: string[]; trusted?: string } = {},
): Promise<Gateway> {
  const { ownNetworks = ['127.0.0.0/8'], trusted } = more;
  const times = { headersTimeoutMs: HEADERS_MS, requestTimeoutMs: REQUEST_MS };
  return startGateway({
    urls,
    env: {
      LIMITS: JSON.stringify({ connections: { ...times, ...connections }, ownNetworks }),
      ...(trusted === undefined ? {} : { TRUSTED_PROXIES: trusted }),
    },
  });
}

const sockets: Socket[] = [];
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
});

type Held = { readonly socket: Socket; readonly text: () => string; readonly closed: Promise<number> };

/** A connection that stays; `closed` tells after how many milliseconds the server ended it. */
async function hold(port: number): Promise<Held> {
  const socket = connect({ host: '127.0.0.1', port });
  sockets.push(socket);
  const chunks: Buffer[] = [];
  socket.on('error', () => undefined).on('data', (chunk: Buffer) => chunks.push(chunk));
  const startedAt = performance.now();
  const closed = once(socket, 'close').then(() => performance.now() - startedAt);
  await once(socket, 'connect');
  return { socket, text: () => Buffer.concat(chunks).toString('latin1'), closed };
}

/** As slowly as somebody types, for as long as it is taken. */
async function drip({ socket }: Held, text: string): Promise<void> {
  for (const character of text) {
    if (socket.destroyed || !socket.writable) return;
    socket.write(character);
    await sleep(100);
  }
}

const alive = 'GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n';

async function expectServed(gateway: Gateway): Promise<void> {
  const startedAt = performance.now();
  expect((await gateway.send({ path: '/livez' })).status).toBe(200);
  expect(performance.now() - startedAt).toBeLessThan(LATE_MS);
}

describe('a client that is slow is told so and cut off, and the others are served', () => {
  test('with its headers, by fifty connections at once', async () => {
    await using gateway = await start();
    const slow = await Promise.all(Array.from({ length: 50 }, () => hold(gateway.port)));
    const dripping = slow.map((held) =>
      drip(held, `GET /livez HTTP/1.1\r\nHost: x\r\n${'X-A: b\r\n'.repeat(50)}`),
    );
    await expectServed(gateway);
    const lasted = await Promise.all(slow.map(({ closed }) => closed));
    expect(Math.min(...lasted)).toBeGreaterThan(HEADERS_MS - 100);
    expect(Math.max(...lasted)).toBeLessThan(HEADERS_MS + LATE_MS);
    for (const { text } of slow) {
      expect(text()).toMatch(/^HTTP\/1\.1 408 /);
      expect(text()).toContain('"code":"request_timeout"');
    }
    await Promise.all(dripping);
    await expectServed(gateway);
  });

  test('with its body, of which nothing is stored', async () => {
    await using gateway = await start();
    const key = newKey();
    const held = await hold(gateway.port);
    held.socket.write(
      `POST /donate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nIdempotency-Key: ${key}\r\nContent-Length: 200\r\n\r\n`,
    );
    const dripping = drip(held, `{"campaignId":"${'x'.repeat(180)}`);
    await expectServed(gateway);
    const lasted = await held.closed;
    expect(lasted).toBeGreaterThan(REQUEST_MS - 100);
    expect(lasted).toBeLessThan(REQUEST_MS + LATE_MS);
    expect(held.text()).toMatch(/^HTTP\/1\.1 408 /);
    await dripping;
    expect(await rowsOf(gateway.pools.donations, key)).toBe(0);
    await expectServed(gateway);
  });

  test('with its first byte, which never comes', async () => {
    await using gateway = await start();
    expect(await (await hold(gateway.port)).closed).toBeLessThan(HEADERS_MS + LATE_MS);
  });

  test('but not one that rests between two requests', async () => {
    await using gateway = await start();
    const held = await hold(gateway.port);
    held.socket.write(alive);
    await eventually('answered', () => expect(held.text()).toContain('200 OK'));
    await sleep(REQUEST_MS + 1_000);
    held.socket.write(alive);
    await eventually('answered again', () => expect(held.text().match(/200 OK/g)).toHaveLength(2));
  });
});

describe('as many connections as there may be', () => {
  test('that only rest give their places to who comes', async () => {
    await using gateway = await start({ total: 20 });
    const resting = await Promise.all(Array.from({ length: 20 }, () => hold(gateway.port)));
    for (const { socket } of resting) socket.write(alive);
    await eventually('all of them answered', () => {
      for (const { text } of resting) expect(text()).toContain('200 OK');
    });
    await eventually('another one is served', () => expectServed(gateway));
  });

  test('that ask for nothing hold them for no longer than headers may take', async () => {
    await using gateway = await start({ total: 20 });
    await Promise.all(Array.from({ length: 20 }, () => hold(gateway.port)));
    await eventually('another one is served', () => expectServed(gateway));
  });

  test('of one client are closed beyond its own limit, and one that ends makes room', async () => {
    await using gateway = await start({ perAddress: 5 }, { ownNetworks: [] });
    const held = await Promise.all(Array.from({ length: 5 }, () => hold(gateway.port)));
    for (const { socket } of held) socket.write(alive);
    await eventually('all of them answered', () => {
      for (const { text } of held) expect(text()).toContain('200 OK');
    });
    const beyond = await hold(gateway.port);
    await beyond.closed;
    expect(beyond.text()).toBe('');
    held[0]?.socket.destroy();
    await eventually('another one is served', () => expectServed(gateway));
  });

  test.each([
    ['a trusted proxy', { ownNetworks: [], trusted: '127.0.0.1' }],
    ['the machine itself', { ownNetworks: ['127.0.0.1'] }],
  ])('of %s are many clients’ and have no limit of their own', async (_name, more) => {
    await using gateway = await start({ perAddress: 2 }, more);
    const held = await Promise.all(Array.from({ length: 10 }, () => hold(gateway.port)));
    for (const { socket } of held) socket.write(alive);
    await eventually('all of them answered', () => {
      for (const { text } of held) expect(text()).toContain('200 OK');
    });
  });
});
