import { once } from 'node:events';
import { createServer } from 'node:net';
import { expect, test } from 'vitest';
import { freePort, LOOPBACK } from '../../../launch/ports.ts';

/** Where Linux begins to take the ports of outgoing connections from; other systems begin higher. */
const FIRST_EPHEMERAL_PORT = 32_768;

test('a free port is none that an outgoing connection could take before a server listens on it', async () => {
  const ports = await Promise.all(Array.from({ length: 50 }, () => freePort()));
  for (const port of ports) expect(port).toBeLessThan(FIRST_EPHEMERAL_PORT);
  expect(Math.min(...ports)).toBeGreaterThan(1_024);
});

test('a port that is asked for is given when it is free, and another when it is taken', async () => {
  const port = await freePort();
  expect(await freePort(port)).toBe(port);
  const server = createServer().listen({ port, host: LOOPBACK });
  await once(server, 'listening');
  const other = await freePort(port);
  server.close();
  expect(other).not.toBe(port);
  expect(other).toBeLessThan(FIRST_EPHEMERAL_PORT);
});
