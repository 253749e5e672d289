/** Health of a process that serves no API. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { statesOf, type Breaker } from '../platform/breaker.ts';
import type { Logger } from '../platform/log.ts';

export type OpsServer = { readonly port: number; close(): Promise<void> };

export async function startOpsServer(
  port: number,
  host: string,
  log: Logger,
  ready: () => Promise<void>,
  breakers: readonly Breaker[],
): Promise<OpsServer> {
  const server = createServer((request, response) => {
    const answer = (status: number, body: object): void => {
      response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(body));
    };
    if (request.url === '/livez') answer(200, { status: 'ok' });
    else if (request.url === '/livez?verbose') answer(200, { status: 'ok', breakers: statesOf(breakers) });
    else if (request.url === '/readyz') {
      ready().then(
        () => answer(200, { status: 'ready' }),
        (err: unknown) => {
          log.warn({ err }, 'not ready');
          answer(503, { status: 'not ready' });
        },
      );
    } else answer(404, { status: 'not found' });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => resolve());
  });
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
