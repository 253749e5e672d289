import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { FailpointName } from '../../platform/failpoint.ts';
import { ensureDirectory } from '../../launch/paths.ts';

export type Failpoints = {
  readonly directory: string;
  /** The next process that reaches the point dies as by kill -9, once. */
  arm(name: FailpointName): void;
  disarm(name: FailpointName): void;
  /** Whether a process has died there since it was last armed. */
  fired(name: FailpointName): boolean;
};

export function createFailpoints(directory: string): Failpoints {
  ensureDirectory(directory);
  const armed = (name: FailpointName): string => join(directory, name);
  return {
    directory,
    arm(name) {
      rmSync(`${armed(name)}.fired`, { force: true });
      writeFileSync(armed(name), '');
    },
    disarm: (name) => rmSync(armed(name), { force: true }),
    fired: (name) => existsSync(`${armed(name)}.fired`),
  };
}
