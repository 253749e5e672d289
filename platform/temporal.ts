import {
  Client,
  Connection,
  isGrpcServiceError,
  ServiceError,
  type WorkflowClientInterceptor,
} from '@temporalio/client';
import { createBreaker, type Breaker } from './breaker.ts';
import type { Logger } from './log.ts';
import type { Telemetry } from './telemetry.ts';

export type TemporalClient = {
  readonly client: Client;
  /** Every start, signal and look-up of the client passes through it. */
  readonly breaker: Breaker;
  close(): Promise<void>;
};

/** A server that is back is noticed within a second, one that fell silent within 20; it allows no pings closer than 10 s. */
const CHANNEL = {
  'grpc.initial_reconnect_backoff_ms': 200,
  'grpc.max_reconnect_backoff_ms': 1_000,
  'grpc.keepalive_time_ms': 15_000,
  'grpc.keepalive_timeout_ms': 5_000,
} as const;

/** Connects when first used, so that a process starts, and accepts donations, while Temporal is down. */
export function connectTemporal(
  address: string,
  namespace: string,
  telemetry: Telemetry,
  log: Logger,
): TemporalClient {
  const connection = Connection.lazy({ address, channelArgs: CHANNEL });
  const breaker = createBreaker('temporal', log, { isAway: isTemporalAway });
  const client = new Client({
    connection,
    namespace,
    plugins: [telemetry.temporalPlugin],
    interceptors: { workflow: [breaking(breaker)] },
  });
  return { client, breaker, close: () => connection.close() };
}

function breaking(breaker: Breaker): WorkflowClientInterceptor {
  return {
    startWithDetails: (input, next) => breaker.run(() => next(input)),
    signal: (input, next) => breaker.run(() => next(input)),
    signalWithStart: (input, next) => breaker.run(() => next(input)),
    describe: (input, next) => breaker.run(() => next(input)),
  };
}

/**
 * CANCELLED, UNKNOWN, DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED, INTERNAL, UNAVAILABLE. Any other status is an answer: the
 * workflow runs already, is not there, the request is wrong. https://grpc.io/docs/guides/status-codes/
 */
const AWAY_CODES: ReadonlySet<number> = new Set([1, 2, 4, 8, 13, 14]);

export function isTemporalAway(error: unknown): boolean {
  const cause = error instanceof ServiceError ? error.cause : error;
  return isGrpcServiceError(cause) && AWAY_CODES.has(cause.code);
}

/** Task queues of an installation, by service. */
export function taskQueues(prefix: string) {
  return {
    donations: `${prefix}-donations`,
    payments: `${prefix}-payments`,
    campaigns: `${prefix}-campaigns`,
  } as const;
}

/** What an installation leaves in Temporal's schedules. */
export function reconciliationSchedules(prefix: string) {
  return {
    delta: `${prefix}-reconciliation-delta`,
    full: `${prefix}-reconciliation-full`,
    invariants: `${prefix}-reconciliation-invariants`,
  } as const;
}
