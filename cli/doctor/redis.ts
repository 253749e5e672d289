import { Redis } from 'ioredis';
import { LIMIT_MS, type Answer, type Limits } from './probe.ts';

export async function askRedis(url: string, { opened }: Limits): Promise<Answer> {
  const redis = new Redis(url, {
    lazyConnect: true,
    connectTimeout: LIMIT_MS,
    disconnectTimeout: 50,
    retryStrategy: () => null,
    maxRetriesPerRequest: 0,
  });
  let reason: Error | undefined;
  redis.on('error', (error: Error) => {
    reason ??= error;
  });
  opened.defer(() => redis.disconnect());
  try {
    await redis.connect();
    const server = await redis.info('server');
    const memory = await redis.info('memory');
    const version = field(server, 'valkey_version') ?? field(server, 'redis_version');
    return { version, detail: `${field(memory, 'used_memory_human') ?? 'some'} memory in use` };
  } catch (error) {
    // The client's own words are "Connection is closed."; the event before it said why.
    throw reason ?? error;
  }
}

function field(text: string, name: string): string | null {
  return new RegExp(`^${name}:(\\S+)`, 'm').exec(text)?.[1] ?? null;
}
