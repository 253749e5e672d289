/** How much memory each process holds: as the system counts it, and what is alive on its JavaScript heap. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import type { Informant } from '../stage/processes.ts';

export type Sample = {
  readonly minutes: number;
  /** Donations accepted so far. */
  readonly accepted: number;
  readonly processes: readonly ProcessMemory[];
};

export type ProcessMemory = {
  readonly name: string;
  /** Unknown where there is no /proc, and of a process that is just being restarted. */
  readonly rssMb: number | undefined;
  /** Unknown of what is not Node, and before the first full collection. */
  readonly liveHeapMb: number | undefined;
};

export type MemoryWatch = {
  readonly informant: Informant;
  measure(pids: ReadonlyMap<string, number>): ProcessMemory[];
};

const KB_PER_MB = 1_024;
const BYTES_PER_MB = 1_048_576;
const told = z.object({ liveHeapBytes: z.number() });

export function watchMemory(): MemoryWatch {
  const liveHeapMb = new Map<string, number>();
  return {
    informant: {
      module: join(import.meta.dirname, 'tell-live-heap.mjs'),
      hear(name, message) {
        const { success, data } = told.safeParse(message);
        if (success) liveHeapMb.set(name, data.liveHeapBytes / BYTES_PER_MB);
      },
    },
    measure: (pids) =>
      [...pids].map(([name, pid]) => ({ name, rssMb: readRssMb(pid), liveHeapMb: liveHeapMb.get(name) })),
  };
}

function readRssMb(pid: number): number | undefined {
  try {
    const kb = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
    return kb === undefined ? undefined : Number(kb) / KB_PER_MB;
  } catch {
    return undefined;
  }
}
