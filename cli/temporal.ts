import { Client, Connection } from '@temporalio/client';
import { reaching } from './problem.ts';

const CONNECT_LIMIT_MS = 5_000;

/** Connects at once, so that a server that is away is told before anything else is read. */
export async function openTemporal(
  address: string,
  namespace: string,
): Promise<{ readonly client: Client; close(): Promise<void> }> {
  const connection = await reaching(`Temporal at ${address}`, () =>
    Connection.connect({ address, connectTimeout: CONNECT_LIMIT_MS }),
  );
  return { client: new Client({ connection, namespace }), close: () => connection.close() };
}
