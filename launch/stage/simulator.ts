/** A run's hand on the provider simulator: it turns dials, and reads the provider's own account of what happened. */
import { z } from 'zod';

const effects = z.array(
  z.object({
    type: z.string(),
    donationId: z.string().nullable(),
    amountMinor: z.number(),
    currency: z.string(),
  }),
);
const counts = z.object({
  waiting: z.number(),
  delivered: z.number(),
  dropped: z.number(),
  attempts: z.number(),
});
const fired = z.record(z.string(), z.number());

/** One thing that happened to money, from the provider's append-only ledger. */
export type Effect = z.infer<typeof effects>[number];
export type WebhookCounts = z.infer<typeof counts>;

export type Simulator = {
  turn(dials: object): Promise<void>;
  arm(shots: readonly object[]): Promise<void>;
  calmDown(): Promise<void>;
  /** How often each fault has really happened. */
  fired(): Promise<Readonly<Record<string, number>>>;
  webhooks(): Promise<WebhookCounts>;
  ledger(): Promise<readonly Effect[]>;
};

const ANSWER_LIMIT_MS = 15_000;

export function connectSimulator(base: string): Simulator {
  const call = async (method: string, path: string, body?: object): Promise<unknown> => {
    const answer = await fetch(`${base}/_simulator${path}`, {
      method,
      headers: { 'content-type': 'application/json' },
      signal: AbortSignal.timeout(ANSWER_LIMIT_MS),
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    if (!answer.ok)
      throw new Error(`the simulator refused ${method} ${path}: ${answer.status} ${await answer.text()}`);
    return await answer.json();
  };
  return {
    turn: async (dials) => void (await call('POST', '/dials', dials)),
    arm: async (shots) => void (await call('POST', '/faults', shots)),
    calmDown: async () => void (await call('POST', '/reset')),
    fired: async () => fired.parse(await call('GET', '/faults/fired')),
    webhooks: async () => counts.parse(await call('GET', '/webhooks')),
    ledger: async () => effects.parse(await call('GET', '/ledger')),
  };
}
