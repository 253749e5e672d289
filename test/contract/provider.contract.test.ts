import { afterAll, beforeAll, describe } from 'vitest';
import { createStripeProvider } from '../../provider/stripe/adapter.ts';
import { describeMoneyBackContract } from './money-back.contract.ts';
import { describeProviderContract } from './provider.contract.ts';
import type { ContractSubject } from './provider.contract.ts';
import { SECRET_KEY, startSimulator } from './start-simulator.ts';
import type { SimulatorProcess } from './start-simulator.ts';

// With both set, the same suite runs against any server that speaks Stripe's API, Stripe's test mode included.
// oxlint-disable-next-line node/no-process-env
const { CONTRACT_STRIPE_API_BASE: outsideBase, CONTRACT_STRIPE_SECRET_KEY: outsideKey } = process.env;

describe(`the payment provider at ${outsideBase ?? 'the simulator'}`, { timeout: 60_000 }, () => {
  let simulator: SimulatorProcess | null = null;
  let subject: ContractSubject;

  beforeAll(async () => {
    if ((outsideBase === undefined) !== (outsideKey === undefined)) {
      throw new Error('Set both CONTRACT_STRIPE_API_BASE and CONTRACT_STRIPE_SECRET_KEY, or neither');
    }
    if (outsideBase === undefined) simulator = await startSimulator();
    const apiBase = outsideBase ?? simulator?.base ?? '';
    const connect = (secretKey: string) => createStripeProvider({ apiBase, secretKey, timeoutMs: 20_000 });
    subject = {
      provider: connect(outsideKey ?? SECRET_KEY),
      stranger: connect('sk_test_unknown_to_the_provider'),
    };
  });

  afterAll(async () => {
    await simulator?.[Symbol.asyncDispose]();
  });

  describeProviderContract(() => subject);
  describeMoneyBackContract(() => subject);
});
