/** A checkout of the test's own, in which the README's commands leave their state: same files, same packages. */
import { spawn } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { neutralEnvironment } from '../../launch/options.ts';
import { ROOT } from '../../launch/paths.ts';

const LEFT_OUT = new Set(['node_modules', '.git', '.careforall', 'coverage']);
/** npm's record says which packages are installed; without it the copy would install them again. */
const OF_NPM = new Set(['.bin', '.package-lock.json']);
const COMMAND_LIMIT_MS = 90_000;
const STOP_LIMIT_MS = 60_000;

export type Ended = { readonly code: number | null; readonly stdout: string; readonly output: string };

export type LongRunning = {
  /** Resolves with all it has said so far; rejects when it ends before or says nothing of the kind. */
  untilSays(text: string, withinMs: number): Promise<string>;
  /** As the terminal does on Ctrl-C: to every process of the group. */
  interrupt(): Promise<Ended>;
};

export function copyCheckout(folder: string): AsyncDisposable {
  mkdirSync(folder);
  for (const name of readdirSync(ROOT).filter((entry) => !LEFT_OUT.has(entry)))
    cpSync(join(ROOT, name), join(folder, name), { recursive: true });
  linkPackages(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
  return {
    [Symbol.asyncDispose]: () => Promise.resolve(rmSync(folder, { recursive: true, force: true })),
  };
}

/** One link per package, so that nothing done to the copy's `node_modules` reaches the real one. */
function linkPackages(from: string, to: string): void {
  mkdirSync(to);
  for (const name of readdirSync(from)) {
    if (name.startsWith('@')) linkPackages(join(from, name), join(to, name));
    else if (!name.startsWith('.') || OF_NPM.has(name)) symlinkSync(join(from, name), join(to, name));
  }
}

export async function run(
  command: string,
  folder: string,
  env: Readonly<Record<string, string>> = {},
): Promise<Ended> {
  const { ended, end } = begin(command, folder, env);
  const limit = setTimeout(() => end('SIGKILL'), COMMAND_LIMIT_MS);
  try {
    return await ended;
  } finally {
    clearTimeout(limit);
  }
}

export function start(command: string, folder: string, env: Readonly<Record<string, string>>): LongRunning {
  const { ended, end, said, onOutput } = begin(command, folder, env);
  return {
    untilSays: (text, withinMs) =>
      new Promise((resolve, reject) => {
        const fail = (why: string): void => reject(new Error(`${command} ${why} "${text}":\n${said()}`));
        const limit = setTimeout(() => fail(`did not say within ${withinMs} ms`), withinMs);
        onOutput(() => {
          if (!said().includes(text)) return;
          clearTimeout(limit);
          resolve(said());
        });
        void ended.then(() => {
          clearTimeout(limit);
          fail('ended without saying');
        });
      }),
    interrupt: async () => {
      end('SIGINT');
      const limit = setTimeout(() => end('SIGKILL'), STOP_LIMIT_MS);
      try {
        return await ended;
      } finally {
        clearTimeout(limit);
      }
    },
  };
}

/** In a shell of its own group, with nothing that an npm or a platform around the test has set. */
function begin(command: string, folder: string, env: Readonly<Record<string, string>>) {
  const inherited = Object.entries(neutralEnvironment()).filter(
    ([name]) => !/^(npm_|INIT_CWD$|VITEST)/i.test(name),
  );
  const child = spawn('sh', ['-c', command], {
    cwd: folder,
    env: { ...Object.fromEntries(inherited), NO_COLOR: '1', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  let [stdout, output] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    stdout += chunk;
    output += chunk;
  });
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    output += chunk;
  });
  const ended = new Promise<Ended>((resolve) => {
    child.once('close', (code) => resolve({ code, stdout, output }));
  });
  return {
    ended,
    said: () => output,
    onOutput: (look: () => void) => {
      for (const stream of [child.stdout, child.stderr]) stream.on('data', look);
    },
    end: (signal: NodeJS.Signals): void => {
      try {
        if (child.pid !== undefined) process.kill(-child.pid, signal);
      } catch {
        // Gone already.
      }
    },
  };
}
