/** A service behind the door that writes down what reaches it, and answers as it is told. */
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export type Seen = {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  /** Names and values as they came, repeated ones included. */
  readonly rawHeaders: readonly string[];
  readonly body: Buffer;
};

export type ListeningService = AsyncDisposable & {
  /** `host:port` */
  readonly address: string;
  readonly seen: Seen[];
  /** Default: 200 and its name. */
  answer: (response: ServerResponse, seen: Seen) => void;
};

export async function startListening(name: string): Promise<ListeningService> {
  const seen: Seen[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { method = '', url = '', headers, rawHeaders } = request;
      const one: Seen = { method, url, headers, rawHeaders, body: Buffer.concat(chunks) };
      seen.push(one);
      service.answer(response, one);
    });
  });
  server.keepAliveTimeout = 80_000;
  const service: ListeningService = {
    address: '',
    seen,
    answer: (response) => {
      response.setHeader('Content-Type', 'text/plain').end(name);
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return Object.assign(service, { address: `127.0.0.1:${(server.address() as AddressInfo).port}` });
}
