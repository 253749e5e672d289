import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { PaymentProvider, ProviderAnswer } from '../../provider/port.ts';
import type { Fault } from '../../provider/simulator/dials.ts';
import { createStripeProvider } from '../../provider/stripe/adapter.ts';
import { authorized, created, newKey, newOrder, paymentOf } from './orders.ts';
import { SECRET_KEY, startSimulator } from './start-simulator.ts';
import type { SimulatorProcess } from './start-simulator.ts';

const TIMEOUT_MS = 400;

describe('the dials of the simulator, seen through the adapter', () => {
  let simulator: SimulatorProcess;
  let provider: PaymentProvider;
  let firedBefore: Record<Fault, number>;

  beforeAll(async () => {
    simulator = await startSimulator();
    provider = createStripeProvider({
      apiBase: simulator.base,
      secretKey: SECRET_KEY,
      timeoutMs: TIMEOUT_MS,
    });
  });
  afterAll(() => simulator[Symbol.asyncDispose]());
  beforeEach(async () => {
    await simulator.reset();
    firedBefore = await simulator.fired();
  });

  const firedNow = async (fault: Fault): Promise<number> =>
    (await simulator.fired())[fault] - firedBefore[fault];
  const effectsOf = async (paymentId: string): Promise<string[]> =>
    (await simulator.ledger())
      .filter((effect) => effect.paymentId === paymentId)
      .map((effect) => effect.type);

  test('latency holds an answer back and keeps its key in use meanwhile', async () => {
    const order = newOrder();
    const key = newKey();
    await simulator.turn({ latencyMs: { min: 150, max: 150 } });
    const started = performance.now();
    const first = provider.createPayment(order, key);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(await provider.createPayment(order, key)).toMatchObject({ kind: 'unknown', reason: 'in_use' });
    expect((await first).kind).toBe('yes');
    expect(performance.now() - started).toBeGreaterThanOrEqual(149);
    expect(await firedNow('latency')).toBe(1);
  });

  test('error500Before has no effect and its key says 500 for ever', async () => {
    const { id } = await authorized(provider);
    const key = newKey();
    await simulator.arm({ operation: 'capture', fault: 'error500Before' });
    const unknown = { kind: 'unknown', reason: 'server_error' };
    expect(await provider.capturePayment(id, key)).toMatchObject({ ...unknown, replayed: false });
    expect(await provider.capturePayment(id, key)).toMatchObject({ ...unknown, replayed: true });
    expect(paymentOf(await provider.retrievePayment(id)).status).toBe('requires_capture');
    expect(paymentOf(await provider.capturePayment(id, newKey())).status).toBe('succeeded');
    expect(await firedNow('error500Before')).toBe(1);
  });

  test('error500After has the effect and its key says 500 for ever', async () => {
    const { id } = await authorized(provider);
    const key = newKey();
    await simulator.arm({ operation: 'capture', fault: 'error500After' });
    const unknown = { kind: 'unknown', reason: 'server_error' };
    expect(await provider.capturePayment(id, key)).toMatchObject({ ...unknown, replayed: false });
    expect(await provider.capturePayment(id, key)).toMatchObject({ ...unknown, replayed: true });
    expect(paymentOf(await provider.retrievePayment(id))).toMatchObject({
      status: 'succeeded',
      amountReceivedMinor: 2_500,
    });
    expect(await effectsOf(id)).toEqual(['created', 'authorized', 'captured']);
    expect(await firedNow('error500After')).toBe(1);
  });

  test('error503 has no effect and leaves the key free', async () => {
    const { id } = await authorized(provider);
    const key = newKey();
    await simulator.arm({ operation: 'capture', fault: 'error503' });
    expect(await provider.capturePayment(id, key)).toMatchObject({
      kind: 'unknown',
      reason: 'server_error',
      replayed: false,
    });
    expect(paymentOf(await provider.capturePayment(id, key)).status).toBe('succeeded');
    expect(await firedNow('error503')).toBe(1);
  });

  type Step = readonly [name: 'create' | 'confirm' | 'capture' | 'cancel', effect: string];
  const steps: readonly Step[] = [
    ['create', 'created'],
    ['confirm', 'authorized'],
    ['capture', 'captured'],
    ['cancel', 'canceled'],
  ];
  const losses = [
    ['timeoutAfter', 'timeout'],
    ['resetAfter', 'connection'],
    ['loseWriteAnswers', 'connection'],
    ['loseAllAnswers', 'connection'],
    ['malformed', 'garbage'],
  ] as const;
  const lost = losses.flatMap(([fault, reason]) =>
    steps.map(([step, effect]) => ({ fault, reason, step, effect })),
  );

  test.each(lost)(
    '$fault at $step commits once; the same key then tells',
    async ({ fault, reason, step, effect }) => {
      const key = newKey();
      const order = newOrder();
      const id = step === 'create' ? '' : (await (step === 'confirm' ? created : authorized)(provider)).id;
      const call = (): Promise<ProviderAnswer> =>
        step === 'create' ? provider.createPayment(order, key) : provider[`${step}Payment`](id, key);
      await simulator.arm({ operation: step, fault });
      expect(await call()).toMatchObject({ kind: 'unknown', reason });
      const payment = paymentOf(await call());
      expect((await effectsOf(payment.id)).filter((type) => type === effect)).toHaveLength(1);
      expect(await firedNow(fault)).toBe(1);
    },
  );

  test('malformed answers are garbage whatever their shape', async () => {
    const { id } = await created(provider);
    await simulator.turn({ malformed: true });
    for (let round = 0; round < 20; round += 1) {
      expect(await provider.retrievePayment(id)).toMatchObject({ kind: 'unknown', reason: 'garbage' });
      expect(await provider.listPayments({})).toMatchObject({ kind: 'unknown', reason: 'garbage' });
    }
    expect(await firedNow('malformed')).toBe(40);
  });

  test('loseAllAnswers loses reads too, loseWriteAnswers does not', async () => {
    const { id } = await created(provider);
    await simulator.turn({ loseWriteAnswers: 1 });
    expect(await provider.confirmPayment(id, newKey())).toMatchObject({
      kind: 'unknown',
      reason: 'connection',
    });
    expect(paymentOf(await provider.retrievePayment(id)).status).toBe('requires_capture');
    await simulator.turn({ loseWriteAnswers: 0, loseAllAnswers: 1 });
    expect(await provider.retrievePayment(id)).toMatchObject({ kind: 'unknown', reason: 'connection' });
  });

  test('inUse409 has no effect and the same key works afterwards', async () => {
    const { id } = await authorized(provider);
    const key = newKey();
    await simulator.arm({ operation: 'capture', fault: 'inUse409', times: 2 });
    expect(await provider.capturePayment(id, key)).toMatchObject({ kind: 'unknown', reason: 'in_use' });
    expect(await provider.capturePayment(id, key)).toMatchObject({ kind: 'unknown', reason: 'in_use' });
    expect(paymentOf(await provider.capturePayment(id, key)).status).toBe('succeeded');
    expect(await firedNow('inUse409')).toBe(2);
  });

  test('rateLimit429 says when to come back', async () => {
    await simulator.arm({ operation: 'list', fault: 'rateLimit429' });
    const limited = { kind: 'unknown', reason: 'rate_limited', retryAfterMs: 1_000, replayed: false };
    expect(await provider.listPayments({})).toEqual(limited);
    expect(await provider.listPayments({})).toMatchObject({ kind: 'yes' });
    expect(await firedNow('rateLimit429')).toBe(1);
  });

  test('maxRequestsPerSecond limits what is above the rate', async () => {
    await simulator.turn({ maxRequestsPerSecond: 3 });
    const answers = await Promise.all(Array.from({ length: 20 }, () => provider.listPayments({})));
    const passed = answers.filter((answer) => answer.kind === 'yes').length;
    // The twenty may straddle the turn of a second.
    expect(passed).toBeGreaterThanOrEqual(3);
    expect(passed).toBeLessThanOrEqual(6);
    expect(
      answers.filter((answer) => answer.kind === 'unknown' && answer.reason === 'rate_limited'),
    ).toHaveLength(20 - passed);
  });

  test('decline refuses a good card', async () => {
    const { id } = await created(provider);
    await simulator.arm({ operation: 'confirm', fault: 'decline' });
    expect(await provider.confirmPayment(id, newKey())).toMatchObject({
      kind: 'declined',
      code: 'generic_decline',
    });
    expect(await effectsOf(id)).toEqual(['created', 'declined']);
    expect(await firedNow('decline')).toBe(1);
  });

  test('wrongAmount is real at create and capture and only shown elsewhere', async () => {
    await simulator.arm({ operation: 'create', fault: 'wrongAmount' });
    const payment = await created(provider);
    expect(payment.amountMinor).toBe(2_501);
    await simulator.arm({ operation: 'retrieve', fault: 'wrongAmount' });
    expect(paymentOf(await provider.retrievePayment(payment.id)).amountMinor).toBe(2_502);
    expect(paymentOf(await provider.retrievePayment(payment.id)).amountMinor).toBe(2_501);

    const { id } = await authorized(provider);
    await simulator.arm({ operation: 'capture', fault: 'wrongAmount' });
    expect(paymentOf(await provider.capturePayment(id, newKey())).amountReceivedMinor).toBe(2_499);
    expect((await simulator.ledger()).at(-1)).toMatchObject({ type: 'captured', amountMinor: 2_499 });
    expect(await firedNow('wrongAmount')).toBe(3);
  });

  test('searchLagMs hides a new payment from search; the list still finds it', async () => {
    await simulator.turn({ searchLagMs: 60_000 });
    const { donationId } = newOrder();
    const { id } = await created(provider, { donationId });
    const query = encodeURIComponent(`metadata['donation_id']:'${donationId}'`);
    const answer = await fetch(`${simulator.base}/v1/payment_intents/search?query=${query}`, {
      headers: { authorization: `Bearer ${SECRET_KEY}` },
    });
    expect(await answer.json()).toMatchObject({ data: [] });
    const found = await provider.findByDonation(donationId, new Date());
    expect(found).toMatchObject({ kind: 'yes', payments: [{ id }] });
  });

  test('a one-shot fault strikes only the donation it is aimed at, as often as asked', async () => {
    const aimed = newOrder();
    await simulator.arm({ operation: 'create', fault: 'error503', times: 2, donationId: aimed.donationId });
    const key = newKey();
    expect((await provider.createPayment(newOrder(), newKey())).kind).toBe('yes');
    expect((await provider.createPayment(aimed, key)).kind).toBe('unknown');
    expect((await provider.createPayment(aimed, key)).kind).toBe('unknown');
    expect((await provider.createPayment(aimed, key)).kind).toBe('yes');
    expect(await firedNow('error503')).toBe(2);
  });

  test('a dial at one half strikes about half of the calls', async () => {
    await simulator.turn({ error503: 0.5 });
    const answers: Awaited<ReturnType<PaymentProvider['listPayments']>>[] = [];
    // A few at a time: two hundred at once would measure this machine, not the dial.
    for (let round = 0; round < 40; round += 1)
      answers.push(
        ...(await Promise.all(Array.from({ length: 5 }, () => provider.listPayments({ limit: 1 })))),
      );
    const struck = answers.filter((answer) => answer.kind === 'unknown').length;
    expect(struck).toBe(await firedNow('error503'));
    expect(struck).toBeGreaterThan(60);
    expect(struck).toBeLessThan(140);
  });

  test('an unknown dial or fault is refused', async () => {
    await expect(simulator.turn({ latency: 1 })).rejects.toThrow('400');
    await expect(simulator.turn({ decline: 2 })).rejects.toThrow('400');
    await expect(simulator.arm({ operation: 'create', fault: 'gremlins' })).rejects.toThrow('400');
  });
});
