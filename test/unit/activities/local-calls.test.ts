import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { breakLocalCalls, createLocalCalls } from '../../../activities/payments/local-calls.ts';
import { createBreaker, type Breaker } from '../../../platform/breaker.ts';
import { createLogger } from '../../../platform/log.ts';
import type { PaymentProvider, ProviderAnswer, UnknownReason } from '../../../provider/port.ts';

const SETTINGS = { timeoutMs: 1_000, threshold: 5, halfOpenAfterMs: 2_000 } as const;
const DECLINED: ProviderAnswer = { kind: 'declined', code: 'card_declined', payment: null };

let breaker: Breaker;
let isLocal: boolean;
let calls: number;
let answer: () => Promise<ProviderAnswer>;
let provider: PaymentProvider;
beforeEach(() => {
  vi.useFakeTimers();
  breaker = createBreaker('local-provider', createLogger('test', 'silent'), SETTINGS);
  isLocal = true;
  calls = 0;
  answer = () => Promise.resolve(DECLINED);
  const call = (): Promise<ProviderAnswer> => {
    calls += 1;
    return answer();
  };
  const never = (): Promise<never> => Promise.reject(new Error('not called here'));
  const real: PaymentProvider = {
    name: 'stripe',
    createPayment: call,
    confirmPayment: call,
    capturePayment: call,
    cancelPayment: call,
    retrievePayment: call,
    listPayments: never,
    findByDonation: never,
    createRefund: never,
    retrieveRefund: never,
    listRefunds: never,
    retrieveDispute: never,
    listDisputes: never,
    retrieveClientSecret: never,
  };
  provider = breakLocalCalls(real, breaker, () => isLocal);
});
afterEach(() => {
  vi.useRealTimers();
});

function unknown(reason: UnknownReason): ProviderAnswer {
  return { kind: 'unknown', reason, retryAfterMs: 7, replayed: true };
}

async function confirm(times: number): Promise<ProviderAnswer[]> {
  const answers: ProviderAnswer[] = [];
  for (let call = 0; call < times; call += 1) answers.push(await provider.confirmPayment('pi_1', 'key'));
  return answers;
}

test.each(['timeout', 'connection', 'server_error', 'rate_limited'] as const)(
  'after five local calls that ended in "%s" local slots are free of calls, and each answer was passed on as it was',
  async (reason) => {
    answer = () => Promise.resolve(unknown(reason));
    expect(await confirm(5)).toEqual(Array.from({ length: 5 }, () => unknown(reason)));
    expect(createLocalCalls(80, breaker).take()).toBe(false);
    expect(await confirm(1)).toMatchObject([{ kind: 'unknown', retryAfterMs: null, replayed: false }]);
    expect(calls).toBe(5);
  },
);

test.each(['in_use', 'garbage'] as const)('"%s" is an answer of a provider that is there', async (reason) => {
  answer = () => Promise.resolve(unknown(reason));
  await confirm(20);
  expect(breaker.state()).toBe('closed');
});

test('declines never open it', async () => {
  expect(await confirm(20)).toEqual(Array.from({ length: 20 }, () => DECLINED));
  expect(breaker.state()).toBe('closed');
});

test('regular activities call on whatever happens: their retries are durable', async () => {
  answer = () => Promise.resolve(unknown('timeout'));
  await confirm(5);
  isLocal = false;
  await confirm(10);
  expect(calls).toBe(15);
  expect(breaker.state()).toBe('open');
});

test('a provider that says nothing is given up after its time, as an unknown outcome', async () => {
  answer = () => new Promise(() => undefined);
  const late = confirm(1);
  await vi.advanceTimersByTimeAsync(SETTINGS.timeoutMs);
  expect(await late).toEqual([{ kind: 'unknown', reason: 'timeout', retryAfterMs: null, replayed: false }]);
});

test('the call is told to stop when its activity is, and when its time is over', async () => {
  const signals: AbortSignal[] = [];
  const watched = breakLocalCalls(
    {
      ...provider,
      confirmPayment: (_id, _key, signal) => {
        if (signal !== undefined) signals.push(signal);
        return new Promise(() => undefined);
      },
    },
    breaker,
    () => true,
  );
  const activity = new AbortController();
  const calling = [
    watched.confirmPayment('pi_1', 'key', activity.signal),
    watched.confirmPayment('pi_1', 'key'),
  ];
  await vi.advanceTimersByTimeAsync(0);
  activity.abort();
  expect(signals.map(({ aborted }) => aborted)).toEqual([true, false]);
  await vi.advanceTimersByTimeAsync(SETTINGS.timeoutMs);
  await Promise.all(calling);
  expect(signals.map(({ aborted }) => aborted)).toEqual([true, true]);
});

test('while the provider is away one call a look is made, however many ask, and all again once it is back', async () => {
  answer = () => Promise.resolve(unknown('connection'));
  await confirm(5);
  await vi.advanceTimersByTimeAsync(SETTINGS.halfOpenAfterMs);
  const local = createLocalCalls(80, breaker);
  expect(Array.from({ length: 10 }, () => local.take()).filter(Boolean)).toHaveLength(1);
  answer = () => Promise.resolve(DECLINED);
  await confirm(1);
  expect(Array.from({ length: 10 }, () => local.take()).filter(Boolean)).toHaveLength(10);
});

test('a provider that is there is limited by the rate alone', () => {
  const local = createLocalCalls(3, breaker);
  expect(Array.from({ length: 5 }, () => local.take())).toEqual([true, true, true, false, false]);
});
