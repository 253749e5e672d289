/** The platform's processes as a run has them: started again when they die, and countable when they do. */
import { join } from 'node:path';
import { startNode, type RunningNode } from '../node-program.ts';
import { neutralEnvironment } from '../options.ts';
import type { Running } from '../running.ts';
import type { Session } from '../session.ts';
import { supervise, type Supervised } from '../supervise.ts';

export type Processes = {
  start(name: string, script: string, env: Readonly<Record<string, string>>): Promise<void>;
  /** kill -9. */
  kill9(name: string): Promise<void>;
  /** How many have been ended by SIGKILL, as the system reported it. */
  killed(): number;
  /** Of those that run now, by name. */
  pids(): ReadonlyMap<string, number>;
};

/** Hears what a module that is loaded into every process tells of it. */
export type Informant = {
  readonly module: string;
  hear(name: string, message: unknown): void;
};

export function createProcesses(
  session: Session,
  directory: string,
  report: (line: string) => void,
  informant?: Informant,
): Processes {
  const supervised = new Map<string, Supervised<RunningNode>>();
  const spawned = new Map<string, Running>();
  let killed = 0;

  session.opened(
    'processes',
    async () => {
      await Promise.all([...supervised.values()].map((each) => each.stop()));
      // Those that were still starting.
      await Promise.all([...spawned.values()].map((each) => each.stop()));
    },
    () => {
      for (const each of spawned.values()) each.kill();
    },
  );

  return {
    async start(name, script, env) {
      session.goOn();
      const start = (): Promise<RunningNode> =>
        startNode({
          name,
          script,
          env: { ...neutralEnvironment(), ...env },
          logFile: join(directory, `${name}.log`),
          // All of it is thrown away: nothing has to be finished in order.
          stopLimitMs: 3_000,
          ...(informant === undefined
            ? {}
            : {
                nodeArgs: ['--import', informant.module],
                onMessage: (message: unknown) => informant.hear(name, message),
              }),
          onSpawn: (running) => {
            spawned.set(name, running);
            void running.ended.then((how) => {
              if (how === 'SIGKILL') killed += 1;
            });
          },
        });
      supervised.set(name, await supervise({ name, start, report }));
    },
    async kill9(name) {
      const victim = supervised.get(name)?.current();
      if (victim === undefined) throw new Error(`there is no process ${name}`);
      victim.kill();
      await victim.ended;
    },
    killed: () => killed,
    pids: () => new Map([...supervised].map(([name, each]) => [name, each.current().pid])),
  };
}
