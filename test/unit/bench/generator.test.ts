import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import { generate, type Request } from '../../bench/generator.ts';

async function serve(listener: RequestListener): Promise<AsyncDisposable & { url: string }> {
  const server = createServer(listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

const post = (index: number): Request => ({
  method: 'POST',
  path: '/donate',
  headers: { 'Idempotency-Key': `key-${index}` },
  body: JSON.stringify({ message: `für ${index}` }),
});

test('every request is sent once, with its own key and body, over few connections', async () => {
  const seen = new Map<string, string>();
  const sockets = new Set<unknown>();
  await using server = await serve((request, response) => {
    sockets.add(request.socket);
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      seen.set(String(request.headers['idempotency-key']), Buffer.concat(chunks).toString());
      response.statusCode = 202;
      response.setHeader('Content-Length', 11);
      // In two pieces: an answer is complete when all of it is there.
      response.write('{"id":');
      setImmediate(() => response.end('"x"} '));
    });
  });
  const { perSecond, ownShare } = await generate({
    url: server.url,
    requests: 200,
    expectedStatus: 202,
    request: post,
  });
  expect(seen.size).toBe(200);
  expect(seen.get('key-199')).toBe('{"message":"für 199"}');
  expect(sockets.size).toBe(32);
  expect(perSecond).toBeGreaterThan(0);
  expect(ownShare).toBeGreaterThan(0);
});

test('an answer with another status ends the measurement and is shown', async () => {
  await using server = await serve((_, response) => {
    response.statusCode = 503;
    response.end('too much');
  });
  const load = { url: server.url, requests: 50, expectedStatus: 202, request: post };
  await expect(generate(load)).rejects.toThrow(/answered 503: too much/);
});

test('a server that closes the connection ends the measurement', async () => {
  await using server = await serve((request) => request.socket.destroy());
  const load = { url: server.url, requests: 50, expectedStatus: 202, request: post };
  await expect(generate(load)).rejects.toThrow(/closed a connection|ECONNRESET/);
});
