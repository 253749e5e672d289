import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { identify, isRunning, parseIdentity } from './process-identity.ts';

/** Takes the lock for this process, or says which process holds it. A lock of a process that is gone is taken over. */
export function takeLock(file: string): { taken: true; release: () => void } | { taken: false; pid: number } {
  for (let attempt = 1; ; attempt += 1) {
    try {
      writeFileSync(file, JSON.stringify(identify(process.pid)), { flag: 'wx' });
      return { taken: true, release: () => rmSync(file, { force: true }) };
    } catch (error) {
      if (!isAlreadyThere(error) || attempt > 3) throw error;
    }
    const holder = readHolder(file);
    if (holder !== undefined && isRunning(holder)) return { taken: false, pid: holder.pid };
    rmSync(file, { force: true });
  }
}

function readHolder(file: string): ReturnType<typeof parseIdentity> {
  try {
    return parseIdentity(readFileSync(file, 'utf8'));
  } catch {
    return undefined;
  }
}

function isAlreadyThere(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'EEXIST';
}
