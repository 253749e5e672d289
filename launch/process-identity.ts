import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** A pid alone is no identity, the system hands it out again; with the start time it is one. */
export type ProcessIdentity = { readonly pid: number; readonly startedAt: string };

export function identify(pid: number): ProcessIdentity {
  return { pid, startedAt: startTime(pid) ?? 'unknown' };
}

export function isRunning(identity: ProcessIdentity): boolean {
  const startedAt = startTime(identity.pid);
  if (startedAt === undefined) return false;
  return identity.startedAt === 'unknown' || identity.startedAt === startedAt;
}

export function parseIdentity(text: string): ProcessIdentity | undefined {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== 'object' || value === null || !('pid' in value) || !('startedAt' in value))
      return undefined;
    const { pid, startedAt } = value;
    return Number.isSafeInteger(pid) && typeof startedAt === 'string'
      ? { pid: Number(pid), startedAt }
      : undefined;
  } catch {
    return undefined;
  }
}

/** undefined when no such process lives (a zombie has ended, only nobody has collected it yet). */
function startTime(pid: number): string | undefined {
  if (process.platform === 'linux') {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
      // The name in brackets may contain anything, so count from the last bracket: state is field 3, starttime field 22.
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      return fields[0] === 'Z' ? undefined : fields[19];
    } catch {
      return undefined;
    }
  }
  try {
    return execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8' }).trim() || undefined;
  } catch {
    return undefined;
  }
}
