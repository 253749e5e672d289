import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startProxy, through, type Proxy } from '../../harness/proxy.ts';

let server: Server;
let received = '';
beforeAll(async () => {
  server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.on('data', (chunk: Buffer) => {
      received += chunk.toString();
      socket.write(`<${chunk.toString()}>`);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
});
afterAll(() => {
  server.close();
});

const proxied = (): Promise<Proxy> =>
  startProxy({ host: '127.0.0.1', port: (server.address() as AddressInfo).port });

async function client(proxy: Proxy): Promise<Socket> {
  const socket = connect(proxy.port, proxy.host);
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  return socket;
}

/** `once` would reject with the reset that these tests are about. */
function closing(socket: Socket): Promise<unknown> {
  return new Promise((resolve) => socket.once('close', resolve));
}

async function answerTo(socket: Socket, text: string, limitMs = 300): Promise<string | null> {
  const answer = once(socket, 'data').then(([chunk]) => String(chunk));
  socket.write(text);
  const late = new Promise<null>((resolve) => setTimeout(() => resolve(null), limitMs));
  return await Promise.race([answer, late]);
}

test('an open link passes both ways', async () => {
  await using proxy = await proxied();
  const socket = await client(proxy);
  expect(await answerTo(socket, 'a')).toBe('<a>');
  expect(proxy.connections()).toBe(1);
  socket.destroy();
});

test('a cut link resets what is open and refuses what is new, until it heals on the same port', async () => {
  await using proxy = await proxied();
  const socket = await client(proxy);
  expect(await answerTo(socket, 'a')).toBe('<a>');
  const closed = closing(socket);
  await proxy.cut();
  await closed;
  await expect(client(proxy)).rejects.toThrow('ECONNREFUSED');
  await proxy.heal();
  const again = await client(proxy);
  expect(await answerTo(again, 'b')).toBe('<b>');
  again.destroy();
});

test('a black hole holds everything back and gives it out again when it heals', async () => {
  await using proxy = await proxied();
  const open = await client(proxy);
  proxy.blackHole();
  const late = await client(proxy);
  expect(await answerTo(open, 'a', 100)).toBeNull();
  expect(await answerTo(late, 'b', 100)).toBeNull();
  const answers = Promise.all([once(open, 'data'), once(late, 'data')]);
  await proxy.heal();
  expect((await answers).map(([chunk]) => String(chunk))).toEqual(['<a>', '<b>']);
  open.destroy();
  late.destroy();
});

test('a link that loses answers lets the request take effect', async () => {
  await using proxy = await proxied();
  const socket = await client(proxy);
  proxy.loseAnswers();
  const mark = `effect-${String(proxy.port)}`;
  expect(await answerTo(socket, mark, 150)).toBeNull();
  expect(received).toContain(mark);
  const closed = closing(socket);
  await proxy.heal();
  await closed;
});

test('a slow link takes its time and keeps the order of the bytes', async () => {
  await using proxy = await proxied();
  const socket = await client(proxy);
  proxy.delay(60);
  const startedAt = performance.now();
  let seen = '';
  socket.on('data', (chunk: Buffer) => {
    seen += chunk.toString().replace(/[<>]/g, '');
  });
  for (const letter of 'abc') socket.write(letter);
  await new Promise((resolve) => setTimeout(resolve, 20));
  proxy.delay(0);
  socket.write('d');
  await expect.poll(() => seen).toBe('abcd');
  expect(performance.now() - startedAt).toBeGreaterThan(55);
  socket.destroy();
});

test('a URL keeps everything but its host and port', () => {
  const target = { host: '127.0.0.1', port: 1 };
  expect(through('postgres://u:p%40@db:5432/x?a=b', target)).toBe('postgres://u:p%40@127.0.0.1:1/x?a=b');
  expect(through('amqp://guest:guest@host', target)).toBe('amqp://guest:guest@127.0.0.1:1');
});
