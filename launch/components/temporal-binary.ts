/** Where the Temporal CLI, which contains the development server, comes from. */
import { chmodSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { BIN, ensureDirectory, ROOT } from '../paths.ts';
import type { Step } from '../screen.ts';
import { ComponentMissing } from './component.ts';
import { buildProgram, builtProgram, presentProgram, runProgram, type GoProgram } from './go-program.ts';

/** Pinned in tools/go.mod as well. */
const CLI_VERSION = '1.5.1';
const DOWNLOAD_HOST = 'https://temporal.download/';
const REACHABLE_LIMIT_MS = 4_000;
const DOWNLOAD_LIMIT_MS = 180_000;

const TEMPORAL: GoProgram = {
  name: 'temporal',
  module: 'tools',
  package: 'github.com/temporalio/cli/cmd/temporal',
  ldflags: `-s -w -X github.com/temporalio/cli/temporalcli.Version=${CLI_VERSION}`,
  packages: 1_300,
};

/** The one that is there already: on PATH, else from an earlier start. */
export function presentTemporalBinary(): string | undefined {
  return presentProgram(TEMPORAL);
}

/** As above, else downloaded by Temporal's SDK, else built from the pinned Go module. Throws `ComponentMissing`. */
export async function obtainTemporalBinary(step: Step): Promise<string> {
  const present = presentTemporalBinary();
  if (present !== undefined) return present;
  step.note('asking for the download');
  const refusal = await downloadTemporal(step);
  if (refusal === undefined) return builtProgram(TEMPORAL);
  const failure = await buildProgram(TEMPORAL, step);
  if (failure === undefined) return builtProgram(TEMPORAL);
  throw new ComponentMissing(
    `No Temporal CLI, which also brings the server: \`temporal\` is not on PATH, the download failed (${refusal}) and so did the build (${failure}). ` +
      'Install the Temporal CLI, or Go 1.25 or later, or give TEMPORAL_ADDRESS=host:7233.',
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
    renameSync(downloaded, builtProgram(TEMPORAL));
    return undefined;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
