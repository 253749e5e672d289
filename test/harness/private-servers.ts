/** Servers of a test's own, which it may flush, fill, stop and kill. */
import { join } from 'node:path';
import { presentTemporalBinary, obtainTemporalBinary } from '../../launch/components/temporal-binary.ts';
import { prepareNamespace, temporalServer } from '../../launch/components/temporal.ts';
import { startRedis } from '../../launch/components/redis.ts';
import { freePort, LOOPBACK } from '../../launch/ports.ts';
import type { Running } from '../../launch/running.ts';

export type PrivateServer = AsyncDisposable & {
  readonly url: string;
  /** kill -9. */
  kill(): Promise<void>;
  /** On the same port again; a Redis comes back empty. */
  restart(): Promise<void>;
  stop(): Promise<void>;
};

export async function startPrivateRedis(runDirectory: string): Promise<PrivateServer> {
  const port = await freePort();
  const directory = join(runDirectory, `redis-${port}`);
  const start = (): Promise<Running> =>
    startRedis({
      directory,
      port,
      logFile: join(directory, 'redis.log'),
      pidFile: join(directory, 'pid.json'),
    });
  return privateServer(`redis://${LOOPBACK}:${port}`, start);
}

/** In memory unless `dbFilename` is given; its URL is `host:port`. Search attributes of namespace `default` are there. */
export async function startPrivateTemporal(
  runDirectory: string,
  dbFilename?: string,
): Promise<PrivateServer> {
  const binary = presentTemporalBinary() ?? (await obtainTemporalBinary({ note: () => undefined }));
  const port = await freePort();
  const directory = join(runDirectory, `temporal-${port}`);
  const server = await temporalServer(binary, {
    dbFilename,
    preferredPort: port,
    ui: false,
    logFile: join(directory, 'temporal.log'),
    pidFile: join(directory, 'pid.json'),
  });
  return privateServer(server.address, async () => {
    const running = await server.start();
    await prepareNamespace(server.address, 'default');
    return running;
  });
}

async function privateServer(url: string, start: () => Promise<Running>): Promise<PrivateServer> {
  let running = await start();
  const stop = (): Promise<void> => running.stop();
  return {
    url,
    async kill() {
      running.kill();
      await running.ended;
    },
    async restart() {
      await running.stop();
      running = await start();
    },
    stop,
    [Symbol.asyncDispose]: stop,
  };
}
