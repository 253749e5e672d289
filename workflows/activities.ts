/**
 * Where each activity runs. `queues`: every service's own task queue. `local`: one worker reaches every database, so the
 * happy path runs as local activities, which cost no state transitions.
 */
import { proxyActivities, proxyLocalActivities } from '@temporalio/workflow';
import type { DonationPolicy, Placement } from '../domain/donation.ts';
import { NON_RETRYABLE_TYPES } from '../domain/failures.ts';
import type { Queues } from './messages.ts';
import { isUnknownOutcome } from './outcomes.ts';
import type { Activities, CampaignActivities, DonationActivities, PaymentActivities } from './ports.ts';

const DATABASE_STEP_LIMIT = '10 seconds' as const;

export function activitiesFor(placement: Placement, policy: DonationPolicy, queues: Queues): Activities {
  const retry = {
    initialInterval: policy.retryInitialMs,
    maximumInterval: policy.retryMaxMs,
    nonRetryableErrorTypes: [...NON_RETRYABLE_TYPES],
  };
  const step = { startToCloseTimeout: DATABASE_STEP_LIMIT, retry };
  // The first call that hangs ends an attempt, and a worker that died is noticed after this long: twice the provider's
  // limit. After the last try the outcome counts as unknown, and the workflow asks for it on timers of its own.
  const payments = proxyActivities<PaymentActivities>({
    taskQueue: queues.payments,
    startToCloseTimeout: policy.providerCallTimeoutMs * 2 + 5_000,
    retry: { ...retry, maximumAttempts: policy.stepAttempts },
  });
  const provided = pick(payments, ['release', 'applyProviderEvent', 'look', 'makeRefund']);
  const recorded = pick(proxyActivities<PaymentActivities>({ ...step, taskQueue: queues.payments }), [
    'currentPayment',
    'settleLateMoney',
  ]);

  if (placement === 'queues') {
    return {
      ...provided,
      ...recorded,
      ...pick(proxyActivities<DonationActivities>({ ...step, taskQueue: queues.donations }), [
        'persistPledge',
        'claimCapture',
        'recordOutcome',
      ]),
      ...pick(proxyActivities<CampaignActivities>({ ...step, taskQueue: queues.campaigns }), [
        'addToTotals',
        'isOpen',
      ]),
      ...pick(payments, ['authorize', 'capture']),
    };
  }

  const steps = proxyLocalActivities<DonationActivities & CampaignActivities>({
    startToCloseTimeout: DATABASE_STEP_LIMIT,
    retry,
  });
  // A slow provider call in a local slot would stop every other saga: one short try, then the payments queue.
  const firstTry = proxyLocalActivities<PaymentActivities>({
    startToCloseTimeout: policy.localProviderCallTimeoutMs,
    retry: { ...retry, maximumAttempts: 1 },
  });
  return {
    ...provided,
    ...recorded,
    ...pick(steps, ['persistPledge', 'claimCapture', 'recordOutcome', 'addToTotals', 'isOpen']),
    authorize: (order) => orElse(firstTry.authorize(order), () => payments.authorize(order)),
    capture: (donationId) => orElse(firstTry.capture(donationId), () => payments.capture(donationId)),
  };
}

async function orElse<T>(tried: Promise<T>, again: () => Promise<T>): Promise<T> {
  try {
    return await tried;
  } catch (error) {
    if (!isUnknownOutcome(error)) throw error;
    return await again();
  }
}

/** Proxies answer to any name; only the named ones are real. */
function pick<T, K extends keyof T>(proxy: T, names: readonly K[]): Pick<T, K> {
  return Object.fromEntries(names.map((name) => [name, proxy[name]])) as Pick<T, K>;
}
