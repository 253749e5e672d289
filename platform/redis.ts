import { Redis } from 'ioredis';
import type { Logger } from './log.ts';

/**
 * Redis is only a cache here: no answer depends on it. Commands fail at once while it is away and never wait in a
 * queue, so a Redis that is down or black-holed costs a request at most `commandTimeout`.
 */
export function connectRedis(url: string, keyPrefix: string, log: Logger): Redis {
  const redis = new Redis(url, {
    keyPrefix: `${keyPrefix}:`,
    enableOfflineQueue: false,
    enableAutoPipelining: true,
    maxRetriesPerRequest: 0,
    commandTimeout: 50,
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
