/** Workflows that somebody has changed: a copy of ours, beside them, with other words in some of its files. */
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundleWorkflowCode, type WorkerPlugin, type WorkflowBundleWithSourceMap } from '@temporalio/worker';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const COPIES = join(ROOT, '.careforall', 'changed-workflows');

export type Change = {
  /** In `workflows/`. */
  readonly file: string;
  readonly change: (source: string) => string;
};

/** The bundle of a changed copy; a change that changes nothing is refused. */
export async function bundleChanged(
  plugins: WorkerPlugin[],
  changes: readonly Change[],
): Promise<WorkflowBundleWithSourceMap> {
  await mkdir(COPIES, { recursive: true });
  const copy = await mkdtemp(join(COPIES, `${process.pid}-`));
  try {
    for (const folder of ['domain', 'workflows'])
      await cp(join(ROOT, folder), join(copy, folder), { recursive: true });
    for (const { file, change } of changes) {
      const path = join(copy, 'workflows', file);
      const source = await readFile(path, 'utf8');
      const changed = change(source);
      if (changed === source) throw new Error(`workflows/${file} is as it was`);
      await writeFile(path, changed);
    }
    return await bundleWorkflowCode({
      workflowsPath: join(copy, 'workflows', 'index.ts'),
      plugins,
      logger: SILENT,
    });
  } finally {
    await rm(copy, { recursive: true, force: true });
  }
}

const SILENT = {
  log: () => undefined,
  trace: () => undefined,
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};

export async function workflowFiles(): Promise<string[]> {
  const names = await readdir(join(ROOT, 'workflows'));
  return names.filter((name) => name.endsWith('.ts')).toSorted();
}

export async function workflowSource(file: string): Promise<string> {
  return await readFile(join(ROOT, 'workflows', file), 'utf8');
}

/** A step more before the capture is claimed, as one would write it first. */
export const STEP_MORE: Change = {
  file: 'donation.ts',
  change: before('claimed = await activities.claimCapture', 'await activities.isOpen(campaignId);'),
};

/** The same, for donations that get there with this code; those that have been there go on as they did. */
export const STEP_MORE_PATCHED: Change = {
  file: 'donation.ts',
  change: (source) =>
    before(
      'claimed = await activities.claimCapture',
      `if (patched('open-before-capture')) await activities.isOpen(campaignId);`,
    )(source).replace('isCancellation, setHandler', 'isCancellation, patched, setHandler'),
};

/** The capture is claimed before anybody has authorized it. */
export const OTHER_ORDER: Change = {
  file: 'donation.ts',
  change: before(
    'const authorized = await payment.reach',
    'await activities.claimCapture({ donationId, authorizedVersion: null });',
  ),
};

function before(place: string, step: string): (source: string) => string {
  return (source) => source.replace(place, `${step}\n    ${place}`);
}
