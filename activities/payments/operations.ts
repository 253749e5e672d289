/**
 * One provider operation, exactly one effect. Its key is written before the call; what is answered is never asked
 * again; what is not known is asked about (the object is fetched) before the same key is sent once more.
 */
import { ApplicationFailure } from '@temporalio/common';
import type { ClientBase, Pool } from 'pg';
import type { FailureCode } from '../../domain/failures.ts';
import type { Failpoint } from '../../platform/failpoint.ts';
import { transaction } from '../../platform/postgres.ts';
import type { OurFaultAnswer, UnknownAnswer } from '../../provider/port.ts';
import type { PaymentView } from '../../workflows/ports.ts';
import { markForReview, type Cause } from './book/facts.ts';
import { lockPayment, type Payment } from './book/payment.ts';
import { currentView, viewOf } from './book/view.ts';
import {
  beginOperation,
  beginWithNewKey,
  noteAbsence,
  noteReason,
  SPENT_KEY,
  storeAnswer,
  type OperationRow,
  type Subject,
} from './operation-rows.ts';

/** What the provider says to one call; `stored` is the answer as it is kept for the operators. */
export type Answer<T> =
  | Definitive<T>
  | { readonly kind: 'wrong_state'; readonly object: T | null }
  | OurFaultAnswer
  | UnknownAnswer;

export type Definitive<T> =
  | { readonly kind: 'yes'; readonly object: T; readonly stored: object }
  | { readonly kind: 'no'; readonly code: string; readonly object: T | null; readonly stored: object };

export type Proof<T> =
  | { readonly kind: 'object'; readonly object: T }
  | { readonly kind: 'absent' }
  | UnknownAnswer;

export type Step<T> = Subject & {
  readonly call: (key: string) => Promise<Answer<T>>;
  /** Fetches the object, to learn whether an earlier try had an effect. Absent: there is no such object. */
  readonly look: (startedAt: Date) => Promise<Proof<T>>;
  /** Whether the object shows that the operation, or something beyond it, has happened. */
  readonly hadEffect: (object: T) => boolean;
  readonly toStored: (object: T) => object;
  /** What is wrong with the object, if it cannot be the one we asked for. */
  readonly mismatch: (payment: Payment, object: T) => string | null;
  /** Writes down what the answer proves. */
  readonly apply: (
    client: ClientBase,
    payment: Payment,
    answer: Definitive<T>,
    cause: Cause,
  ) => Promise<Payment>;
  /** What follows from the proof that the operation never reached the provider. Without it, only asking is left. */
  readonly absent?: (client: ClientBase, payment: Payment, cause: Cause) => Promise<Payment>;
};

export type OperationLimits = {
  /** Stripe forgets keys after 24 h: from here on we only ask. https://docs.stripe.com/api/idempotent_requests */
  readonly keyLifetimeMs: number;
  /** How far apart two looks have to find nothing: search is eventually consistent. */
  readonly absenceProofMs: number;
};

export const OPERATION_LIMITS: OperationLimits = {
  keyLifetimeMs: 23 * 3_600_000,
  absenceProofMs: 3_600_000,
};

type Runner = {
  readonly pool: Pool;
  readonly failpoint: Failpoint;
  readonly limits: OperationLimits;
};

/** Runs the step, or finds it done. Throws `provider_unknown` (retry) or `provider_rejected` / `payment_mismatch` (park). */
export async function runOperation<T>(runner: Runner, step: Step<T>): Promise<PaymentView> {
  const { pool, failpoint, limits } = runner;
  let row = await beginOperation(pool, step);
  if (row?.answered_at !== null) return await currentView(pool, step.donationId);

  if (row.attempts > 1) {
    const proof = await step.look(row.started_at);
    if (proof.kind === 'unknown') throw unknownOutcome(step, proof);
    if (proof.kind === 'object' && step.hadEffect(proof.object))
      return await record(runner, step, row, found(step, proof.object));
    if (Date.now() - row.started_at.getTime() > limits.keyLifetimeMs)
      return await onlyAsk(runner, step, row, proof);
    // Any other failure, however often, is no proof: a call with this key may still be on its way.
    if (row.last_reason === SPENT_KEY) row = await beginWithNewKey(pool, step);
  }

  failpoint('provider.before-call');
  let answer = await step.call(row.provider_key);
  if (answer.kind === 'our_fault' && answer.replayed && row.attempts > 1) {
    // What was wrong may be mended, but this key keeps its first refusal; we have just seen that it had no effect.
    await noteReason(pool, step, row, SPENT_KEY);
    row = await beginWithNewKey(pool, step);
    answer = await step.call(row.provider_key);
  }
  failpoint('provider.answer-read');

  switch (answer.kind) {
    case 'yes':
    case 'no':
      return await record(runner, step, row, answer);
    case 'wrong_state': {
      // The object is further than we thought: it says how the earlier try ended. An error carries less of it.
      const looked = await step.look(row.started_at);
      const proof: Proof<T> =
        looked.kind === 'unknown' && answer.object !== null
          ? { kind: 'object', object: answer.object }
          : looked;
      if (proof.kind === 'object' && step.hadEffect(proof.object))
        return await record(runner, step, row, found(step, proof.object));
      await noteReason(pool, step, row, 'wrong_state');
      throw unknownOutcome(step, null);
    }
    case 'our_fault':
      await noteReason(pool, step, row, `${answer.status} ${answer.code}`);
      throw failure(
        'provider_rejected',
        `${step.operation} of ${step.donationId}: ${answer.status} ${answer.code}: ${answer.message}`,
      );
    case 'unknown': {
      const spent = answer.replayed && answer.reason === 'server_error';
      await noteReason(pool, step, row, spent ? SPENT_KEY : answer.reason);
      throw unknownOutcome(step, answer);
    }
    default:
      return answer satisfies never;
  }
}

function found<T>(step: Step<T>, object: T): Definitive<T> {
  return { kind: 'yes', object, stored: step.toStored(object) };
}

/** The key is forgotten, so nothing may be posted any more. Finding nothing twice, long enough apart, is proof. */
async function onlyAsk<T>(
  runner: Runner,
  step: Step<T>,
  row: OperationRow,
  proof: Proof<T>,
): Promise<PaymentView> {
  const { absent } = step;
  if (proof.kind !== 'absent' || absent === undefined) throw unknownOutcome(step, null);
  const absentForMs = row.absent_since === null ? 0 : Date.now() - row.absent_since.getTime();
  if (row.absent_since === null || absentForMs < runner.limits.absenceProofMs) {
    await noteAbsence(runner.pool, step, row);
    throw unknownOutcome(step, null);
  }
  return await transaction(runner.pool, async (client) => {
    const payment = await locked(client, step);
    await storeAnswer(client, step, row, { kind: 'absent' });
    return await viewOf(client, await absent(client, payment, causeOf(step, row)));
  });
}

/** The answer and all that it proves, in one transaction. */
async function record<T>(
  { pool, failpoint }: Runner,
  step: Step<T>,
  row: OperationRow,
  answer: Definitive<T>,
): Promise<PaymentView> {
  const { donationId, operation } = step;
  const result = await transaction(pool, async (client) => {
    const payment = await locked(client, step);
    const mismatch = answer.object === null ? null : step.mismatch(payment, answer.object);
    if (mismatch !== null) {
      await markForReview(client, payment, `${operation}: the provider's payment ${mismatch}`);
      return { mismatch };
    }
    await storeAnswer(client, step, row, answer.stored);
    const applied = await step.apply(client, payment, answer, causeOf(step, row));
    return { view: await viewOf(client, applied) };
  });
  failpoint('payment.recorded');
  if ('mismatch' in result)
    throw failure(
      'payment_mismatch',
      `${operation} of ${donationId}: the provider's payment ${result.mismatch}`,
    );
  return result.view;
}

async function locked(client: ClientBase, { donationId }: Subject): Promise<Payment> {
  const payment = await lockPayment(client, donationId);
  if (payment === null) throw new Error(`payment ${donationId} does not exist`);
  return payment;
}

function causeOf({ operation }: Subject, { n }: OperationRow): Cause {
  return { text: `operation:${operation}:${n}` };
}

function unknownOutcome(
  { operation, donationId }: Subject,
  answer: UnknownAnswer | null,
): ApplicationFailure {
  return notKnownYet(`${operation} of ${donationId}`, answer);
}

/** To be tried again, at the provider's own time if it names one. */
export function notKnownYet(what: string, answer: UnknownAnswer | null): ApplicationFailure {
  return ApplicationFailure.create({
    type: 'provider_unknown' satisfies FailureCode,
    message: `${what}: the outcome is not known yet (${answer?.reason ?? 'not proven'})`,
    ...(answer?.retryAfterMs == null ? {} : { nextRetryDelay: answer.retryAfterMs }),
  });
}

export function failure(type: FailureCode, message: string): ApplicationFailure {
  return ApplicationFailure.create({ type, message, nonRetryable: true });
}
