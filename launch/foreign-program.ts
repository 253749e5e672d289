/** Starts programs that are not ours (databases, brokers) under the guard, which ends them when this process is gone. */
import { spawn, type ChildProcess } from 'node:child_process';
import {
  closeSync,
  existsSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { neutralEnvironment } from './options.ts';
import { ensureDirectory } from './paths.ts';
import { identify, isRunning, parseIdentity } from './process-identity.ts';
import { after, describeEnd, StartFailed, type Running } from './running.ts';

const GUARD = join(import.meta.dirname, 'guard.mjs');
/** All that run now, for an end in the middle of a start. */
const alive = new Set<Running>();

const TAIL_LINES = 15;
const MAX_LOG_BYTES = 10_000_000;

export type ForeignProgram = {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly user?: { readonly uid: number; readonly gid: number } | undefined;
  /** Default SIGTERM. */
  readonly stopSignal?: NodeJS.Signals;
  /** Default 8 s; then SIGKILL. */
  readonly stopLimitMs?: number;
  readonly logFile: string;
  /** Where its pid is kept while it runs. */
  readonly pidFile: string;
};

/** Resolves once the program was executed, not when it answers. Throws a `StartFailed` when it cannot be executed. */
export async function startForeign(program: ForeignProgram): Promise<Running> {
  const { stopSignal = 'SIGTERM', stopLimitMs = 8_000 } = program;
  await endLeftover(program.pidFile, stopSignal);
  ensureDirectory(dirname(program.logFile));
  rotate(program.logFile);
  const log = openSync(program.logFile, 'a');
  const order = {
    command: program.command,
    args: program.args,
    cwd: program.cwd,
    env: program.env,
    uid: program.user?.uid,
    gid: program.user?.gid,
    stopSignal,
    stopLimitMs,
  };
  const guard = spawn(process.execPath, ['--max-old-space-size=32', GUARD, JSON.stringify(order)], {
    // A group of its own, so that Ctrl-C reaches only the launcher, which stops everything in order.
    detached: true,
    stdio: ['ignore', log, log, 'ipc'],
    env: neutralEnvironment(),
  });
  closeSync(log);
  const ended = new Promise<string>((resolve) => {
    guard.once('error', (error) => resolve(error.message));
    guard.once('exit', (code, signal) => resolve(describeEnd(code, signal)));
  });
  const pid = await Promise.race([firstMessage(guard), ended.then(() => undefined)]);
  if (pid === undefined) {
    throw new StartFailed(`${program.name} could not be started`, tailOf(program.logFile), program.logFile);
  }
  ensureDirectory(dirname(program.pidFile));
  writeFileSync(program.pidFile, JSON.stringify(identify(pid)));
  void ended.then(() => rmSync(program.pidFile, { force: true }));
  const running: Running = {
    pid,
    ended,
    async stop() {
      if (guard.connected) guard.disconnect();
      const limit = after(stopLimitMs + 2_000);
      if ((await Promise.race([ended, limit.passed])) === undefined) killGroup(guard.pid);
      limit.cancel();
      await ended;
    },
    kill: () => killGroup(guard.pid),
  };
  alive.add(running);
  void ended.then(() => alive.delete(running));
  return running;
}

/** Stops every foreign program that still runs. */
export async function stopForeignPrograms(): Promise<void> {
  await Promise.all([...alive].map((running) => running.stop()));
}

/** The last lines of a log file, for the message about why something failed. */
export function tailOf(logFile: string, lines = TAIL_LINES): string {
  if (!existsSync(logFile)) return '';
  return readFileSync(logFile, 'utf8').trimEnd().split('\n').slice(-lines).join('\n');
}

/** The guard itself may have been killed: then its program still runs and still holds its data. */
async function endLeftover(pidFile: string, stopSignal: NodeJS.Signals): Promise<void> {
  if (!existsSync(pidFile)) return;
  const leftover = parseIdentity(readFileSync(pidFile, 'utf8'));
  if (leftover !== undefined) {
    for (const [signal, limitMs] of [
      [stopSignal, 8_000],
      ['SIGKILL', 2_000],
    ] as const) {
      if (!isRunning(leftover)) break;
      process.kill(leftover.pid, signal);
      const deadline = Date.now() + limitMs;
      while (isRunning(leftover) && Date.now() < deadline)
        await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
  rmSync(pidFile, { force: true });
}

function rotate(logFile: string): void {
  if (existsSync(logFile) && statSync(logFile).size > MAX_LOG_BYTES) renameSync(logFile, `${logFile}.1`);
}

function firstMessage(guard: ChildProcess): Promise<number> {
  return new Promise((resolve) => {
    guard.once('message', (message) => {
      if (typeof message === 'object' && message !== null && 'pid' in message) resolve(Number(message.pid));
    });
  });
}

function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // Gone already.
  }
}
