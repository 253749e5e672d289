/** Where the Temporal CLI, which contains the development server, comes from. */
import { spawn } from 'node:child_process';
import { chmodSync, existsSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { findProgram, isExecutable } from '../find-program.ts';
import { neutralEnvironment } from '../options.ts';
import { BIN, ensureDirectory, ROOT } from '../paths.ts';
import { after, describeEnd } from '../running.ts';
import type { Step } from '../screen.ts';
import { ComponentMissing } from './component.ts';

/** Pinned in tools/go.mod as well. */
const CLI_VERSION = '1.5.1';
const DOWNLOAD_HOST = 'https://temporal.download/';
const REACHABLE_LIMIT_MS = 4_000;
const DOWNLOAD_LIMIT_MS = 180_000;

const BUILT_BINARY = join(BIN, process.platform === 'win32' ? 'temporal.exe' : 'temporal');

/** The one that is there already: on PATH, else from an earlier start. */
export function presentTemporalBinary(): string | undefined {
  return findProgram('temporal') ?? (isExecutable(BUILT_BINARY) ? BUILT_BINARY : undefined);
}

/** As above, else downloaded by Temporal's SDK, else built from the pinned Go module. Throws `ComponentMissing`. */
export async function obtainTemporalBinary(step: Step): Promise<string> {
  const present = presentTemporalBinary();
  if (present !== undefined) return present;
  ensureDirectory(BIN);
  step.note('asking for the download');
  const refusal = await downloadTemporal(step);
  if (refusal === undefined) return BUILT_BINARY;
  const failure = await buildTemporal(step);
  if (failure === undefined) return BUILT_BINARY;
  throw new ComponentMissing(
    `No Temporal server: none answers on port 7233, \`temporal\` is not on PATH, the download failed (${refusal}) and so did the build (${failure}). ` +
      'Install the Temporal CLI, or Go 1.23 or later, or give TEMPORAL_ADDRESS=host:7233.',
  );
}

/** undefined when done, else why not. The SDK has no time-out of its own, so it runs in a process that can be ended. */
async function downloadTemporal(step: Step): Promise<string | undefined> {
  try {
    await fetch(DOWNLOAD_HOST, {
      method: 'HEAD',
      redirect: 'manual',
      signal: AbortSignal.timeout(REACHABLE_LIMIT_MS),
    });
  } catch {
    return `${new URL(DOWNLOAD_HOST).host} cannot be reached`;
  }
  step.note('downloading');
  const folder = join(BIN, 'download');
  const script = join(ROOT, 'launch', 'components', 'temporal-download.ts');
  try {
    const failure = await runProgram(process.execPath, [script, ensureDirectory(folder), `v${CLI_VERSION}`], {
      limitMs: DOWNLOAD_LIMIT_MS,
    });
    if (failure !== undefined) return failure;
    const downloaded = readdirSync(folder)
      .map((name) => join(folder, name))
      .find((file) => statSync(file).size > 1_000_000);
    if (downloaded === undefined) return 'the download left no program';
    chmodSync(downloaded, 0o755);
    renameSync(downloaded, BUILT_BINARY);
    return undefined;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** undefined when done, else why not. Minutes when Go's caches are cold. */
async function buildTemporal(step: Step): Promise<string | undefined> {
  const go = findProgram('go') ?? findProgram('go', ['/usr/local/go/bin', '/opt/homebrew/bin']);
  if (go === undefined) return 'Go is not installed';
  const partial = `${BUILT_BINARY}.${process.pid}.partial`;
  let packages = 0;
  const flags = `-s -w -X github.com/temporalio/cli/temporalcli.Version=${CLI_VERSION}`;
  const failure = await runProgram(
    go,
    [
      'build',
      '-v',
      '-mod=readonly',
      '-buildvcs=false',
      '-ldflags',
      flags,
      '-o',
      partial,
      'github.com/temporalio/cli/cmd/temporal',
    ],
    {
      cwd: join(ROOT, 'tools'),
      onLine(line) {
        if (line.startsWith('go: downloading')) {
          step.note(`fetching ${line.split(' ')[2] ?? 'modules'}`);
          return;
        }
        packages += 1;
        step.note(`building from source: ${packages} of up to 1300 packages, now ${line.slice(0, 60)}`);
      },
    },
  );
  if (failure === undefined && existsSync(partial)) {
    renameSync(partial, BUILT_BINARY);
    return undefined;
  }
  rmSync(partial, { force: true });
  return failure ?? 'go build left no program';
}

/** undefined when it ended with 0, else a line on why not. Nothing survives this process: it shares its process group. */
async function runProgram(
  command: string,
  args: readonly string[],
  options: { readonly cwd?: string; readonly limitMs?: number; readonly onLine?: (line: string) => void },
): Promise<string | undefined> {
  const child = spawn(command, args, {
    cwd: options.cwd,
    env: neutralEnvironment(),
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let last = '';
  createInterface({ input: child.stderr }).on('line', (line) => {
    last = line;
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
  return how === 'exit code 0' ? undefined : [how, last].filter((part) => part !== '').join(': ');
}
