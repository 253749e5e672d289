import { setTimeout as pause } from 'node:timers/promises';
import { ApplicationFailure } from '@temporalio/common';
import { NON_RETRYABLE_TYPES } from '../../../domain/failures.ts';

const MAX_ATTEMPTS = 80;
const BACK_OFF_MS = 20;

export type Finished<T> = { readonly result: T; readonly failures: readonly ApplicationFailure[] };

/** Calls an activity again until it succeeds, as Temporal would, though with a short back-off and a limit. */
export async function untilDone<T>(run: (attempt: number) => Promise<T>): Promise<Finished<T>> {
  const failures: ApplicationFailure[] = [];
  for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt += 1) {
    try {
      return { result: await run(attempt), failures };
    } catch (error) {
      if (!(error instanceof ApplicationFailure) || isFinal(error)) throw error;
      failures.push(error);
      await pause(BACK_OFF_MS);
    }
  }
  throw new Error(`not done after ${MAX_ATTEMPTS} attempts: ${String(failures.at(-1)?.message)}`);
}

/** The failure of a call that must fail. */
export async function failureOf(call: Promise<unknown>): Promise<ApplicationFailure> {
  const outcome = await call.then(
    () => new Error('it succeeded'),
    (error: unknown) => error,
  );
  if (outcome instanceof ApplicationFailure) return outcome;
  throw outcome instanceof Error ? outcome : new Error(String(outcome));
}

function isFinal(error: ApplicationFailure): boolean {
  const types: readonly string[] = NON_RETRYABLE_TYPES;
  return error.nonRetryable === true || types.includes(error.type ?? '');
}
