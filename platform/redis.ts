import { Redis } from 'ioredis';
import { BREAKERS } from './breaker.ts';
import type { Logger } from './log.ts';

/**
 * Redis is only a cache here: no answer depends on it. Commands fail at once while it is away and never wait in a
 * queue; `platform/breaker.ts` says how long one may take. A connection on which nothing comes back is replaced.
 */
export function connectRedis(url: string, keyPrefix: string, log: Logger): Redis {
  const redis = new Redis(url, {
    keyPrefix: `${keyPrefix}:`,
    enableOfflineQueue: false,
    enableAutoPipelining: true,
    maxRetriesPerRequest: 0,
    commandTimeout: BREAKERS.redis.timeoutMs,
    socketTimeout: 2_000,
    connectTimeout: 1_000,
    retryStrategy: (times) => Math.min(5_000, 100 * times),
  });
  let reported = false;
  redis.on('error', (err: Error) => {
    if (!reported) log.warn({ err }, 'Redis is not reachable; going on without the cache');
    reported = true;
  });
  redis.on('ready', () => {
    if (reported) log.info('Redis is back');
    reported = false;
  });
  return redis;
}
