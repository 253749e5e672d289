import type { Running } from './running.ts';

const FIRST_DELAY_MS = 500;
const MAX_DELAY_MS = 30_000;
/** A process that lived this long has recovered: its next crash is waited for briefly again. */
const HEALTHY_AFTER_MS = 60_000;

export type Supervised<Process extends Running = Running> = {
  readonly name: string;
  /** The process that runs now; the one that ended last while it is being restarted. */
  current(): Process;
  stop(): Promise<void>;
};

/** Starts a process and starts it again, with back-off, whenever it ends without being asked to. Throws when the first start fails. */
export async function supervise<Process extends Running>(options: {
  readonly name: string;
  readonly start: () => Promise<Process>;
  readonly report: (line: string) => void;
}): Promise<Supervised<Process>> {
  const { name, start, report } = options;
  let current = await start();
  let stopping = false;
  let wake: (() => void) | undefined;

  const sleep = (ms: number): Promise<void> =>
    new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });

  const watch = async (): Promise<void> => {
    let delayMs = FIRST_DELAY_MS;
    let startedAt = Date.now();
    let how = await current.ended;
    while (!stopping) {
      if (Date.now() - startedAt > HEALTHY_AFTER_MS) delayMs = FIRST_DELAY_MS;
      report(`${name} ended unexpectedly (${how}): starting it again in ${delayMs / 1000} s`);
      await sleep(delayMs);
      if (stopping) return;
      delayMs = Math.min(delayMs * 2, MAX_DELAY_MS);
      startedAt = Date.now();
      try {
        current = await start();
        report(`${name} runs again (pid ${current.pid})`);
        how = await current.ended;
      } catch (error) {
        how = error instanceof Error ? error.message : String(error);
      }
    }
  };
  const watching = watch();

  return {
    name,
    current: () => current,
    async stop() {
      stopping = true;
      wake?.();
      await current.stop();
      await watching;
      // A restart may have been under way while the process before it was being stopped.
      await current.stop();
    },
  };
}
