import { mkdirSync, rmdirSync, statSync, utimesSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { CommandProblem } from '../problem.ts';

const POLL_MS = 25;
const WAIT_LIMIT_MS = 60_000;
/** Whoever holds it says so twice as often; older than this it belongs to a command that was killed. */
const STALE_MS = 10_000;

/** Of several commands at once, one after the other. Making a directory either succeeds or fails, for everybody alike. */
export async function exclusively<T>(directory: string, work: () => Promise<T>): Promise<T> {
  const deadline = Date.now() + WAIT_LIMIT_MS;
  while (!taken(directory)) {
    if (Date.now() > deadline)
      throw new CommandProblem(`${directory} is held by another command; remove it when there is none`);
    await sleep(POLL_MS);
  }
  const alive = setInterval(() => utimesSync(directory, new Date(), new Date()), STALE_MS / 2);
  try {
    return await work();
  } finally {
    clearInterval(alive);
    rmdirSync(directory);
  }
}

function taken(directory: string): boolean {
  try {
    mkdirSync(directory);
    return true;
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error;
  }
  try {
    if (Date.now() - statSync(directory).mtimeMs > STALE_MS) rmdirSync(directory);
  } catch (error) {
    // Given back or taken over meanwhile.
    if (codeOf(error) !== 'ENOENT') throw error;
  }
  return false;
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}
