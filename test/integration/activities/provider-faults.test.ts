import { describe, expect, test } from 'vitest';
import type { Fault } from '../../../provider/simulator/dials.ts';
import type { PaymentActivities, PaymentOrder, PaymentView } from '../../../workflows/ports.ts';
import { eventually } from '../../harness/eventually.ts';
import { failureOf, untilDone } from './as-temporal.ts';
import {
  dieAt,
  effectsOf,
  expectNoDoubleEffect,
  newOrder,
  paymentBench,
  PROVIDER_TIMEOUT_MS,
} from './payment-bench.ts';
import { expectOutcome, paymentRecords, type Outcome } from './payment-records.ts';
import { askRefund, expectTruth } from './provider-truth.ts';

type Step = {
  readonly name: string;
  /** What the provider is asked to do in it. */
  readonly call: 'create' | 'confirm' | 'capture' | 'cancel' | 'refund';
  readonly operation: 'create' | 'confirm' | 'capture' | 'release' | 'refund';
  readonly effect: string;
  /** Where the payment is when the step begins. */
  readonly at: 'INITIATED' | 'AUTHORIZED' | 'CAPTURED';
  readonly run: (activities: PaymentActivities, order: PaymentOrder) => Promise<PaymentView>;
  readonly effects: readonly string[];
  readonly outcome: Outcome;
};

const authorize: Step['run'] = (activities, order) => activities.authorize(order);
const STEPS: readonly Step[] = [
  {
    name: 'authorize (create)',
    call: 'create',
    operation: 'create',
    effect: 'created',
    at: 'INITIATED',
    run: authorize,
    effects: ['created', 'authorized'],
    outcome: 'AUTHORIZED',
  },
  {
    name: 'authorize (confirm)',
    call: 'confirm',
    operation: 'confirm',
    effect: 'authorized',
    at: 'INITIATED',
    run: authorize,
    effects: ['created', 'authorized'],
    outcome: 'AUTHORIZED',
  },
  {
    name: 'capture',
    call: 'capture',
    operation: 'capture',
    effect: 'captured',
    at: 'AUTHORIZED',
    run: (activities, { donationId }) => activities.capture(donationId),
    effects: ['created', 'authorized', 'captured'],
    outcome: 'CAPTURED',
  },
  {
    name: 'release',
    call: 'cancel',
    operation: 'release',
    effect: 'canceled',
    at: 'AUTHORIZED',
    run: (activities, order) => activities.release({ order, code: 'cancelled_by_donor' }),
    effects: ['created', 'authorized', 'canceled'],
    outcome: 'RELEASED',
  },
  {
    name: 'refund',
    call: 'refund',
    operation: 'refund',
    effect: 'refunded',
    at: 'CAPTURED',
    run: (activities, { donationId }) => activities.makeRefund({ donationId, refundId: donationId }),
    effects: ['created', 'authorized', 'captured', 'refunded'],
    outcome: 'REFUNDED',
  },
];

type Behaviour = {
  readonly name: string;
  readonly fault: Fault;
  readonly times?: number;
  readonly delayMs?: number;
  /** The number of the operation that had the effect. */
  readonly n: number;
};

const BEHAVIOURS: readonly Behaviour[] = [
  // Stripe keeps the 500 as the key's answer, so only another key can succeed.
  { name: '500 without an effect', fault: 'error500Before', n: 2 },
  { name: '500 after the effect', fault: 'error500After', n: 1 },
  { name: '503 at the edge', fault: 'error503', n: 1 },
  { name: 'no answer after the effect', fault: 'timeoutAfter', n: 1 },
  { name: 'no answer, three times', fault: 'timeoutAfter', times: 3, n: 1 },
  { name: 'a reset connection after the effect', fault: 'resetAfter', n: 1 },
  { name: 'a lost answer', fault: 'loseWriteAnswers', n: 1 },
  { name: '409 while the key is in use', fault: 'inUse409', times: 6, n: 1 },
  { name: '429 with Retry-After', fault: 'rateLimit429', n: 1 },
  { name: 'an answer that is no payment', fault: 'malformed', n: 1 },
  { name: 'an answer later than we wait', fault: 'latency', delayMs: PROVIDER_TIMEOUT_MS * 2, n: 1 },
];

describe('one provider operation, exactly one effect', () => {
  const bench = paymentBench();

  /** An order whose donation is where the step begins. */
  const given = async (step: Step): Promise<PaymentOrder> => {
    const order = newOrder();
    if (step.at !== 'INITIATED') await bench.activities().authorize(order);
    if (step.at === 'CAPTURED') {
      await bench.activities().capture(order.donationId);
      await askRefund(bench, order, order.amountMinor, order.donationId);
    }
    return order;
  };

  const expectOneEffect = async (step: Step, { donationId }: PaymentOrder, n = 1): Promise<void> => {
    expect(await effectsOf(bench, donationId)).toEqual(step.effects);
    const records = await paymentRecords(bench.pool, donationId);
    expectOutcome(records, step.outcome);
    const earlier = Array.from({ length: n - 1 }, (_, index) => `${step.operation}:${index + 1}*`);
    expect(records.operations.filter((text) => text.startsWith(step.operation))).toEqual([
      ...earlier,
      `${step.operation}:${n}`,
    ]);
    const effect = (await bench.simulator.ledger()).find(
      (candidate) => candidate.donationId === donationId && candidate.type === step.effect,
    );
    expect(effect?.idempotencyKey).toBe(`${donationId}:${step.operation}:${n}`);
    await expectTruth(bench, donationId);
  };

  for (const step of STEPS) {
    describe(`the step ${step.name}`, () => {
      for (const { name, fault, n, times = 1, delayMs } of BEHAVIOURS) {
        test(`that meets ${name} ends with one effect`, async () => {
          const order = await given(step);
          await bench.simulator.arm({
            operation: step.call,
            fault,
            times,
            donationId: order.donationId,
            ...(delayMs === undefined ? {} : { delayMs }),
          });

          const { failures } = await untilDone((attempt) => step.run(bench.activities({ attempt }), order));

          expect(await bench.fired(fault)).toBeGreaterThan(0);
          expect(failures.length).toBeGreaterThan(0);
          expect(new Set(failures.map((failure) => failure.type))).toEqual(new Set(['provider_unknown']));
          if (fault === 'rateLimit429') expect(failures[0]?.nextRetryDelay).toBe(1_000);
          await expectOneEffect(step, order, n);
        });
      }

      for (const place of ['provider.before-call', 'provider.answer-read', 'payment.recorded'] as const) {
        test(`that dies at ${place} ends with one effect when it is run again`, async () => {
          const order = await given(step);
          // A confirm passes each place after its create did.
          const failpoint = dieAt(place, step.operation === 'confirm' ? 2 : 1);
          await expect(step.run(bench.activities({ failpoint }), order)).rejects.toThrow(`died at ${place}`);
          await untilDone((attempt) => step.run(bench.activities({ attempt: attempt + 1 }), order));
          await expectOneEffect(step, order);
        });
      }

      test('that is run twice, and then ten times at once, has one effect', async () => {
        const order = await given(step);
        await step.run(bench.activities(), order);
        const again = await step.run(bench.activities(), order);
        const views = await Promise.all(
          Array.from({ length: 10 }, () => step.run(bench.activities(), order)),
        );
        expect(views).toEqual(views.map(() => again));
        await expectOneEffect(step, order);
      });

      test('that is run ten times at once the first time has one effect', async () => {
        const order = await given(step);
        const finished = await Promise.all(
          Array.from({ length: 10 }, () =>
            untilDone((attempt) => step.run(bench.activities({ attempt }), order)),
          ),
        );
        await expectOneEffect(step, order);
        const last = await step.run(bench.activities(), order);
        for (const { result } of finished) expect(result).toEqual(last);
      });

      test('that ten workers run while every second answer is lost has one effect', async () => {
        const order = await given(step);
        await bench.simulator.turn({ resetAfter: 0.25, error503: 0.25 });
        await Promise.all(
          Array.from({ length: 10 }, () =>
            untilDone((attempt) => step.run(bench.activities({ attempt }), order)),
          ),
        );
        await bench.simulator.reset();
        await expectNoDoubleEffect(bench, order.donationId);
        expectOutcome(await paymentRecords(bench.pool, order.donationId), step.outcome);
      });

      test('that an outage refuses forty times is done once when the outage is over', async () => {
        const order = await given(step);
        await bench.simulator.turn({ error503: 1 });
        for (let attempt = 1; attempt <= 40; attempt += 1) {
          const failure = await failureOf(step.run(bench.activities({ attempt }), order));
          expect(failure).toMatchObject({ type: 'provider_unknown', nonRetryable: false });
        }
        await bench.simulator.reset();
        await untilDone((attempt) => step.run(bench.activities({ attempt: 40 + attempt }), order));
        await expectOneEffect(step, order);
      });
    });
  }

  describe('a card that is declined', () => {
    test('is an answer: FAILED with the code, and there is something to cancel', async () => {
      const order = newOrder({ paymentMethod: 'pm_card_chargeDeclinedInsufficientFunds' });
      const view = await bench.activities().authorize(order);
      expect(view).toMatchObject({ status: 'FAILED', failureCode: 'insufficient_funds', needsRelease: true });
      expectOutcome(await paymentRecords(bench.pool, order.donationId), 'DECLINED');

      const released = await bench.activities().release({ order, code: 'abandoned' });
      expect(released).toMatchObject({ status: 'FAILED', failureCode: 'insufficient_funds' });
      expect(released.needsRelease).toBe(false);
      expect(await effectsOf(bench, order.donationId)).toEqual(['created', 'declined', 'canceled']);
      expectOutcome(await paymentRecords(bench.pool, order.donationId), 'DECLINED');
    });

    test.each(['error500After', 'timeoutAfter', 'resetAfter', 'malformed', 'loseWriteAnswers'] as const)(
      'and whose answer meets %s is found FAILED with the code of the decline',
      async (fault) => {
        const order = newOrder({ paymentMethod: 'pm_card_chargeDeclinedStolenCard' });
        await bench.simulator.arm({ operation: 'confirm', fault, donationId: order.donationId });
        const { result } = await untilDone((attempt) => bench.activities({ attempt }).authorize(order));
        expect(result).toMatchObject({ status: 'FAILED', failureCode: 'stolen_card' });
        expect(await effectsOf(bench, order.donationId)).toEqual(['created', 'declined']);
        expectOutcome(await paymentRecords(bench.pool, order.donationId), 'DECLINED');
      },
    );
  });

  test('a create that is still on its way gets no second key, however often the provider says 503 meanwhile', async () => {
    const order = newOrder();
    const { donationId } = order;
    await bench.simulator.arm({ operation: 'create', fault: 'latency', delayMs: 250, donationId });
    const slow = untilDone((attempt) => bench.activities({ attempt }).authorize(order));
    await eventually('the create is on its way', async () => expect(await bench.fired('latency')).toBe(1), {
      everyMs: 5,
    });
    await bench.simulator.arm({ operation: 'create', fault: 'error503', times: 4, donationId });
    await untilDone((attempt) => bench.activities({ attempt }).authorize(order));
    await slow;
    await expectNoDoubleEffect(bench, donationId);
    expectOutcome(await paymentRecords(bench.pool, donationId), 'AUTHORIZED');
  });

  describe('a key that is older than the provider keeps it', () => {
    /** An operation begun a day ago whose answer nobody knows. */
    const begunADayAgo = async (
      { donationId }: PaymentOrder,
      operation: Step['operation'],
    ): Promise<void> => {
      await bench.pool.query(
        `INSERT INTO payment_operations (payment_id, operation, n, provider_key, attempts, started_at)
         VALUES ($1, $2, 1, $3, 4, now() - interval '24 hours')`,
        [donationId, operation, `${donationId}:${operation}:1`],
      );
    };

    test('is never posted again: the provider is only asked', async () => {
      const order = newOrder();
      await bench.activities().authorize(order);
      await begunADayAgo(order, 'capture');
      for (let attempt = 1; attempt <= 5; attempt += 1) {
        const failure = await failureOf(bench.activities({ attempt }).capture(order.donationId));
        expect(failure).toMatchObject({ type: 'provider_unknown', nonRetryable: false });
      }
      expect(await effectsOf(bench, order.donationId)).toEqual(['created', 'authorized']);
    });

    test('is done when the provider shows its effect', async () => {
      const order = newOrder();
      await bench.activities().authorize(order);
      await begunADayAgo(order, 'capture');
      const { payment } = await paymentRecords(bench.pool, order.donationId);
      await bench.provider.capturePayment(
        String(payment.provider_payment_id),
        `${order.donationId}:capture:1`,
      );
      expect(await bench.activities().capture(order.donationId)).toMatchObject({ status: 'CAPTURED' });
      expect(await effectsOf(bench, order.donationId)).toEqual(['created', 'authorized', 'captured']);
      expectOutcome(await paymentRecords(bench.pool, order.donationId), 'CAPTURED');
    });
  });

  describe('our own fault', () => {
    test('a request that the provider refuses is not tried again, and changes nothing', async () => {
      const order = newOrder({ paymentMethod: 'pm_that_nobody_knows' });
      for (let attempt = 1; attempt <= 2; attempt += 1) {
        const failure = await failureOf(bench.activities({ attempt }).authorize(order));
        expect(failure).toMatchObject({ type: 'provider_rejected', nonRetryable: true });
      }
      const { payment, transitions } = await paymentRecords(bench.pool, order.donationId);
      expect(payment).toMatchObject({ state: 'INITIATED', version: 0, needs_review: null });
      expect(transitions).toEqual([]);
      expect(await effectsOf(bench, order.donationId)).toEqual([]);
    });
  });

  describe('a local activity', () => {
    test('without a token to spare asks the provider nothing and can go on elsewhere', async () => {
      const order = newOrder();
      const failure = await failureOf(bench.activities({ isLocal: true, localTokens: 0 }).authorize(order));
      expect(failure).toMatchObject({ type: 'provider_unknown', nonRetryable: false });
      expect(await effectsOf(bench, order.donationId)).toEqual([]);
      await bench.activities({ localTokens: 0 }).authorize(order);
      expect(await effectsOf(bench, order.donationId)).toEqual(['created', 'authorized']);
    });
  });

  describe('a step that comes too late', () => {
    test('capture of an authorization that expired says EXPIRED', async () => {
      const order = newOrder();
      await bench.activities().authorize(order);
      const { payment } = await paymentRecords(bench.pool, order.donationId);
      await bench.simulator.control('POST', `/payments/${String(payment.provider_payment_id)}/expire`);
      const { result } = await untilDone(() => bench.activities().capture(order.donationId));
      expect(result).toMatchObject({ status: 'EXPIRED', failureCode: 'authorization_expired' });
      expect(await effectsOf(bench, order.donationId)).toEqual(['created', 'authorized', 'expired']);
    });

    test('release of what was captured meanwhile says CAPTURED', async () => {
      const order = newOrder();
      await bench.activities().authorize(order);
      const { payment } = await paymentRecords(bench.pool, order.donationId);
      await bench.provider.capturePayment(String(payment.provider_payment_id), `${order.donationId}:test:1`);
      const { result } = await untilDone(() =>
        bench.activities().release({ order, code: 'cancelled_by_donor' }),
      );
      expect(result).toMatchObject({ status: 'CAPTURED', failureCode: null });
      expectOutcome(await paymentRecords(bench.pool, order.donationId), 'CAPTURED');
    });

    test('authorize and capture of a released payment change nothing', async () => {
      const order = newOrder();
      await bench.activities().authorize(order);
      const released = await bench.activities().release({ order, code: 'cancelled_by_donor' });
      expect(await bench.activities().authorize(order)).toEqual(released);
      expect(await bench.activities().capture(order.donationId)).toEqual(released);
      expect(await effectsOf(bench, order.donationId)).toEqual(['created', 'authorized', 'canceled']);
    });

    test('release of what was never created asks the provider nothing', async () => {
      const order = newOrder();
      const view = await bench.activities().release({ order, code: 'cancelled_by_donor' });
      expect(view).toMatchObject({
        status: 'FAILED',
        failureCode: 'cancelled_by_donor',
        needsRelease: false,
      });
      expect(await effectsOf(bench, order.donationId)).toEqual([]);
      expectOutcome(await paymentRecords(bench.pool, order.donationId), 'DECLINED');
    });

    test('release of a create whose answer was lost cancels what was created', async () => {
      const order = newOrder();
      await bench.simulator.arm({
        operation: 'create',
        fault: 'resetAfter',
        donationId: order.donationId,
      });
      await failureOf(bench.activities().authorize(order));
      await untilDone(() => bench.activities().release({ order, code: 'cancelled_by_operator' }));
      expect(await effectsOf(bench, order.donationId)).toEqual(['created', 'canceled']);
      expectOutcome(await paymentRecords(bench.pool, order.donationId), 'DECLINED');
    });
  });
});
