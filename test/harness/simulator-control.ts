import type { Dials, Fault, Operation } from '../../provider/simulator/dials.ts';
import type { Effect } from '../../provider/simulator/records.ts';
import type { WebhookCounts } from '../../provider/simulator/webhooks.ts';
import { createProviderActs } from './provider-acts.ts';
import type { ProviderActs } from './provider-acts.ts';

export type Shot = {
  readonly operation: Operation;
  readonly fault: Fault;
  readonly times?: number;
  readonly donationId?: string;
  readonly delayMs?: number;
};

/** A webhook of the test's own making; a body that nobody signed for, unless told otherwise. */
export type CraftedWebhook = {
  readonly event?: Readonly<Record<string, unknown>>;
  readonly type?: string;
  readonly rawBody?: string;
  readonly signature?: 'good' | 'bad' | 'missing';
  readonly timestampOffsetSeconds?: number;
  readonly times?: number;
};

/** What a test can make the provider do; throws when the simulator refuses. */
export type SimulatorControl = ProviderActs & {
  readonly base: string;
  dials(): Promise<Dials>;
  turn(dials: Partial<Record<keyof Dials, unknown>>): Promise<void>;
  arm(...shots: Shot[]): Promise<void>;
  /** Every dial calm, no shot left. */
  reset(): Promise<void>;
  /** How often each fault has really happened: a chaos test without it proves nothing. */
  fired(): Promise<Record<Fault, number>>;
  /** Everything that happened to money, oldest first. */
  ledger(sinceSeq?: number): Promise<Effect[]>;
  webhookCounts(): Promise<WebhookCounts>;
  sendWebhook(webhook: CraftedWebhook): Promise<{ status: number | null; statuses: (number | null)[] }>;
};

export function createSimulatorControl(base: string): SimulatorControl {
  const call = async <T>(method: string, path: string, body?: unknown): Promise<T> => {
    const answer = await fetch(`${base}/_simulator${path}`, {
      method,
      headers: { 'content-type': 'application/json' },
      signal: AbortSignal.timeout(30_000),
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
    return (await answer.json()) as T;
  };
  return {
    ...createProviderActs((path, body) => call('POST', path, body)),
    base,
    dials: () => call('GET', '/dials'),
    turn: async (dials) => void (await call('POST', '/dials', dials)),
    arm: async (...shots) => void (await call('POST', '/faults', shots)),
    reset: async () => void (await call('POST', '/reset')),
    fired: () => call('GET', '/faults/fired'),
    ledger: (sinceSeq = 0) => call('GET', `/ledger?since=${sinceSeq}`),
    webhookCounts: () => call('GET', '/webhooks'),
    sendWebhook: (webhook) => call('POST', '/webhooks', webhook),
  };
}
