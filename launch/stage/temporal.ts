/** A Temporal of the run's own, in memory; where none can be run, a namespace of its own on the one that runs. */
import { Connection } from '@temporalio/client';
import { join } from 'node:path';
import { obtainTemporalBinary, presentTemporalBinary } from '../components/temporal-binary.ts';
import { greet, temporalServer, type TemporalComponent } from '../components/temporal.ts';
import { LOOPBACK } from '../ports.ts';
import type { Step } from '../screen.ts';

const GREETING_LIMIT_MS = 3_000;

export async function findOwnTemporal(options: {
  readonly address: string | undefined;
  readonly directory: string;
  readonly step: Step;
}): Promise<TemporalComponent> {
  const { address = `${LOOPBACK}:7233`, directory, step } = options;
  if (presentTemporalBinary() === undefined && (await greet(address, GREETING_LIMIT_MS)) === undefined) {
    return { name: 'temporal', address, how: `Temporal at ${address} (was running)`, uiUrl: undefined };
  }
  return await temporalServer(await obtainTemporalBinary(step), {
    ui: true,
    logFile: join(directory, 'temporal.log'),
    pidFile: join(directory, 'temporal.json'),
  });
}

export async function deleteNamespace(address: string, namespace: string): Promise<void> {
  const connection = await Connection.connect({ address, connectTimeout: GREETING_LIMIT_MS });
  try {
    await connection.operatorService.deleteNamespace({ namespace });
  } finally {
    await connection.close();
  }
}
