/** Refunds as HTTP asks for them: decided in one transaction, made at the provider by aftercare. */
import { randomUUID } from 'node:crypto';
import type { Pool } from 'pg';
import { lockPayment } from '../../activities/payments/book/payment.ts';
import { requestRefund } from '../../activities/payments/book/refund-requests.ts';
import type { FailureCode } from '../../domain/failures.ts';
import type { CurrencyCode } from '../../domain/money.ts';
import { refundableMinor, type RefundStatus } from '../../domain/payment.ts';
import { isUniqueViolation } from '../../platform/database-errors.ts';
import { transaction } from '../../platform/postgres.ts';

export type Refund = {
  readonly id: string;
  readonly donationId: string;
  readonly amount: number;
  readonly currency: CurrencyCode;
  readonly status: RefundStatus;
  readonly reason: string | null;
  readonly failureCode: string | null;
  readonly requestedBy: string;
  readonly createdAt: Date;
};

export type RefundAsked = {
  readonly donationId: string;
  readonly scope: string;
  /** Where keys of the same people were kept before: there they still mean what they meant. */
  readonly formerScope?: string;
  readonly idempotencyKey: string;
  readonly fingerprint: Buffer;
  /** Undefined: all that is left. */
  readonly amountMinor: number | undefined;
  readonly currency: string | undefined;
  readonly reason: string | undefined;
  readonly requestedBy: string;
};

export type RefundAnswer =
  | { readonly kind: 'accepted'; readonly created: boolean; readonly refund: Refund }
  | { readonly kind: 'refused'; readonly code: FailureCode };

export type RefundStore = {
  ask(asked: RefundAsked): Promise<RefundAnswer>;
  /** Oldest first; null when there is no such payment. */
  list(donationId: string): Promise<Refund[] | null>;
  /** The campaign that the donation is for; null when there is no such payment. */
  campaignOf(donationId: string): Promise<string | null>;
};

export function createRefundStore(pool: Pool, commandWritten: () => void): RefundStore {
  return {
    ask: async (asked) => {
      const answer = await decide(pool, asked);
      if (answer.kind === 'accepted' && answer.created) commandWritten();
      return answer;
    },
    list: async (donationId) => {
      const { rowCount } = await pool.query('SELECT FROM payments WHERE id = $1', [donationId]);
      if (rowCount !== 1) return null;
      const { rows } = await pool.query<Refund>(
        `${REFUND} WHERE r.payment_id = $1 ORDER BY r.created_at, r.id`,
        [donationId],
      );
      return rows;
    },
    campaignOf: async (donationId) => {
      const { rows } = await pool.query<{ campaignId: string }>(
        'SELECT campaign_id AS "campaignId" FROM payments WHERE id = $1',
        [donationId],
      );
      return rows[0]?.campaignId ?? null;
    },
  };
}

const REFUND = `
  SELECT r.id, r.payment_id AS "donationId", r.amount, p.currency, r.status, r.reason, r.failure_code AS "failureCode",
    r.requested_by AS "requestedBy", r.created_at AS "createdAt", r.fingerprint
  FROM refunds r JOIN payments p ON p.id = r.payment_id`;

/** Twins with the same key meet at the payment's lock; the same key for two donations meets at the unique constraint. */
async function decide(pool: Pool, asked: RefundAsked): Promise<RefundAnswer> {
  const known = await findByKey(pool, asked);
  if (known !== null) return known;
  const decision = await transaction(pool, async (client): Promise<RefundAnswer | 'known'> => {
    const payment = await lockPayment(client, asked.donationId);
    if (payment === null) return { kind: 'refused', code: 'not_found' };
    const { rowCount } = await client.query('SELECT FROM refunds WHERE scope = $1 AND idempotency_key = $2', [
      asked.scope,
      asked.idempotencyKey,
    ]);
    if (rowCount !== 0) return 'known';
    if (asked.currency !== undefined && asked.currency !== payment.facts.currency)
      return { kind: 'refused', code: 'currency_mismatch' };
    const amountMinor = asked.amountMinor ?? refundableMinor(payment.facts);
    if (amountMinor === 0 && payment.facts.capturedMinor > 0)
      return { kind: 'refused', code: 'refund_exceeds_captured' };
    const { scope, idempotencyKey, fingerprint, requestedBy, reason = null } = asked;
    const refundId = randomUUID();
    const decided = await requestRefund(client, payment, {
      refundId,
      amountMinor,
      requestedBy,
      reason,
      key: { scope, idempotencyKey, fingerprint },
    });
    if (decided.kind === 'refused') return decided;
    const { rows } = await client.query<Refund>(`${REFUND} WHERE r.id = $1`, [refundId]);
    const refund = rows[0];
    if (refund === undefined) throw new Error(`refund ${refundId} was not stored`);
    return { kind: 'accepted', created: true, refund };
  }).catch((error: unknown) => {
    if (isUniqueViolation(error, 'refunds_scope_idempotency_key_key')) return 'known' as const;
    throw error;
  });
  if (decision !== 'known') return decision;
  const twin = await findByKey(pool, asked);
  if (twin === null) throw new Error('a refund was neither stored nor found');
  return twin;
}

async function findByKey(
  pool: Pool,
  { scope, formerScope, idempotencyKey, fingerprint }: RefundAsked,
): Promise<RefundAnswer | null> {
  const { rows } = await pool.query<Refund & { fingerprint: Buffer }>(
    `${REFUND} WHERE r.scope IN ($1, $3) AND r.idempotency_key = $2`,
    [scope, idempotencyKey, formerScope ?? scope],
  );
  const row = rows[0];
  if (row === undefined) return null;
  return row.fingerprint.equals(fingerprint)
    ? { kind: 'accepted', created: false, refund: row }
    : { kind: 'refused', code: 'idempotency_key_reused' };
}
