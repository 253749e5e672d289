import { Client, Connection } from '@temporalio/client';
import type { Telemetry } from './telemetry.ts';

export type TemporalClient = { readonly client: Client; close(): Promise<void> };

/** Connects when first used, so that a process starts, and accepts donations, while Temporal is down. */
export function connectTemporal(address: string, namespace: string, telemetry: Telemetry): TemporalClient {
  const connection = Connection.lazy({ address });
  const client = new Client({ connection, namespace, plugins: [telemetry.temporalPlugin] });
  return { client, close: () => connection.close() };
}

/** Task queues of an installation, by service. */
export function taskQueues(prefix: string) {
  return {
    donations: `${prefix}-donations`,
    payments: `${prefix}-payments`,
    campaigns: `${prefix}-campaigns`,
  } as const;
}
