/** TLS ends at the door, with the certificate that it is given. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { connect as connectHttp2 } from 'node:http2';
import { request } from 'node:https';
import { join } from 'node:path';
import { text as textOf } from 'node:stream/consumers';
import { connect } from 'node:tls';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ensureDirectory } from '../../launch/paths.ts';
import { testComponents } from '../harness/components.ts';
import { startDoor, type Door } from '../harness/nginx.ts';
import { problem, send } from '../integration/api/http-client.ts';
import { startListening, type ListeningService } from './listening-service.ts';

let donations: ListeningService;
let door: Door;
let certificate: string;
beforeAll(async () => {
  const directory = ensureDirectory(join(testComponents().runDirectory, 'certificate'));
  const [file, keyFile] = [join(directory, 'certificate.pem'), join(directory, 'key.pem')];
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'];
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', keyFile];
  execFileSync('openssl', ['req', '-x509', ...key, '-days', '1', ...subject, '-out', file], {
    stdio: 'pipe',
  });
  certificate = readFileSync(file, 'utf8');
  donations = await startListening('donations');
  door = await startDoor({
    directory: testComponents().runDirectory,
    upstreams: { donations: [donations.address] },
    certificate: { file, keyFile },
  });
});
afterAll(async () => {
  await door.stop();
  await donations[Symbol.asyncDispose]();
});

type Told = { status: number; text: string; transport: string | undefined };

function ask(path: string): Promise<Told> {
  return new Promise((resolve, reject) => {
    const sent = request({ host: 'localhost', port: door.ports.tls, path, ca: certificate, family: 4 });
    sent.on('error', reject);
    sent.on('response', (response) => {
      const { statusCode: status = 0, headers } = response;
      const transport = headers['strict-transport-security'];
      textOf(response).then((text) => resolve({ status, text, transport }), reject);
    });
    sent.end();
  });
}

test('a request over TLS reaches the service in plain, which is told how it came', async () => {
  expect(await ask('/donate')).toMatchObject({ status: 200, text: 'donations' });
  expect(donations.seen[0]?.headers['x-forwarded-proto']).toBe('https');
  expect((await ask('/admin/reviews')).status).toBe(404);
});

test('whoever came over TLS is told to come so again, whoever answers; in plain nobody is', async () => {
  for (const path of ['/donate', '/nothing']) {
    expect((await ask(path)).transport).toBe('max-age=31536000');
    const plain = await send(door.ports.public, { path });
    expect(plain.headers['strict-transport-security']).toBeUndefined();
  }
});

test('versions before TLS 1.2 are refused', async () => {
  const error = await new Promise<Error | null>((resolve) => {
    const socket = connect({
      host: '127.0.0.1',
      port: door.ports.tls,
      minVersion: 'TLSv1.1',
      maxVersion: 'TLSv1.1',
      ciphers: 'DEFAULT@SECLEVEL=0',
      rejectUnauthorized: false,
    });
    socket.on('error', resolve);
    socket.on('secureConnect', () => resolve(null));
  });
  expect(error?.message).toMatch(/protocol version/);
});

test('HTTP in plain at the port for TLS is told to be no HTTP', async () => {
  const answer = await send(door.ports.tls, { path: '/donate' });
  expect([answer.status, problem(answer).code]).toEqual([400, 'malformed_request']);
});

test('HTTP/2 is spoken to those who can, and reaches the services as any request does', async () => {
  const session = connectHttp2(`https://localhost:${door.ports.tls}`, { ca: certificate });
  try {
    const stream = session.request({ ':path': '/donate', 'x-forwarded-for': '203.0.113.9' });
    const head = await new Promise<Record<string, unknown>>((resolve, reject) => {
      stream.once('response', resolve);
      session.once('error', reject);
    });
    expect([head[':status'], await textOf(stream)]).toEqual([200, 'donations']);
    expect(donations.seen.at(-1)).toMatchObject({
      headers: { 'x-forwarded-for': '127.0.0.1', host: `localhost:${door.ports.tls}` },
    });
  } finally {
    session.close();
  }
});

test('HTTP/2 is offered before HTTP/1.1', async () => {
  const protocol = await new Promise((resolve, reject) => {
    const socket = connect({
      host: '127.0.0.1',
      port: door.ports.tls,
      ca: certificate,
      ALPNProtocols: ['h2', 'http/1.1'],
      servername: 'localhost',
    });
    socket.on('error', reject);
    socket.on('secureConnect', () => {
      resolve(socket.alpnProtocol);
      socket.destroy();
    });
  });
  expect(protocol).toBe('h2');
});
