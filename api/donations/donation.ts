/** A donation as its donor sees it: the request, and how far it has come. */
import type { z } from 'zod';
import { POSSIBLE_DUPLICATE_SECONDS } from '../../domain/limits.ts';
import type { CurrencyCode } from '../../domain/money.ts';
import type { PaymentStatus } from '../../domain/payment.ts';
import type { donationAnswer } from './answers.ts';

export type Donation = {
  readonly id: string;
  /** Whose it is. */
  readonly scope: string;
  readonly fingerprint: Buffer;
  readonly campaignId: string;
  readonly amount: number;
  readonly currency: CurrencyCode;
  readonly status: PaymentStatus;
  readonly version: number;
  readonly failureCode: string | null;
  /** The same donor gave the same to the same campaign a moment earlier, with another key. */
  readonly possibleDuplicateOf: string | null;
  readonly createdAt: Date;
};

/** The columns of a `Donation`, from `donation_requests r LEFT JOIN pledges p`. */
export const DONATION = `
  r.id, r.scope, r.fingerprint, r.campaign_id AS "campaignId", r.amount, r.currency, coalesce(p.status, 'INITIATED') AS status,
    coalesce(p.version, 0) AS version, p.failure_code AS "failureCode", r.accepted_at AS "createdAt",
    (SELECT e.id FROM pledges e WHERE e.donor_key = p.donor_key AND e.campaign_id = p.campaign_id AND e.amount = p.amount
       AND e.created_at BETWEEN p.created_at - interval '${POSSIBLE_DUPLICATE_SECONDS} seconds' AND p.created_at
       AND (e.created_at, e.id) < (p.created_at, p.id) AND e.status NOT IN ('FAILED', 'EXPIRED')
     ORDER BY e.created_at, e.id LIMIT 1) AS "possibleDuplicateOf"`;

export function toJson(donation: Donation): z.infer<typeof donationAnswer> {
  const { id, status, campaignId, amount, currency, version, createdAt, failureCode } = donation;
  const { possibleDuplicateOf } = donation;
  const failure = failureCode === null ? {} : { failure: { code: failureCode } };
  return {
    id,
    status,
    campaignId,
    amount,
    currency,
    version,
    createdAt: createdAt.toISOString(),
    ...failure,
    ...(possibleDuplicateOf === null ? {} : { possibleDuplicateOf }),
  };
}
