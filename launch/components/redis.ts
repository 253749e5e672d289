import { Redis } from 'ioredis';
import { findProgram } from '../find-program.ts';
import { startForeign, tailOf } from '../foreign-program.ts';
import { ensureDirectory } from '../paths.ts';
import { freePort, isListening, LOOPBACK } from '../ports.ts';
import { StartFailed, untilAnswers, type Running } from '../running.ts';
import { ComponentMissing, messageOf, withoutPassword, type Finding } from './component.ts';

const STANDARD_PORT = 6379;

export type PrivateRedisOptions = {
  readonly directory: string;
  readonly logFile: string;
  readonly pidFile: string;
};

/** `REDIS_URL` → 127.0.0.1:6379 → `redis-server` or `valkey-server` started privately → none. */
export async function findRedis(options: {
  readonly url: string | undefined;
  readonly privately: PrivateRedisOptions;
}): Promise<Finding> {
  if (options.url !== undefined) {
    const refusal = await ping(options.url);
    if (refusal !== undefined)
      throw new ComponentMissing(`REDIS_URL (${withoutPassword(options.url)}) is not usable: ${refusal}.`);
    return { found: { name: 'redis', address: options.url, how: 'Redis from REDIS_URL' }, warnings: [] };
  }
  const warnings: string[] = [];
  if (await isListening(STANDARD_PORT)) {
    const url = `redis://${LOOPBACK}:${STANDARD_PORT}`;
    const refusal = await ping(url);
    if (refusal === undefined) {
      return {
        found: { name: 'redis', address: url, how: `Redis at ${LOOPBACK}:${STANDARD_PORT} (was running)` },
        warnings,
      };
    }
    warnings.push(`What listens on port ${STANDARD_PORT} is not used as Redis: ${refusal}.`);
  }
  const command = findProgram('redis-server') ?? findProgram('valkey-server');
  if (command === undefined) {
    warnings.push(
      'No Redis: going on without it. Nothing is lost, answers to repeated requests just cost PostgreSQL more. Install redis-server or give REDIS_URL.',
    );
    return { found: null, warnings };
  }
  const port = await freePort();
  return {
    found: {
      name: 'redis',
      address: `redis://${LOOPBACK}:${port}`,
      how: `Redis at ${LOOPBACK}:${port} (private)`,
      start: () => startRedis({ ...options.privately, command, port }),
    },
    warnings,
  };
}

/** Memory only: what Redis holds is a cache. */
export async function startRedis(
  options: PrivateRedisOptions & { readonly command?: string; readonly port: number },
): Promise<Running> {
  const command = options.command ?? findProgram('redis-server') ?? findProgram('valkey-server');
  if (command === undefined) throw new ComponentMissing('redis-server is not installed.');
  const running = await startForeign({
    name: 'Redis',
    command,
    args: [
      '--port',
      String(options.port),
      '--bind',
      LOOPBACK,
      '--dir',
      ensureDirectory(options.directory),
      '--save',
      '',
      '--appendonly',
      'no',
    ],
    logFile: options.logFile,
    pidFile: options.pidFile,
  });
  const url = `redis://${LOOPBACK}:${options.port}`;
  if (await untilAnswers(async () => (await ping(url)) === undefined, running, 10_000)) return running;
  await running.stop();
  throw new StartFailed('the private Redis does not answer', tailOf(options.logFile), options.logFile);
}

/** undefined when it answers as Redis does, else why not. */
export async function ping(url: string): Promise<string | undefined> {
  const redis = new Redis(url, {
    lazyConnect: true,
    connectTimeout: 2_000,
    commandTimeout: 2_000,
    retryStrategy: () => null,
    maxRetriesPerRequest: 0,
  });
  let refusal: string | undefined;
  redis.on('error', (error: unknown) => {
    refusal ??= messageOf(error);
  });
  try {
    await redis.connect();
    const answer = await redis.ping();
    return answer === 'PONG' ? undefined : `it answered "${String(answer)}"`;
  } catch (error) {
    return refusal ?? messageOf(error);
  } finally {
    redis.disconnect();
  }
}
