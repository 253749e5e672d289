/**
 * Where each activity runs. `queues`: every service's own task queue. `local`: one worker reaches every database, so the
 * happy path runs as local activities, which cost no state transitions.
 */
import {
  ActivityFailure,
  ApplicationFailure,
  isCancellation,
  proxyActivities,
  proxyLocalActivities,
  TemporalFailure,
} from '@temporalio/workflow';
import type { DonationPolicy, Placement } from '../domain/donation.ts';
import { NON_RETRYABLE_TYPES } from '../domain/failures.ts';
import type { Queues } from './messages.ts';
import type { Activities, CampaignActivities, DonationActivities, PaymentActivities } from './ports.ts';

const DATABASE_STEP_LIMIT = '10 seconds';

export function activitiesFor(placement: Placement, policy: DonationPolicy, queues: Queues): Activities {
  const retry = {
    initialInterval: policy.retryInitialMs,
    maximumInterval: policy.retryMaxMs,
    nonRetryableErrorTypes: [...NON_RETRYABLE_TYPES],
  };
  // Twice the provider's limit: authorize makes two calls.
  const payments = proxyActivities<PaymentActivities>({
    taskQueue: queues.payments,
    startToCloseTimeout: policy.providerCallTimeoutMs * 2 + 5_000,
    retry,
  });

  if (placement === 'queues') {
    const step = { startToCloseTimeout: DATABASE_STEP_LIMIT, retry };
    return {
      ...pick(proxyActivities<DonationActivities>({ ...step, taskQueue: queues.donations }), [
        'persistPledge',
        'claimCapture',
        'recordOutcome',
      ]),
      ...pick(proxyActivities<CampaignActivities>({ ...step, taskQueue: queues.campaigns }), ['addToTotals']),
      ...pick(payments, ['authorize', 'capture', 'release', 'applyProviderEvent']),
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
    ...pick(steps, ['persistPledge', 'claimCapture', 'recordOutcome', 'addToTotals']),
    authorize: (order) => orElse(firstTry.authorize(order), () => payments.authorize(order)),
    capture: (donationId) => orElse(firstTry.capture(donationId), () => payments.capture(donationId)),
    release: payments.release,
    applyProviderEvent: payments.applyProviderEvent,
  };
}

async function orElse<T>(tried: Promise<T>, again: () => Promise<T>): Promise<T> {
  try {
    return await tried;
  } catch (error) {
    // A local activity rejects with its own failure, a regular one wraps it.
    const cause = error instanceof ActivityFailure ? error.cause : error;
    const definitive = cause instanceof ApplicationFailure && cause.nonRetryable === true;
    if (definitive || isCancellation(error) || !(cause instanceof TemporalFailure)) throw error;
    return await again();
  }
}

/** Proxies answer to any name; only the named ones are real. */
function pick<T, K extends keyof T>(proxy: T, names: readonly K[]): Pick<T, K> {
  return Object.fromEntries(names.map((name) => [name, proxy[name]])) as Pick<T, K>;
}
