/** A program that the machine may have, that an earlier start may have left in `.careforall/bin`, and that Go can build. */
import { spawn } from 'node:child_process';
import { existsSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { findProgram, isExecutable } from '../find-program.ts';
import { neutralEnvironment } from '../options.ts';
import { BIN, ensureDirectory, ROOT } from '../paths.ts';
import { after, describeEnd } from '../running.ts';
import type { Step } from '../screen.ts';

export type GoProgram = {
  readonly name: string;
  /** The folder of the Go module that pins it, from the root of the checkout. */
  readonly module: string;
  readonly package: string;
  readonly ldflags: string;
  /** How many packages a build with cold caches compiles, for the progress. */
  readonly packages: number;
};

/** Go names the cause in the line before, or two before, its advice. */
const LAST_LINES = 3;

export function builtProgram({ name }: GoProgram): string {
  return join(BIN, process.platform === 'win32' ? `${name}.exe` : name);
}

/** The one that is there already: on PATH, else from an earlier start. */
export function presentProgram(program: GoProgram): string | undefined {
  const built = builtProgram(program);
  return findProgram(program.name) ?? (isExecutable(built) ? built : undefined);
}

/** undefined when done, else why not. Minutes when Go's caches are cold. */
export async function buildProgram(program: GoProgram, step: Step): Promise<string | undefined> {
  const go = findProgram('go') ?? findProgram('go', ['/usr/local/go/bin', '/opt/homebrew/bin']);
  if (go === undefined) return 'Go is not installed';
  ensureDirectory(BIN);
  const built = builtProgram(program);
  const partial = `${built}.${process.pid}.partial`;
  let packages = 0;
  const flags = ['-v', '-mod=readonly', '-buildvcs=false', '-ldflags', program.ldflags, '-o', partial];
  const failure = await runProgram(go, ['build', ...flags, program.package], {
    cwd: join(ROOT, program.module),
    onLine(line) {
      if (line.startsWith('go: downloading')) {
        step.note(`fetching ${line.split(' ')[2] ?? 'modules'}`);
        return;
      }
      packages += 1;
      step.note(
        `building from source: ${packages} of up to ${program.packages} packages, now ${line.slice(0, 60)}`,
      );
    },
  });
  if (failure === undefined && existsSync(partial)) {
    renameSync(partial, built);
    return undefined;
  }
  rmSync(partial, { force: true });
  return failure ?? 'go build left no program';
}

/** undefined when it ended with 0, else its last words in a line. Nothing survives this process: it shares its process group. */
export async function runProgram(
  command: string,
  args: readonly string[],
  options: { readonly cwd?: string; readonly limitMs?: number; readonly onLine?: (line: string) => void },
): Promise<string | undefined> {
  const child = spawn(command, args, {
    cwd: options.cwd,
    env: neutralEnvironment(),
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const tail: string[] = [];
  createInterface({ input: child.stderr }).on('line', (line) => {
    tail.push(line.trim());
    if (tail.length > LAST_LINES) tail.shift();
    options.onLine?.(line);
  });
  const limit = options.limitMs === undefined ? undefined : after(options.limitMs);
  void limit?.passed.then(() => child.kill('SIGKILL'));
  const end = (): boolean => child.kill('SIGTERM');
  process.once('exit', end);
  const how = await new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('close', (code, signal) => resolve(describeEnd(code, signal)));
  });
  process.off('exit', end);
  limit?.cancel();
  return how === 'exit code 0' ? undefined : [how, tail.join(' ')].filter((part) => part !== '').join(': ');
}
