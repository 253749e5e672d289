/** Steps whose outcome nobody knows yet, and how they come to be known. */
import {
  ActivityFailure,
  ApplicationFailure,
  condition,
  isCancellation,
  TemporalFailure,
} from '@temporalio/workflow';
import { resolvePauseMs, type DonationPolicy } from '../domain/donation.ts';

import { nowMs } from './clock.ts';

/** A failure that says nothing about what happened: the tries are used up, or the worker never came back. */
export function isUnknownOutcome(error: unknown): boolean {
  if (isCancellation(error)) return false;
  // A local activity rejects with its own failure, a regular one wraps it.
  const cause = error instanceof ActivityFailure ? error.cause : error;
  if (cause instanceof ApplicationFailure) return cause.nonRetryable !== true;
  return cause instanceof TemporalFailure;
}

/**
 * Runs a step until its outcome is known, on durable timers that grow with the question's age; `news` cuts a pause short.
 * Throws `outcome_unproven` when the question has become too old.
 */
export async function untilKnown<T>(
  step: () => Promise<T>,
  policy: DonationPolicy,
  news: () => boolean = () => false,
): Promise<T> {
  const startedAt = nowMs();
  for (;;) {
    try {
      return await step();
    } catch (error) {
      if (!isUnknownOutcome(error)) throw error;
      const openMs = nowMs() - startedAt;
      if (openMs >= policy.giveUpAfterMs) throw unproven(openMs, error);
      await condition(news, resolvePauseMs(policy, openMs));
    }
  }
}

/** The question has become too old to be asked any longer. */
export function unproven(openMs: number, cause: unknown): ApplicationFailure {
  return ApplicationFailure.create({
    type: 'outcome_unproven',
    message: `the provider has not told an outcome for ${openMs} ms`,
    nonRetryable: true,
    ...(cause instanceof Error ? { cause } : {}),
  });
}
