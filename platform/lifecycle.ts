import { ConfigError } from './config.ts';
import type { Logger } from './log.ts';

/** What a process has opened; closed in reverse order when it ends. */
export type Opened = {
  /** Registers `close` to run at the end and gives `resource` back. Closes it and throws when the end has come meanwhile. */
  use<T>(name: string, resource: T, close: (resource: T) => Promise<void> | void): T;
};

type Closer = { readonly name: string; readonly close: () => Promise<void> | void };

const CLOSE_LIMIT_MS = 8_000;

/**
 * Runs one process: opens what `main` opens, tells the parent it is ready, and closes everything in reverse order on
 * SIGTERM, SIGINT or when the parent is gone. Ends within 10 s whatever hangs.
 */
export async function runProcess(
  log: Logger,
  main: (opened: Opened) => Promise<{ port: number }>,
): Promise<void> {
  const closers: Closer[] = [];
  const opened: Opened = {
    use(name, resource, close) {
      const closer = { name, close: () => close(resource) };
      if (ending !== undefined) {
        void closeOne(closer);
        throw new Error('told to stop while starting');
      }
      closers.push(closer);
      return resource;
    },
  };
  const closeOne = async ({ name, close }: Closer): Promise<void> => {
    try {
      await close();
    } catch (err) {
      log.warn({ err, name }, 'closing failed');
    }
  };

  let ending: Promise<void> | undefined;
  const end = (reason: string, exitCode: number): Promise<void> => {
    ending ??= (async () => {
      log.info({ reason }, 'stopping');
      process.exitCode = exitCode;
      // Unreferenced: it only fires when something keeps the event loop alive past the limit.
      setTimeout(() => process.kill(process.pid, 'SIGKILL'), CLOSE_LIMIT_MS).unref();
      for (const closer of closers.toReversed()) await closeOne(closer);
      if (process.connected) process.disconnect();
      log.info('stopped');
    })();
    return ending;
  };

  process.on('SIGTERM', () => void end('SIGTERM', 0));
  process.on('SIGINT', () => void end('SIGINT', 0));
  process.on('disconnect', () => void end('the parent process is gone', 0));
  process.on('uncaughtException', (err) => {
    log.fatal({ err }, 'uncaught exception');
    void end('uncaught exception', 1);
  });
  process.on('unhandledRejection', (err) => {
    log.fatal({ err }, 'unhandled rejection');
    void end('unhandled rejection', 1);
  });

  try {
    const { port } = await main(opened);
    log.info({ port }, 'ready');
    process.send?.({ ready: true, port });
  } catch (err) {
    // What it was opening may have failed because the rest is closed already.
    if (ending !== undefined) return await ending;
    if (err instanceof ConfigError) log.fatal(err.message);
    else log.fatal({ err }, 'could not start');
    await end('could not start', 1);
  }
}
