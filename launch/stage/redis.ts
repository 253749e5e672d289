/** A Redis of the run's own: nobody else's would be emptied. */
import { Redis } from 'ioredis';
import { join } from 'node:path';
import { startRedis } from '../components/redis.ts';
import { findProgram } from '../find-program.ts';
import { freePort, LOOPBACK } from '../ports.ts';
import type { Running } from '../running.ts';

export type OwnRedis = {
  readonly url: string;
  /** FLUSHALL; returns how many keys were forgotten. */
  flush(): Promise<number>;
  /** By the server's own count. */
  flushes(): Promise<number>;
};

/** `null` when the machine has neither `redis-server` nor `valkey-server`. */
export async function startOwnRedis(
  directory: string,
): Promise<{ redis: OwnRedis; running: Running } | null> {
  const command = findProgram('redis-server') ?? findProgram('valkey-server');
  if (command === undefined) return null;
  const port = await freePort();
  const running = await startRedis({
    command,
    port,
    directory: join(directory, 'redis'),
    logFile: join(directory, 'redis.log'),
    pidFile: join(directory, 'redis.json'),
  });
  const url = `redis://${LOOPBACK}:${port}`;
  return {
    running,
    redis: {
      url,
      flush: () =>
        withRedis(url, async (redis) => {
          const keys = await redis.dbsize();
          await redis.flushall();
          return keys;
        }),
      flushes: () =>
        withRedis(url, async (redis) => {
          const statistics = await redis.info('commandstats');
          return Number(/cmdstat_flushall:calls=(\d+)/.exec(statistics)?.[1] ?? 0);
        }),
    },
  };
}

async function withRedis<T>(url: string, work: (redis: Redis) => Promise<T>): Promise<T> {
  const redis = new Redis(url, { lazyConnect: true, connectTimeout: 2_000, retryStrategy: () => null });
  redis.on('error', () => undefined);
  try {
    await redis.connect();
    return await work(redis);
  } finally {
    redis.disconnect();
  }
}
