/** Runs Temporal workers: connects, waits for a server that is away, polls, and shuts down without losing work. */
import { setTimeout as sleep } from 'node:timers/promises';
import { NativeConnection, Runtime, Worker, type WorkerOptions } from '@temporalio/worker';
import type { Logger } from '../platform/log.ts';

export type RunningWorkers = {
  /** Rejects when a worker fails for good. */
  readonly finished: Promise<void>;
  stop(): Promise<void>;
};

/** How the worker of a queue is set that runs workflows with local activities. */
export const WORKFLOW_WORKER = {
  maxConcurrentWorkflowTaskExecutions: 16,
  maxConcurrentLocalActivityExecutions: 100,
  workflowTaskPollerBehavior: { type: 'autoscaling', minimum: 2, initial: 4, maximum: 10 },
} as const satisfies Partial<WorkerOptions>;

/** How every worker takes activities. */
export const ACTIVITY_WORKER = {
  maxConcurrentActivityTaskExecutions: 100,
  activityTaskPollerBehavior: { type: 'autoscaling', minimum: 1, initial: 2, maximum: 10 },
} as const satisfies Partial<WorkerOptions>;

const CONNECT_RETRY_MS = 1_000;
/** Activities get this long to finish after a shutdown began. */
const SHUTDOWN_GRACE = '3 seconds';

/** Temporal's own messages in our log; must run before the first worker. */
export function logThrough(log: Logger): void {
  Runtime.install({
    logger: {
      log: (level, message, meta) => log.debug({ level, meta }, message),
      trace: (message, meta) => log.trace({ meta }, message),
      debug: (message, meta) => log.debug({ meta }, message),
      info: (message, meta) => log.debug({ meta }, message),
      // Two of the three queues have activities only: that is how they are meant.
      warn: (message, meta) =>
        log[message.startsWith('No workflows registered') ? 'debug' : 'warn']({ meta: plain(meta) }, message),
      error: (message, meta) => log.error({ meta: plain(meta) }, message),
    },
    shutdownSignals: [],
  });
}

/** Errors in Temporal's metadata are objects that JSON would print as {}. */
function plain(meta: object | undefined): object {
  return Object.fromEntries(
    Object.entries(meta ?? {}).map(([key, value]) => [
      key,
      value instanceof Error ? `${value.name}: ${value.message}` : value,
    ]),
  );
}

export async function connectUntilUp(address: string, log: Logger): Promise<NativeConnection> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await NativeConnection.connect({ address });
    } catch (error) {
      if (attempt === 1)
        log.warn(
          { address, reason: error instanceof Error ? error.message : String(error) },
          'Temporal is not reachable; waiting for it',
        );
      await sleep(CONNECT_RETRY_MS);
    }
  }
}

export async function runWorkers(options: readonly WorkerOptions[]): Promise<RunningWorkers> {
  const workers = await Promise.all(
    options.map((it) => Worker.create({ shutdownGraceTime: SHUTDOWN_GRACE, ...it })),
  );
  const finished = Promise.all(workers.map((worker) => worker.run())).then(() => undefined);
  return {
    finished,
    stop: async () => {
      for (const worker of workers) if (worker.getState() === 'RUNNING') worker.shutdown();
      await finished;
    },
  };
}
