/** What the figures were measured on: read from the machine, never typed. */
import { cpus, loadavg, totalmem } from 'node:os';
import type { Stage } from '../../launch/stage/stage.ts';

export type Machine = {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGb: number;
  readonly node: string;
  readonly postgres: string;
  readonly temporal: string;
};

const BYTES_PER_GB = 2 ** 30;
const BUSY_PER_CORE = 0.75;

export async function describeMachine({ pools, temporal }: Stage): Promise<Machine> {
  const [version, system] = await Promise.all([
    pools.donations.query<{ server_version: string }>('SHOW server_version'),
    temporal.workflowService.getSystemInfo({}),
  ]);
  return {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: cores(),
    memoryGb: Math.round(totalmem() / BYTES_PER_GB),
    node: process.versions.node,
    postgres: version.rows[0]?.server_version.split(' ')[0] ?? 'unknown',
    temporal: system.serverVersion ?? 'unknown',
  };
}

export function cores(): number {
  return cpus().length;
}

/** Over the last minute; 0 where the system does not count it. */
export function loadAverage(): number {
  return loadavg()[0] ?? 0;
}

/** Why figures measured now would mean nothing; `undefined` when they would mean something. */
export function whyBusy(load: number, coreCount: number): string | undefined {
  const limit = coreCount * BUSY_PER_CORE;
  if (load < limit) return undefined;
  return (
    `The machine is busy: its load average is ${load.toFixed(2)}, and above ${limit} with ${coreCount} cores ` +
    `the figures would be those of its other work. Wait until it is calm, or say --anyway.`
  );
}
