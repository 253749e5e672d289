import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Fault } from '../../provider/simulator/dials.ts';
import type { Effect } from '../../provider/simulator/records.ts';
import type { WebhookCounts } from '../../provider/simulator/webhooks.ts';
import { createProviderActs } from '../harness/provider-acts.ts';
import type { ProviderActs } from '../harness/provider-acts.ts';

export const SECRET_KEY = 'sk_test_contract';
export const WEBHOOK_SECRET = 'whsec_contract';

export type SimulatorProcess = ProviderActs & {
  readonly base: string;
  turn(dials: Record<string, unknown>): Promise<void>;
  arm(...shots: Record<string, unknown>[]): Promise<void>;
  reset(): Promise<void>;
  fired(): Promise<Record<Fault, number>>;
  ledger(): Promise<Effect[]>;
  webhookCounts(): Promise<WebhookCounts>;
  control(method: string, path: string, body?: unknown): Promise<unknown>;
  kill(signal: NodeJS.Signals): Promise<void>;
  /** A new process on the same ledger and port. */
  restart(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
};

/** The simulator as tests meet it: a child process with a ledger of its own. */
export async function startSimulator(env: Record<string, string> = {}): Promise<SimulatorProcess> {
  const folder = mkdtempSync(join(tmpdir(), 'simulator-'));
  let port = 0;
  let child: ChildProcess | null = null;

  const start = async (): Promise<void> => {
    const started = fork(join(import.meta.dirname, '../../provider/simulator/main.ts'), [], {
      execArgv: [],
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      env: {
        SIMULATOR_SECRET_KEY: SECRET_KEY,
        SIMULATOR_WEBHOOK_SECRET: WEBHOOK_SECRET,
        ...env,
        SIMULATOR_LEDGER: join(folder, 'ledger.jsonl'),
        SIMULATOR_PORT: String(port),
      },
    });
    child = started;
    port = await new Promise<number>((resolve, reject) => {
      started.once('message', (message) => resolve((message as { port: number }).port));
      started.once('exit', (code) =>
        reject(new Error(`The simulator ended with ${String(code)} before it was ready`)),
      );
    });
  };

  const kill = async (signal: NodeJS.Signals): Promise<void> => {
    const running = child;
    child = null;
    if (running?.exitCode !== null || running.signalCode !== null) return;
    const ended = new Promise((resolve) => running.once('exit', resolve));
    running.kill(signal);
    await ended;
  };

  const control = async (method: string, path: string, body?: unknown): Promise<unknown> => {
    const answer = await fetch(`http://127.0.0.1:${port}/_simulator${path}`, {
      method,
      ...(body === undefined
        ? {}
        : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
    });
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
    return answer.json();
  };

  await start();
  return {
    ...createProviderActs(async (path, body) => (await control('POST', path, body)) as { id: string }),
    get base() {
      return `http://127.0.0.1:${port}`;
    },
    turn: async (dials) => void (await control('POST', '/dials', dials)),
    arm: async (...shots) => void (await control('POST', '/faults', shots)),
    reset: async () => void (await control('POST', '/reset')),
    fired: async () => (await control('GET', '/faults/fired')) as Record<Fault, number>,
    ledger: async () => (await control('GET', '/ledger')) as Effect[],
    webhookCounts: async () => (await control('GET', '/webhooks')) as WebhookCounts,
    control,
    kill,
    restart: start,
    [Symbol.asyncDispose]: async () => {
      await kill('SIGTERM');
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
