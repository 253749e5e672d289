import { randomUUID } from 'node:crypto';
import type { Pool } from 'pg';
import { afterAll, beforeAll, beforeEach, expect } from 'vitest';
import type { OperationLimits } from '../../../activities/payments/operations.ts';
import { createPaymentActivities } from '../../../activities/payments/index.ts';
import type { Failpoint, FailpointName } from '../../../platform/failpoint.ts';
import { createPool } from '../../../platform/postgres.ts';
import type { PaymentProvider, ProviderPayment } from '../../../provider/port.ts';
import type { Fault } from '../../../provider/simulator/dials.ts';
import { createStripeProvider } from '../../../provider/stripe/adapter.ts';
import { readWebhookEvent } from '../../../provider/stripe/webhook.ts';
import type { PaymentActivities, PaymentOrder } from '../../../workflows/ports.ts';
import { SECRET_KEY, startSimulator, type SimulatorProcess } from '../../contract/start-simulator.ts';
import { isolatedDatabases } from '../database/isolated-databases.ts';

/** Of one call to the provider: long for this machine, short for a test that waits it out. */
export const PROVIDER_TIMEOUT_MS = 300;

/** How one run of an activity differs from the first one of a calm worker. */
export type Run = {
  readonly attempt?: number;
  readonly isLocal?: boolean;
  readonly localTokens?: number;
  readonly failpoint?: Failpoint;
  readonly pool?: Pool;
  readonly provider?: PaymentProvider;
  readonly limits?: OperationLimits;
};

export type PaymentBench = {
  readonly pool: Pool;
  readonly simulator: SimulatorProcess;
  readonly provider: PaymentProvider;
  /** The same provider, asked with a key that it does not know. */
  readonly strangersProvider: PaymentProvider;
  activities(run?: Run): PaymentActivities;
  /** How often a fault has struck since the test began. */
  fired(fault: Fault): Promise<number>;
};

/** The payment activities of one test file: its own database, its own provider process, the real adapter between. */
export function paymentBench(): PaymentBench {
  const { urls } = isolatedDatabases(['payments']);
  const opened: {
    pool?: Pool;
    simulator?: SimulatorProcess;
    provider?: PaymentProvider;
    strangersProvider?: PaymentProvider;
  } = {};
  let firedBefore: Readonly<Record<Fault, number>> | undefined;

  beforeAll(async () => {
    opened.pool = createPool({ url: urls.payments, max: 12, name: 'test-payments' });
    opened.simulator = await startSimulator();
    const { base: apiBase } = opened.simulator;
    const connect = (secretKey: string): PaymentProvider =>
      createStripeProvider({ apiBase, secretKey, timeoutMs: PROVIDER_TIMEOUT_MS });
    opened.provider = connect(SECRET_KEY);
    opened.strangersProvider = connect('sk_test_of_somebody_else');
  });
  beforeEach(async () => {
    await bench.simulator.reset();
    firedBefore = await bench.simulator.fired();
  });
  afterAll(async () => {
    await opened.simulator?.[Symbol.asyncDispose]();
    await opened.pool?.end();
  });

  const bench: PaymentBench = {
    get pool() {
      return present(opened.pool);
    },
    get simulator() {
      return present(opened.simulator);
    },
    get provider() {
      return present(opened.provider);
    },
    get strangersProvider() {
      return present(opened.strangersProvider);
    },
    activities: ({ attempt = 1, isLocal = false, localTokens = 1, failpoint, pool, provider, limits } = {}) =>
      createPaymentActivities({
        pool: pool ?? bench.pool,
        provider: provider ?? bench.provider,
        readSnapshot,
        failpoint: failpoint ?? (() => undefined),
        outboxWritten: () => undefined,
        localCalls: { take: () => localTokens > 0 },
        ...(limits === undefined ? {} : { limits }),
        call: () => ({ isLocal, attempt, signal: new AbortController().signal }),
      }),
    fired: async (fault) => (await bench.simulator.fired())[fault] - (firedBefore?.[fault] ?? 0),
  };
  return bench;
}

export function readSnapshot(payload: string): ProviderPayment | null {
  const read = readWebhookEvent(Buffer.from(payload));
  return read.ok ? read.event.snapshot : null;
}

export function newOrder(change: Partial<PaymentOrder> = {}): PaymentOrder {
  return {
    donationId: randomUUID(),
    campaignId: randomUUID(),
    amountMinor: 2_500,
    currency: 'USD',
    paymentMethod: 'pm_card_visa',
    ...change,
  };
}

/** A worker that dies when it reaches the place for the `occurrence`th time. */
export function dieAt(place: FailpointName, occurrence = 1): Failpoint {
  let left = occurrence;
  return (name) => {
    if (name !== place) return;
    left -= 1;
    if (left === 0) throw new Error(`died at ${place}`);
  };
}

/** What happened at the provider, in its own ledger's words. */
export async function effectsOf(bench: PaymentBench, donationId: string): Promise<string[]> {
  const effects = await bench.simulator.ledger();
  return effects.filter((effect) => effect.donationId === donationId).map((effect) => effect.type);
}

/** No step has happened twice there, and there is one payment at most. */
export async function expectNoDoubleEffect(bench: PaymentBench, donationId: string): Promise<void> {
  const effects = (await bench.simulator.ledger()).filter((effect) => effect.donationId === donationId);
  const types = effects.map((effect) => effect.type);
  expect(types).toEqual([...new Set(types)]);
  expect(new Set(effects.map((effect) => effect.paymentId)).size).toBeLessThanOrEqual(1);
}

function present<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('only known while the tests run');
  return value;
}
