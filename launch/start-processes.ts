import { join } from 'node:path';
import { createLineFormatter } from './log-lines.ts';
import { startNode, type RunningNode } from './node-program.ts';
import { neutralEnvironment } from './options.ts';
import { LOGS } from './paths.ts';
import type { Running } from './running.ts';
import { warn } from './screen.ts';
import type { Session } from './session.ts';
import { supervise, type Supervised } from './supervise.ts';

export type Starter = (process: {
  readonly name: string;
  readonly script: string;
  readonly env: Readonly<Record<string, string>>;
  readonly stopLimitMs?: number;
}) => Promise<Supervised<RunningNode>>;

/** Starts the platform's own processes, shows their logs and restarts them when they crash. */
export function createStarter(session: Session): Starter {
  const colorize = process.stdout.isTTY;
  let count = 0;
  return async ({ name, script, env, stopLimitMs }) => {
    session.goOn();
    const format = createLineFormatter(name, count, colorize);
    count += 1;
    // Registered before it is started, so that what is opened together is closed in the order of the calls.
    let spawned: Running | undefined;
    let toStop: { stop(): Promise<void> } | undefined;
    session.opened(
      name,
      () => toStop?.stop(),
      () => spawned?.kill(),
    );
    const supervised = await supervise({
      name,
      report: warn,
      start: () =>
        startNode({
          name,
          script,
          env: { ...neutralEnvironment(), ...env },
          logFile: join(LOGS, `${name}.log`),
          onLine: (line) => process.stdout.write(format(line)),
          onSpawn: (running) => {
            spawned = running;
            toStop ??= running;
          },
          ...(stopLimitMs === undefined ? {} : { stopLimitMs }),
        }),
    });
    toStop = supervised;
    return supervised;
  };
}
