import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { ensureDirectory, TEST_LOGS } from '../../launch/paths.ts';

const RUNS_KEPT = 5;

/** A folder for the logs of this run; those of the runs before it are kept for a while. */
export function createRunDirectory(name: string): string {
  ensureDirectory(TEST_LOGS);
  const older = readdirSync(TEST_LOGS).toSorted();
  for (const run of older.slice(0, Math.max(0, older.length - RUNS_KEPT)))
    rmSync(join(TEST_LOGS, run), { recursive: true, force: true });
  const stamp = new Date().toISOString().replace(/[:.]/g, '-');
  return ensureDirectory(join(TEST_LOGS, `${stamp}-${name}-${process.pid}`));
}
