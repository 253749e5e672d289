/** No-op workflows: what Temporal itself costs on this machine. */
import { randomUUID } from 'node:crypto';
import type { Client } from '@temporalio/client';
import type { noop } from './noop-workflow.ts';

/** As many as the relay of the API starts. */
const STARTS_AT_ONCE = 64;

export function noopQueue(prefix: string): string {
  return `${prefix}-noop`;
}

/** From the start to the result, in ms. */
export async function timeOneNoop(temporal: Client, taskQueue: string): Promise<number> {
  const startedAt = performance.now();
  await temporal.workflow.execute<typeof noop>('noop', { taskQueue, workflowId: `noop/${randomUUID()}` });
  return performance.now() - startedAt;
}

/** Resolves when all are started. */
export async function startNoops(temporal: Client, taskQueue: string, count: number): Promise<void> {
  let left = count;
  const starter = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      await temporal.workflow.start<typeof noop>('noop', { taskQueue, workflowId: `noop/${randomUUID()}` });
    }
  };
  await Promise.all(Array.from({ length: STARTS_AT_ONCE }, starter));
}
