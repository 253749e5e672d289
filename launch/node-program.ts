/** Starts one of our own processes: it reports readiness over IPC and ends by itself when that channel closes. */
import { spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { dirname, resolve as resolvePath } from 'node:path';
import { createInterface } from 'node:readline';
import { ensureDirectory, ROOT } from './paths.ts';
import { after, describeEnd, StartFailed, type Running } from './running.ts';

const TAIL_LINES = 25;

export type NodeProgram = {
  readonly name: string;
  /** From the root of the checkout. */
  readonly script: string;
  /** The whole environment, nothing is inherited. */
  readonly env: Readonly<Record<string, string>>;
  readonly logFile: string;
  readonly onLine?: (line: string) => void;
  /** Told as soon as the process exists, so that it can be stopped before it is ready. */
  readonly onSpawn?: (running: Running) => void;
  /** Whatever it sends over IPC. */
  readonly onMessage?: (message: unknown) => void;
  readonly readyLimitMs?: number;
  readonly stopLimitMs?: number;
  readonly nodeArgs?: readonly string[];
};

export type RunningNode = Running & {
  /** The port it serves, as it reported it. */
  readonly port: number;
};

/** Resolves when the process says it is ready; throws a `StartFailed` when it ends before or takes too long. */
export async function startNode(program: NodeProgram): Promise<RunningNode> {
  const { readyLimitMs = 60_000, stopLimitMs = 12_000 } = program;
  ensureDirectory(dirname(program.logFile));
  const log = createWriteStream(program.logFile, { flags: 'a' });
  const child = spawn(process.execPath, [...(program.nodeArgs ?? []), resolvePath(ROOT, program.script)], {
    cwd: ROOT,
    // A group of its own, so that Ctrl-C reaches only the launcher, which stops everything in order.
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    env: { ...program.env },
  });
  const tail: string[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    if (stream === null) continue;
    createInterface({ input: stream }).on('line', (line) => {
      log.write(`${line}\n`);
      tail.push(line);
      if (tail.length > TAIL_LINES) tail.shift();
      program.onLine?.(line);
    });
  }
  const ended = new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(error.message));
    // 'close' rather than 'exit': the last lines have been read by then.
    child.once('close', (code, signal) => resolve(describeEnd(code, signal)));
  });
  void ended.then(() => log.end());
  const signal = (name: NodeJS.Signals): void => {
    try {
      child.kill(name);
    } catch {
      // Gone already.
    }
  };
  const stop = async (): Promise<void> => {
    signal('SIGTERM');
    const limit = after(stopLimitMs);
    if ((await Promise.race([ended, limit.passed])) === undefined) signal('SIGKILL');
    limit.cancel();
    await ended;
  };

  const running: Running = { pid: child.pid ?? 0, ended, stop, kill: () => signal('SIGKILL') };
  program.onSpawn?.(running);
  if (program.onMessage !== undefined) child.on('message', program.onMessage);

  const ready = new Promise<number>((resolve) => {
    child.on('message', (message) => {
      if (typeof message !== 'object' || message === null || !('ready' in message)) return;
      resolve('port' in message && typeof message.port === 'number' ? message.port : 0);
    });
  });
  const limit = after(readyLimitMs);
  const first = await Promise.race([
    ready.then((port) => ({ port })),
    ended.then((how) => ({ failure: `${program.name} ended while starting (${how})` })),
    limit.passed.then(() => ({ failure: `${program.name} was not ready after ${readyLimitMs / 1000} s` })),
  ]);
  limit.cancel();
  if ('failure' in first) {
    await stop();
    throw new StartFailed(first.failure, tail.join('\n'), program.logFile);
  }
  return { ...running, port: first.port };
}
