import { act } from './acts.ts';
import type { RefundRecord } from './records.ts';
import { failRefund, succeedRefund } from './refunds.ts';
import type { Simulator } from './simulator.ts';

/** Refunds that succeed or fail by themselves some time after they were made; those of a former run go on. */
export function startSettlements(simulator: Simulator): { close(): void } {
  const { store } = simulator;
  const timers = new Set<NodeJS.Timeout>();

  const settle = (refundId: string): void => {
    const refund = store.refunds.get(refundId);
    if (!refund?.settlesAs) return;
    const run = refund.settlesAs === 'succeeded' ? succeedRefund : failRefund;
    act(simulator, store.intents.get(refund.intentId), (work) => run(work, refund));
  };
  const awaitEnd = (refund: RefundRecord): void => {
    if (refund.settlesAs === null) return;
    const timer = setTimeout(() => {
      timers.delete(timer);
      settle(refund.id);
    }, simulator.dials().refundSettleMs);
    timers.add(timer);
  };

  for (const refund of store.refunds.values()) awaitEnd(refund);
  simulator.watch((line) => {
    for (const refund of line.refunds ?? []) awaitEnd(refund);
  });
  return {
    close: () => {
      for (const timer of timers) clearTimeout(timer);
    },
  };
}
