/** The rows of `payment_operations`: each key is written down before its call, and its answer after it. */
import type { ClientBase, Pool } from 'pg';
import { providerKey, type Operation } from '../../domain/ids.ts';
import { transaction } from '../../platform/postgres.ts';
import { lockPayment } from './book/payment.ts';

export type OperationRow = {
  readonly n: number;
  readonly provider_key: string;
  readonly attempts: number;
  readonly last_reason: string | null;
  readonly started_at: Date;
  readonly absent_since: Date | null;
  readonly answered_at: Date | null;
};

/** Which operation of which donation; a refund's is one of several. */
export type Subject = {
  readonly donationId: string;
  readonly operation: Operation;
  readonly refundId?: string;
};

/**
 * Begins the operation, or one more attempt of it. Null when it must not begin: a create after the payment was closed,
 * a refund that is settled.
 */
export async function beginOperation(pool: Pool, subject: Subject): Promise<OperationRow | null> {
  return subject.refundId === undefined
    ? await beginOnce(pool, subject)
    : await beginRefund(pool, subject.donationId, subject.refundId);
}

async function beginOnce(pool: Pool, { donationId, operation }: Subject): Promise<OperationRow | null> {
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

/** Under the payment's lock: a refund that was never sent may be settled by what somebody did at the provider. */
async function beginRefund(pool: Pool, donationId: string, refundId: string): Promise<OperationRow | null> {
  return await transaction(pool, async (client) => {
    const payment = await lockPayment(client, donationId);
    const refund = payment?.refunds.find(({ id }) => id === refundId);
    if (refund?.status !== 'pending' || refund.providerRefundId !== null) return null;
    const { rows } = await client.query<OperationRow>(
      `UPDATE payment_operations SET attempts = attempts + 1, last_attempt_at = now()
       WHERE payment_id = $1 AND refund_id = $2 AND n = (SELECT max(n) FROM payment_operations WHERE refund_id = $2) RETURNING *`,
      [donationId, refundId],
    );
    return rows[0] ?? (await insertOperation(client, { donationId, operation: 'refund', refundId }));
  });
}

/** The same operation under a new key: only on proof that none of the keys before had an effect. */
export async function beginWithNewKey(pool: Pool, subject: Subject): Promise<OperationRow> {
  return await transaction(pool, async (client) => {
    // Two tries that have read the same proof take the same new key.
    await lockPayment(client, subject.donationId);
    const { rows } = await client.query<OperationRow>(
      `UPDATE payment_operations SET attempts = attempts + 1, last_attempt_at = now()
       WHERE payment_id = $1 AND operation = $2 AND refund_id IS NOT DISTINCT FROM $3 AND last_reason IS DISTINCT FROM $4
         AND n = (SELECT max(n) FROM payment_operations WHERE payment_id = $1 AND operation = $2 AND refund_id IS NOT DISTINCT FROM $3) RETURNING *`,
      [subject.donationId, subject.operation, subject.refundId ?? null, SPENT_KEY],
    );
    return rows[0] ?? (await insertOperation(client, subject));
  });
}

/** The key's stored answer is a server error, for ever. */
export const SPENT_KEY = 'replayed';

async function insertOperation(
  client: ClientBase,
  { donationId, operation, refundId }: Subject,
): Promise<OperationRow> {
  const { rows } = await client.query<OperationRow>(
    `INSERT INTO payment_operations (payment_id, operation, n, provider_key, refund_id, attempts, last_attempt_at)
     SELECT $1, $2, n, concat($1::text, ':', $2::text, ':', n), $3, 1, now()
     FROM (SELECT coalesce(max(n), 0) + 1 AS n FROM payment_operations WHERE payment_id = $1 AND operation = $2) AS next RETURNING *`,
    [donationId, operation, refundId ?? null],
  );
  const row = rows[0];
  if (row === undefined) throw new Error(`operation ${operation} of ${donationId} was not stored`);
  return row;
}

/** Why the attempt has no answer yet. */
export async function noteReason(
  pool: Pool,
  { donationId, operation }: Subject,
  { n }: OperationRow,
  reason: string,
): Promise<void> {
  await pool.query(
    `UPDATE payment_operations SET last_reason = $4 WHERE payment_id = $1 AND operation = $2 AND n = $3 AND answered_at IS NULL`,
    [donationId, operation, n, reason],
  );
}

/** The object was looked for and is not there; kept is when that was first seen. */
export async function noteAbsence(
  pool: Pool,
  { donationId, operation }: Subject,
  { n }: OperationRow,
): Promise<void> {
  await pool.query(
    `UPDATE payment_operations SET absent_since = coalesce(absent_since, now())
     WHERE payment_id = $1 AND operation = $2 AND n = $3 AND answered_at IS NULL`,
    [donationId, operation, n],
  );
}

export async function storeAnswer(
  client: ClientBase,
  { donationId, operation }: Subject,
  { n }: OperationRow,
  answer: object,
): Promise<void> {
  await client.query({
    name: 'operation-answer',
    text: `UPDATE payment_operations SET answer = $4, answered_at = now()
           WHERE payment_id = $1 AND operation = $2 AND n = $3 AND answered_at IS NULL`,
    values: [donationId, operation, n, JSON.stringify(answer)],
  });
}
