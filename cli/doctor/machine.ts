import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import { LOCK_FILE, STATE } from '../../launch/paths.ts';
import { isRunning, parseIdentity } from '../../launch/process-identity.ts';
import type { Answer, Limits } from './probe.ts';

const NEEDED_NODE_MAJOR = 24;
const GIGABYTE = 1e9;
const ENOUGH_BYTES = 2 * GIGABYTE;
const TOO_FEW_BYTES = 0.2 * GIGABYTE;

export function askNode(version: string = process.versions.node): Answer {
  if (Number(version.split('.')[0]) >= NEEDED_NODE_MAJOR)
    return { version, detail: 'runs TypeScript as it is' };
  return {
    health: 'unhealthy',
    version,
    detail: `older than ${NEEDED_NODE_MAJOR}`,
    fix: 'call it through npm (`npm run careforall`), which brings its own',
  };
}

export async function askDisk(folder: string = STATE): Promise<Answer> {
  const { bavail, blocks, bsize } = await statfs(existsSync(folder) ? folder : dirname(folder));
  return judgeDisk(bavail * bsize, blocks * bsize);
}

export function judgeDisk(freeBytes: number, allBytes: number): Answer {
  const detail = `${inGigabytes(freeBytes)} of ${inGigabytes(allBytes)} GB free`;
  if (freeBytes >= ENOUGH_BYTES) return { detail };
  return {
    health: freeBytes < TOO_FEW_BYTES ? 'unhealthy' : 'attention',
    detail,
    fix: 'make room: a private PostgreSQL and Temporal keep their data there',
  };
}

function inGigabytes(bytes: number): string {
  return (bytes / GIGABYTE).toFixed(1);
}

/** One of Temporal's own tools: "temporal version 1.5.1 (Server 1.29.1, …)", "tctl version 1.18.0". */
export async function askTool(
  binary: string,
  { signal }: Pick<Limits, 'signal'>,
  home: string = STATE,
): Promise<Answer> {
  // Whatever it is asked, tctl makes a file in its user's home, and ends in a panic where there is none.
  const env = { HOME: home };
  const { stdout } = await promisify(execFile)(binary, ['--version'], { signal, env });
  const [, version = null, rest = ''] = /version v?(\S+)(?: \((.*)\))?/.exec(stdout) ?? [];
  return { version, detail: rest };
}

/** The pid of the `npm start` of this checkout, while it runs. */
export function launcherPid(file: string = LOCK_FILE): number | null {
  try {
    const holder = parseIdentity(readFileSync(file, 'utf8'));
    return holder !== undefined && isRunning(holder) ? holder.pid : null;
  } catch {
    return null;
  }
}
