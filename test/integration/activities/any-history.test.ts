import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { PaymentProvider } from '../../../provider/port.ts';
import { untilDone } from './as-temporal.ts';
import { paymentBench } from './payment-bench.ts';
import { askRefund, captured, expectTruth, totalsOf, type Captured } from './provider-truth.ts';

/** What may happen next to a captured payment; each picks among what there is, and is left out where there is nothing. */
type Act =
  | { readonly type: 'ask' | 'byHand' | 'byHandPending' | 'dispute'; readonly share: number }
  | { readonly type: 'make' | 'succeed' | 'fail' | 'win' | 'lose'; readonly which: number }
  | { readonly type: 'look' }
  /** Asks the provider now, and writes the answer down so many acts later. */
  | { readonly type: 'lookSlowly'; readonly later: number };

const share = fc.integer({ min: 1, max: 10 });
const which = fc.nat({ max: 5 });
const anyAct: fc.Arbitrary<Act> = fc.oneof(
  fc.record({ type: fc.constantFrom('ask' as const, 'byHand' as const, 'byHandPending' as const), share }),
  fc.record({ type: fc.constant('dispute' as const), share }),
  fc.record({ type: fc.constantFrom('make' as const, 'succeed' as const, 'fail' as const), which }),
  fc.record({ type: fc.constantFrom('win' as const, 'lose' as const), which }),
  fc.record({ type: fc.constant('look' as const) }),
  fc.record({ type: fc.constant('lookSlowly' as const), later: fc.integer({ min: 1, max: 4 }) }),
);

describe('whatever happens at the provider, and in whatever order we hear of it', () => {
  const bench = paymentBench();

  test(
    'facts, ledger and totals end as the provider tells them, and no total is ever below zero',
    { timeout: 240_000 },
    async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(anyAct, { minLength: 3, maxLength: 14 }), async (acts) => {
          await bench.simulator.turn({ refundSettleMs: 600_000 });
          const payment = await captured(bench, { amountMinor: 10_000 });
          const slow: { run: () => Promise<unknown>; due: number }[] = [];
          for (const [index, act] of acts.entries()) {
            await perform(payment, act, (run, later) => slow.push({ run, due: index + later }));
            for (const late of slow.splice(0).toReversed()) {
              if (late.due > index) slow.push(late);
              else await late.run();
            }
          }
          for (const { run } of slow) await run();
          await settleDown(payment);
          await expectTruth(bench, payment.donationId);
          await totalsOf(bench, payment.donationId);
        }),
        { numRuns: 25 },
      );
    },
  );

  const perform = async (
    { donationId, paymentId, order }: Captured,
    act: Act,
    defer: (run: () => Promise<unknown>, later: number) => void,
  ): Promise<void> => {
    const { simulator } = bench;
    // What the provider, or we, would refuse has not happened.
    const tried = (attempt: Promise<unknown>): Promise<unknown> =>
      attempt.catch((error: unknown) =>
        expect(String(error)).toMatch(/refund of \d+|: 4\d\d |not known yet|another one/),
      );
    const look = (provider = bench.provider) => tried(bench.activities({ provider }).look(donationId));
    switch (act.type) {
      case 'ask':
        return void (await tried(askRefund(bench, order, act.share * 1_000)));
      case 'byHand':
      case 'byHandPending': {
        const status = act.type === 'byHand' ? 'succeeded' : 'pending';
        return void (await tried(
          simulator.refundByHand(paymentId, { amountMinor: act.share * 1_000, status }),
        ));
      }
      case 'dispute': {
        const amountMinor = await left(donationId, act.share);
        if (amountMinor > 0) await tried(simulator.disputePayment(paymentId, { amountMinor }));
        return;
      }
      case 'make': {
        const { refundsToMake } = await bench.activities().currentPayment(order);
        const refundId = refundsToMake[act.which % Math.max(1, refundsToMake.length)];
        if (refundId !== undefined)
          await untilDone((attempt) => bench.activities({ attempt }).makeRefund({ donationId, refundId }));
        return;
      }
      case 'succeed':
      case 'fail': {
        const refunds = await atProvider(donationId, 'refundId');
        const id = refunds[act.which % Math.max(1, refunds.length)];
        if (id !== undefined)
          await tried(act.type === 'succeed' ? simulator.succeedRefund(id) : simulator.failRefund(id));
        return;
      }
      case 'win':
      case 'lose': {
        const disputes = await atProvider(donationId, 'disputeId');
        const id = disputes[act.which % Math.max(1, disputes.length)];
        if (id !== undefined) await tried(simulator.closeDispute(id, act.type === 'win' ? 'won' : 'lost'));
        return;
      }
      case 'look':
        return void (await look());
      case 'lookSlowly': {
        const answers = await frozen(bench.provider, paymentId);
        return defer(() => look(answers), act.later);
      }
      default:
        return act satisfies never;
    }
  };

  const atProvider = async (donationId: string, kind: 'refundId' | 'disputeId'): Promise<string[]> => {
    const effects = (await bench.simulator.ledger()).filter((effect) => effect.donationId === donationId);
    return [...new Set(effects.flatMap((effect) => effect[kind] ?? []))];
  };

  /** A share of what no refund and no lost dispute has taken; more than that goes to people, which is tested apart. */
  const left = async (donationId: string, part: number): Promise<number> => {
    const effects = (await bench.simulator.ledger()).filter((effect) => effect.donationId === donationId);
    const sum = (type: string): number =>
      effects.reduce((total, effect) => (effect.type === type ? total + effect.amountMinor : total), 0);
    const gone = sum('refunded') - sum('refund_failed') + sum('dispute_lost');
    return Math.floor(((10_000 - gone) * part) / 10);
  };

  /** What aftercare does until nothing is open. */
  const settleDown = async ({ donationId, order }: Captured): Promise<void> => {
    const { refundsToMake } = await bench.activities().currentPayment(order);
    for (const refundId of refundsToMake)
      await untilDone((attempt) => bench.activities({ attempt }).makeRefund({ donationId, refundId }));
    await untilDone(() => bench.activities().look(donationId));
  };
});

/** The provider as it answers now, for whoever asks later. */
async function frozen(provider: PaymentProvider, paymentId: string): Promise<PaymentProvider> {
  const payment = await provider.retrievePayment(paymentId);
  const refunds = await provider.listRefunds({ paymentId });
  const disputes = await provider.listDisputes({ paymentId });
  return {
    ...provider,
    retrievePayment: async () => payment,
    listRefunds: async () => refunds,
    listDisputes: async () => disputes,
  };
}
