/** What a workflow knows of its payment: the answers of its own steps and the provider's events, whichever is first. */
import {
  allHandlersFinished,
  CancellationScope,
  condition,
  isCancellation,
  setHandler,
} from '@temporalio/workflow';
import { resolvePauseMs, type DonationPolicy } from '../domain/donation.ts';
import { RANK, type PaymentStatus } from '../domain/payment.ts';
import { lookSignal, providerEventSignal } from './messages.ts';
import { askForAttention } from './attention.ts';
import { nowMs } from './clock.ts';
import { isUnknownOutcome } from './outcomes.ts';
import type { PaymentActivities, PaymentView } from './ports.ts';

export type PaymentProgress = {
  /** The newest view seen. */
  latest(): PaymentView;
  /** Takes a step's answer into account; an older version changes nothing. */
  note(view: PaymentView): void;
  /**
   * Runs `step` until it, or an event, has settled whether the payment reaches `goal`. While the outcome is unknown the
   * step is run again, while the payment waits for somebody the provider is asked. Ends unsettled when `stop` says so
   * or after `limitMs`.
   */
  reach(goal: PaymentStatus, step: () => Promise<PaymentView>, until: Until): Promise<PaymentView>;
  /** Resolves once no event is being applied. */
  quiet(): Promise<void>;
};

export type Until = { readonly stop: () => boolean; readonly limitMs: number };

const NOTHING_YET: PaymentView = {
  status: 'INITIATED',
  version: 0,
  failureCode: null,
  needsRelease: false,
  lateMoneyUndecided: false,
  refundsToMake: [],
  refundsUnderWay: 0,
  entries: [],
};

/** Registers the signal handlers: call it before the first `await`. */
export function followPayment(
  donationId: string,
  payments: Pick<PaymentActivities, 'applyProviderEvent' | 'look'>,
  policy: DonationPolicy,
): PaymentProgress {
  let latest = NOTHING_YET;
  const note = (view: PaymentView): void => {
    if (view.version >= latest.version) latest = view;
  };

  /** What cannot be learnt now is delivered again, to this workflow or to the one after it. */
  const hear = async (question: () => Promise<PaymentView | null>): Promise<void> => {
    try {
      const view = await question();
      if (view !== null) note(view);
    } catch (error) {
      if (isCancellation(error) || isUnknownOutcome(error)) return;
      askForAttention();
      throw error;
    }
  };
  setHandler(providerEventSignal, (eventId) =>
    hear(() => payments.applyProviderEvent({ eventId, donationId })),
  );
  setHandler(lookSignal, () => hear(() => payments.look(donationId)));

  // FAILED and EXPIRED settle every goal above them, too.
  const settled = (goal: PaymentStatus): boolean => RANK[latest.status] >= Math.min(RANK[goal], RANK.FAILED);

  /** Whether the step was answered; false when its outcome is unknown, or no longer matters. */
  const ask = async (step: () => Promise<PaymentView>, enough: () => boolean): Promise<boolean> => {
    const scope = new CancellationScope();
    let answered = false;
    const asked = scope.run(step).then(
      (view) => {
        note(view);
        answered = true;
      },
      (error: unknown) => {
        // Nobody needs the step's answer any more.
        if (isCancellation(error) && enough()) return;
        if (!isUnknownOutcome(error)) throw error;
      },
    );
    await Promise.race([asked, condition(enough)]);
    if (!answered && enough()) scope.cancel();
    await asked;
    return answered;
  };

  const reach: PaymentProgress['reach'] = async (goal, step, { stop, limitMs }) => {
    const startedAt = nowMs();
    const enough = (): boolean => settled(goal) || stop();
    for (let next = step; ;) {
      const answered = await ask(next, enough);
      const openMs = nowMs() - startedAt;
      if (enough() || openMs >= limitMs) return latest;
      // An answer that settles nothing says that the donor or a bank has to act: from then on we only look.
      if (answered) next = () => payments.look(donationId);
      await condition(enough, Math.min(resolvePauseMs(policy, openMs), limitMs - openMs));
      if (enough()) return latest;
    }
  };

  return { latest: () => latest, note, reach, quiet: () => condition(allHandlersFinished) };
}
