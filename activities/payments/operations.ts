/**
 * One provider operation, exactly one effect. Its key is written before the call; what is answered is never asked
 * again; what is not known is asked about (the object is fetched) before the same key is sent once more.
 */
import type { Pool } from 'pg';
import { ApplicationFailure } from '@temporalio/common';
import type { FailureCode } from '../../domain/failures.ts';
import { providerKey, type Operation } from '../../domain/ids.ts';
import type { PaymentEvent } from '../../domain/payment.ts';
import type { Failpoint } from '../../platform/failpoint.ts';
import { transaction } from '../../platform/postgres.ts';
import type { ProviderAnswer, ProviderPayment, UnknownAnswer } from '../../provider/port.ts';
import type { PaymentView } from '../../workflows/ports.ts';
import { applyEvents, lockPayment, markForReview, viewOf, type Payment } from './facts.ts';
import { eventsProvenBy, mismatchOf } from './observation.ts';

export type Step = {
  readonly operation: Exclude<Operation, 'refund'>;
  readonly donationId: string;
  /** Why we release; recorded as the payment's failure code. */
  readonly releaseCode?: string;
  readonly call: (key: string) => Promise<ProviderAnswer>;
  /** Fetches the object, to learn whether an earlier try had an effect. Null: there is no such object. */
  readonly look: (startedAt: Date) => Promise<Proof>;
};

export type Proof =
  | { readonly kind: 'object'; readonly object: ProviderPayment }
  | { readonly kind: 'absent' }
  | UnknownAnswer;

type OperationRow = {
  n: number;
  provider_key: string;
  attempts: number;
  last_reason: string | null;
  started_at: Date;
  answered_at: Date | null;
};

type Definitive = Extract<ProviderAnswer, { kind: 'yes' | 'declined' }>;

/**
 * The key's stored answer is a 500, for ever: with proof of no effect a new key is safe. Any other failure, however often,
 * is none: a call with this key may still be on its way, and both would have an effect.
 */
const SPENT_KEY = 'replayed';
/** Stripe forgets keys after 24 h: from here on we only ask. https://docs.stripe.com/api/idempotent_requests */
const KEY_LIFETIME_MS = 23 * 3_600_000;

/** Runs the step, or finds it done. Throws `provider_unknown` (retry) or `provider_rejected` / `payment_mismatch` (park). */
export async function runOperation(pool: Pool, failpoint: Failpoint, step: Step): Promise<PaymentView> {
  let row = await begin(pool, step);
  if (row?.answered_at !== null) return await currentView(pool, step.donationId);

  if (row.attempts > 1) {
    const proof = await step.look(row.started_at);
    if (proof.kind === 'unknown') throw unknownOutcome(step, proof);
    if (proof.kind === 'object' && hadEffect(step.operation, proof.object)) {
      return await record(pool, failpoint, step, row, { kind: 'yes', payment: proof.object });
    }
    if (Date.now() - row.started_at.getTime() > KEY_LIFETIME_MS) throw unknownOutcome(step, null);
    if (row.last_reason === SPENT_KEY) row = await beginWithNewKey(pool, step, row.n + 1);
  }

  failpoint('provider.before-call');
  const answer = await step.call(row.provider_key);
  failpoint('provider.answer-read');

  switch (answer.kind) {
    case 'yes':
    case 'declined':
      return await record(pool, failpoint, step, row, answer);
    case 'wrong_state': {
      // The object is further than we thought: it says how the earlier try ended.
      const proof: Proof =
        answer.payment === null
          ? await step.look(row.started_at)
          : { kind: 'object', object: answer.payment };
      if (proof.kind === 'object' && hadEffect(step.operation, proof.object)) {
        return await record(pool, failpoint, step, row, { kind: 'yes', payment: proof.object });
      }
      await noteReason(pool, step, row, 'wrong_state');
      throw unknownOutcome(step, null);
    }
    case 'our_fault':
      await noteReason(pool, step, row, `${answer.status} ${answer.code}`);
      throw failure(
        'provider_rejected',
        `${step.operation} of ${step.donationId}: ${answer.status} ${answer.code}: ${answer.message}`,
      );
    case 'unknown':
      await noteReason(
        pool,
        step,
        row,
        answer.replayed && answer.reason === 'server_error' ? SPENT_KEY : answer.reason,
      );
      throw unknownOutcome(step, answer);
    default:
      return answer satisfies never;
  }
}

/** Whether the object shows that the operation, or something beyond it, has happened. */
function hadEffect(operation: Step['operation'], object: ProviderPayment): boolean {
  const { status } = object;
  switch (operation) {
    case 'create':
      return true;
    case 'confirm':
      return (
        status !== 'requires_confirmation' &&
        !(status === 'requires_payment_method' && object.lastErrorCode === null)
      );
    case 'capture':
    case 'release':
      return status === 'succeeded' || status === 'canceled';
    default:
      return operation satisfies never;
  }
}

/** Null when the payment was closed before its create began: there is nothing at the provider, and it stays so. */
async function begin(pool: Pool, { donationId, operation }: Step): Promise<OperationRow | null> {
  const { rows } = await pool.query<OperationRow>({
    name: 'operation-begin',
    // SHARE waits for a release that is closing the payment, and lets steps of other kinds pass.
    text: `INSERT INTO payment_operations (payment_id, operation, n, provider_key, attempts, last_attempt_at)
           SELECT id, $2, 1, $3, 1, now() FROM payments WHERE id = $1 AND (closed_as IS NULL OR $2 <> 'create') FOR SHARE
           ON CONFLICT DO NOTHING RETURNING *`,
    values: [donationId, operation, providerKey(donationId, operation, 1)],
  });
  if (rows[0] !== undefined) return rows[0];
  const { rows: again } = await pool.query<OperationRow>(
    `UPDATE payment_operations SET attempts = attempts + CASE WHEN answered_at IS NULL THEN 1 ELSE 0 END, last_attempt_at = now()
     WHERE payment_id = $1 AND operation = $2
       AND n = (SELECT max(n) FROM payment_operations WHERE payment_id = $1 AND operation = $2) RETURNING *`,
    [donationId, operation],
  );
  const row = again[0];
  if (row === undefined && operation !== 'create')
    throw new Error(`operation ${operation} of ${donationId} has vanished`);
  return row ?? null;
}

async function beginWithNewKey(
  pool: Pool,
  { donationId, operation }: Step,
  n: number,
): Promise<OperationRow> {
  const { rows } = await pool.query<OperationRow>(
    `INSERT INTO payment_operations (payment_id, operation, n, provider_key, attempts, last_attempt_at) VALUES ($1, $2, $3, $4, 1, now())
     ON CONFLICT (payment_id, operation, n) DO UPDATE SET attempts = payment_operations.attempts + 1, last_attempt_at = now() RETURNING *`,
    [donationId, operation, n, providerKey(donationId, operation, n)],
  );
  const row = rows[0];
  if (row === undefined) throw new Error(`operation ${operation} ${n} of ${donationId} was not stored`);
  return row;
}

async function noteReason(
  pool: Pool,
  { donationId, operation }: Step,
  { n }: OperationRow,
  reason: string,
): Promise<void> {
  await pool.query(
    `UPDATE payment_operations SET last_reason = $4 WHERE payment_id = $1 AND operation = $2 AND n = $3 AND answered_at IS NULL`,
    [donationId, operation, n, reason],
  );
}

/** The answer and all that it proves, in one transaction. */
async function record(
  pool: Pool,
  failpoint: Failpoint,
  step: Step,
  { n }: OperationRow,
  answer: Definitive,
): Promise<PaymentView> {
  const { donationId, operation } = step;
  const cause = `operation:${operation}:${n}`;
  const result = await transaction(pool, async (client) => {
    const locked = await lockPayment(client, donationId);
    if (locked === null) throw new Error(`payment ${donationId} does not exist`);
    const mismatch = answer.payment === null ? null : mismatchOf(locked, answer.payment);
    if (mismatch !== null) {
      await markForReview(client, locked, `${operation}: the provider's payment ${mismatch}`);
      return { mismatch };
    }
    await client.query({
      name: 'operation-answer',
      text: `UPDATE payment_operations SET answer = $4, answered_at = now()
             WHERE payment_id = $1 AND operation = $2 AND n = $3 AND answered_at IS NULL`,
      values: [donationId, operation, n, JSON.stringify(answer)],
    });
    let payment: Payment = locked;
    if (operation === 'create' && answer.payment !== null)
      payment = await rememberProviderId(client, locked, answer.payment.id);
    payment = await applyEvents(client, payment, provenBy(answer, step), cause);
    return { view: await viewOf(client, payment) };
  });
  failpoint('payment.recorded');
  if ('mismatch' in result)
    throw failure(
      'payment_mismatch',
      `${operation} of ${donationId}: the provider's payment ${result.mismatch}`,
    );
  return result.view;
}

function provenBy(answer: Definitive, step: Step): PaymentEvent[] {
  if (answer.kind === 'declined') return [{ type: 'declined', code: answer.code }];
  return eventsProvenBy(answer.payment, step.releaseCode ?? null);
}

async function rememberProviderId(
  client: Parameters<typeof lockPayment>[0],
  payment: Payment,
  providerPaymentId: string,
): Promise<Payment> {
  await client.query({
    name: 'payment-provider-id',
    text: 'UPDATE payments SET provider_payment_id = $2, updated_at = now() WHERE id = $1 AND provider_payment_id IS NULL',
    values: [payment.donationId, providerPaymentId],
  });
  return { ...payment, providerPaymentId };
}

/** The payment as it is now, without changing it. */
export async function currentView(pool: Pool, donationId: string): Promise<PaymentView> {
  return await transaction(pool, async (client) => {
    const payment = await lockPayment(client, donationId);
    if (payment === null) throw new Error(`payment ${donationId} does not exist`);
    return await viewOf(client, payment);
  });
}

function unknownOutcome({ operation, donationId }: Step, answer: UnknownAnswer | null): ApplicationFailure {
  const reason = answer?.reason ?? 'not proven';
  return ApplicationFailure.create({
    type: 'provider_unknown' satisfies FailureCode,
    message: `${operation} of ${donationId}: the outcome is not known yet (${reason})`,
    ...(answer?.retryAfterMs == null ? {} : { nextRetryDelay: answer.retryAfterMs }),
  });
}

export function failure(type: FailureCode, message: string): ApplicationFailure {
  return ApplicationFailure.create({ type, message, nonRetryable: true });
}
