import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import express from 'express';
import { createApi } from './api.ts';
import { createControl } from './control.ts';
import { startSettlements } from './settlements.ts';
import { createSimulator } from './simulator.ts';
import type { SimulatorOptions } from './simulator.ts';

/** Longer than a client keeps an idle connection, so that no request meets a closing one. */
const KEEP_ALIVE_MS = 75_000;

export type RunningSimulator = { readonly port: number; close(): Promise<void> };

export async function startSimulator(
  options: SimulatorOptions & { readonly host: string; readonly port: number },
): Promise<RunningSimulator> {
  const simulator = createSimulator(options);
  const settlements = startSettlements(simulator);
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  app.set('query parser', 'extended');
  app.use('/v1', createApi(simulator));
  app.use('/_simulator', createControl(simulator));

  const server = createServer({ keepAliveTimeout: KEEP_ALIVE_MS }, app);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, options.host, resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    close: async () => {
      const closed = new Promise<void>((resolve) => {
        server.close(() => resolve());
      });
      // Also those that wait for an answer they will never get.
      server.closeAllConnections();
      await closed;
      settlements.close();
      simulator.close();
    },
  };
}
