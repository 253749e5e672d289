/**
 * What keeps a receiver that is away from costing every caller its time-out: after a few failures in a row nobody asks
 * it for a moment, then one call finds out whether it is back. Never where Temporal retries: those retries are durable.
 */
import {
  circuitBreaker,
  CircuitState,
  ConsecutiveBreaker,
  handleAll,
  TaskCancelledError,
  timeout,
  TimeoutStrategy,
  wrap,
} from 'cockatiel';
import type { Logger } from './log.ts';

export type BreakerSettings = {
  /** A call that takes longer has failed. */
  readonly timeoutMs: number;
  /** So many failures in a row open it. */
  readonly threshold: number;
  /** How long nobody asks before one call may find out. */
  readonly halfOpenAfterMs: number;
};

/** One per receiver and process. */
export const BREAKERS = {
  /** Spares an INSERT at most, so it is given up quickly and for longer. */
  redis: { timeoutMs: 50, threshold: 3, halfOpenAfterMs: 1_000 },
  temporal: { timeoutMs: 3_000, threshold: 5, halfOpenAfterMs: 500 },
  rabbitmq: { timeoutMs: 5_000, threshold: 5, halfOpenAfterMs: 500 },
  /** Calls in local activity slots alone; the time-out is the policy's when it is set. */
  'local-provider': { timeoutMs: 1_000, threshold: 5, halfOpenAfterMs: 2_000 },
} as const satisfies Readonly<Record<string, BreakerSettings>>;

export type BreakerName = keyof typeof BREAKERS;
export type BreakerState = 'closed' | 'half-open' | 'open';

export type Breaker = {
  readonly name: BreakerName;
  state(): BreakerState;
  /** What makes sense to begin now: anything, one call that finds out whether the receiver is back, or nothing. */
  admits(): 'all' | 'one' | 'none';
  /**
   * Makes the call; `signal` aborts when it is out of time. Rejects with `ReceiverAway` when it failed or was not made, and
   * with the call's own error when that is an answer (see `isAway`).
   */
  run<T>(call: (signal: AbortSignal) => Promise<T>): Promise<T>;
};

/** The receiver does not answer, or did not a moment ago (then there is no `cause`): the same call may succeed later. */
export class ReceiverAway extends Error {
  override readonly name = 'ReceiverAway';
}

export type BreakerOptions = Partial<BreakerSettings> & {
  /** Tells an error of a receiver that is away from one that is its answer. Default: every error is the former. */
  readonly isAway?: (error: unknown) => boolean;
};

type Outcome<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: unknown };

export function createBreaker(name: BreakerName, log: Logger, options: BreakerOptions = {}): Breaker {
  const { isAway = () => true, ...changed } = options;
  const { timeoutMs, threshold, halfOpenAfterMs } = { ...BREAKERS[name], ...changed };
  const circuit = circuitBreaker(handleAll, {
    breaker: new ConsecutiveBreaker(threshold),
    halfOpenAfter: halfOpenAfterMs,
  });
  const limited = wrap(circuit, timeout(timeoutMs, TimeoutStrategy.Aggressive));
  let openedAtMs = 0;
  let isOut = false;

  circuit.onBreak((failure) => {
    openedAtMs = Date.now();
    // An outage is one line when it begins and one when it ends, however often was looked in between.
    const level = isOut ? 'debug' : 'warn';
    isOut = true;
    log[level]({ breaker: name, state: 'open', ...reasonOf(failure) }, `${name} does not answer`);
  });
  circuit.onHalfOpen(() => log.debug({ breaker: name, state: 'half-open' }, `looking for ${name}`));
  circuit.onReset(() => {
    isOut = false;
    log.info({ breaker: name, state: 'closed' }, `${name} answers again`);
  });

  const admits: Breaker['admits'] = () => {
    if (circuit.state === CircuitState.Closed) return 'all';
    const looksNow = circuit.state === CircuitState.HalfOpen;
    return !looksNow && Date.now() - openedAtMs >= halfOpenAfterMs ? 'one' : 'none';
  };

  return {
    name,
    state: () => STATES[circuit.state],
    admits,
    run: async <T>(call: (signal: AbortSignal) => Promise<T>): Promise<T> => {
      // Asked here, because the library would let callers wait for the one that looks.
      if (admits() === 'none') throw new ReceiverAway(`${name} is not asked: it did not answer a moment ago`);
      let outcome: Outcome<T>;
      try {
        outcome = await limited.execute(({ signal }) => settled(call, signal, isAway));
      } catch (cause) {
        const isLate = cause instanceof TaskCancelledError;
        throw new ReceiverAway(`${name}: ${isLate ? `no answer within ${timeoutMs} ms` : messageOf(cause)}`, {
          cause,
        });
      }
      if (!outcome.ok) throw outcome.error;
      return outcome.value;
    },
  };
}

/** For health routes. */
export function statesOf(breakers: readonly Breaker[]): Readonly<Record<string, BreakerState>> {
  return Object.fromEntries(breakers.map((breaker) => [breaker.name, breaker.state()]));
}

const STATES: Readonly<Record<CircuitState, BreakerState>> = {
  [CircuitState.Closed]: 'closed',
  [CircuitState.HalfOpen]: 'half-open',
  [CircuitState.Open]: 'open',
  // Only after isolate(), which nobody calls.
  [CircuitState.Isolated]: 'open',
};

/** An answer that is an error is a sign of life, so it resolves. */
async function settled<T>(
  call: (signal: AbortSignal) => Promise<T>,
  signal: AbortSignal,
  isAway: (error: unknown) => boolean,
): Promise<Outcome<T>> {
  try {
    return { ok: true, value: await call(signal) };
  } catch (error) {
    if (isAway(error)) throw error;
    return { ok: false, error };
  }
}

function reasonOf(failure: object | undefined): { reason?: string } {
  return failure !== undefined && 'error' in failure ? { reason: messageOf(failure.error) } : {};
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
