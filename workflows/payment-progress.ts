/** What a workflow knows of its payment: the answers of its own steps and the provider's events, whichever is first. */
import {
  allHandlersFinished,
  CancellationScope,
  condition,
  isCancellation,
  setHandler,
} from '@temporalio/workflow';
import { RANK, type PaymentStatus } from '../domain/payment.ts';
import { providerEventSignal } from './messages.ts';
import type { PaymentActivities, PaymentView } from './ports.ts';

export type PaymentProgress = {
  /** The newest view seen. */
  latest(): PaymentView;
  /** Takes a step's answer into account; an older version changes nothing. */
  note(view: PaymentView): void;
  /** Runs `step` and waits until it, or an event, has settled whether the payment reaches `goal`. */
  reach(goal: PaymentStatus, step: () => Promise<PaymentView>, waitMs: number): Promise<PaymentView>;
  /** Resolves once no event is being applied. */
  quiet(): Promise<void>;
};

const NOTHING_YET: PaymentView = {
  status: 'INITIATED',
  version: 0,
  failureCode: null,
  needsRelease: false,
  entries: [],
};

/** Registers the signal handler: call it before the first `await`. */
export function followPayment(payments: Pick<PaymentActivities, 'applyProviderEvent'>): PaymentProgress {
  let latest = NOTHING_YET;
  const note = (view: PaymentView): void => {
    if (view.version >= latest.version) latest = view;
  };

  setHandler(providerEventSignal, async (eventId) => {
    const view = await payments.applyProviderEvent(eventId);
    if (view !== null) note(view);
  });

  // FAILED and EXPIRED settle every goal above them, too.
  const settled = (goal: PaymentStatus): boolean => RANK[latest.status] >= Math.min(RANK[goal], RANK.FAILED);

  const reach: PaymentProgress['reach'] = async (goal, step, waitMs) => {
    const scope = new CancellationScope();
    let answered = false;
    const asked = scope.run(step).then(
      (view) => {
        note(view);
        answered = true;
      },
      (error: unknown) => {
        // An event has settled it meanwhile, so nobody needs the step's answer any more.
        if (isCancellation(error) && settled(goal)) return;
        throw error;
      },
    );
    await Promise.race([asked, condition(() => settled(goal))]);
    if (!answered) scope.cancel();
    await asked;
    if (!settled(goal)) await condition(() => settled(goal), waitMs);
    return latest;
  };

  return { latest: () => latest, note, reach, quiet: () => condition(allHandlersFinished) };
}
