/** Counts what comes under a key in windows of time: in Redis for all processes, in this one while Redis is away. */
import { createHash } from 'node:crypto';
import type { Redis } from 'ioredis';
import { RateLimiterMemory, RateLimiterRedis } from 'rate-limiter-flexible';
import { ReceiverAway, type Breaker } from '../../platform/breaker.ts';

/** How much there was in the current window, this included, and when the next one begins. */
export type Counted = { readonly used: number; readonly resetMs: number };
export type WindowCounter = (key: string) => Promise<Counted>;

export type CounterStore = { readonly redis: Redis; readonly breaker: Breaker };

/**
 * With `store` null counted in this process alone. What was counted elsewhere is not known here and the other way round: a
 * change between them can give a client one window more, never less.
 */
export function createWindowCounter(
  name: string,
  seconds: number,
  store: CounterStore | null,
): WindowCounter {
  const options = { keyPrefix: `limit:${name}`, points: Number.MAX_SAFE_INTEGER, duration: seconds };
  const local = new RateLimiterMemory(options);
  const here: WindowCounter = async (key) => counted(await local.penalty(bucketOf(key)));
  if (store === null) return here;
  const { redis, breaker } = store;
  const shared = new RateLimiterRedis({ ...options, storeClient: redis });
  return async (key) => {
    try {
      return counted(await breaker.run(() => shared.penalty(key)));
    } catch (error) {
      if (!(error instanceof ReceiverAway)) throw error;
      return await here(key);
    }
  };
}

/** 65,536 counters at most, however many addresses somebody has; two clients that share one are rare and counted together. */
function bucketOf(key: string): string {
  return createHash('sha1').update(key).digest('hex').slice(0, 4);
}

function counted({
  consumedPoints,
  msBeforeNext,
}: {
  consumedPoints: number;
  msBeforeNext: number;
}): Counted {
  return { used: consumedPoints, resetMs: Math.max(0, msBeforeNext) };
}
