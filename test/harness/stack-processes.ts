import { join } from 'node:path';
import { startNode, type RunningNode } from '../../launch/node-program.ts';
import { neutralEnvironment } from '../../launch/options.ts';
import type { Running } from '../../launch/running.ts';

/** `api` and `workers` are the one process of all services; the others are their own, where services are apart. */
export type Role =
  | 'api'
  | 'auth-api'
  | 'donations-api'
  | 'payments-api'
  | 'campaigns-api'
  | 'workers'
  | 'donations-worker'
  | 'payments-worker'
  | 'campaigns-worker'
  | 'background'
  | 'simulator';

const SCRIPTS: Readonly<Record<Role, string>> = {
  api: 'api/main.ts',
  'auth-api': 'api/auth/main.ts',
  'donations-api': 'api/donations/main.ts',
  'payments-api': 'api/payments/main.ts',
  'campaigns-api': 'api/campaigns/main.ts',
  workers: 'workers/all-in-one.ts',
  'donations-worker': 'workers/donations.ts',
  'payments-worker': 'workers/payments.ts',
  'campaigns-worker': 'workers/campaigns.ts',
  background: 'workers/background.ts',
  simulator: 'provider/simulator/main.ts',
};

export type EndedProcess = {
  readonly role: Role;
  readonly index: number;
  readonly how: string;
  readonly logFile: string;
};

export type StackProcess = {
  readonly role: Role;
  readonly index: number;
  readonly logFile: string;
  /** `env` is added to its environment, from now on. */
  start(env?: Readonly<Record<string, string>>): Promise<void>;
  /** undefined while it is down. */
  current(): RunningNode | undefined;
  kill9(): Promise<void>;
  stop(): Promise<void>;
};

const RESTART_PAUSE_MS = 100;

/** One process of a stack, by its place: it keeps its port and log over restarts, and its environment unless told. */
export function createStackProcess(options: {
  readonly role: Role;
  readonly index: number;
  readonly env: Readonly<Record<string, string>>;
  readonly runDirectory: string;
  /** Asked whenever it ends without the stack having stopped it. */
  readonly shouldRestart: () => boolean;
  readonly onEnd: (ended: EndedProcess) => void;
}): StackProcess {
  const { role, index } = options;
  const logFile = join(options.runDirectory, `${role}-${index}.log`);
  let running: RunningNode | undefined;
  /** Also while it is not ready yet. */
  let spawned: Running | undefined;
  let wanted = false;
  let env = options.env;

  const start = async (further: Readonly<Record<string, string>> = {}): Promise<void> => {
    wanted = true;
    env = { ...env, ...further };
    const started = await startNode({
      name: `${role} ${index}`,
      script: SCRIPTS[role],
      env: { ...neutralEnvironment(), LOG_LEVEL: 'info', ...env },
      logFile,
      onSpawn: (it) => {
        spawned = it;
        void it.ended.then(() => {
          if (spawned === it) spawned = undefined;
        });
      },
    });
    running = started;
    void started.ended.then(async (how) => {
      running = undefined;
      if (!wanted) return;
      options.onEnd({ role, index, how, logFile });
      await restart();
    });
  };
  const restart = async (): Promise<void> => {
    while (wanted && spawned === undefined && options.shouldRestart()) {
      await new Promise((resolve) => setTimeout(resolve, RESTART_PAUSE_MS));
      if (!wanted || spawned !== undefined) return;
      try {
        await start();
      } catch (error) {
        if (!wanted) return;
        options.onEnd({ role, index, how: error instanceof Error ? error.message : String(error), logFile });
      }
    }
  };

  return {
    role,
    index,
    logFile,
    start,
    current: () => running,
    async kill9() {
      const victim = running;
      if (victim === undefined) throw new Error(`${role} ${index} does not run`);
      victim.kill();
      await victim.ended;
    },
    async stop() {
      wanted = false;
      await spawned?.stop();
      running = undefined;
    },
  };
}
