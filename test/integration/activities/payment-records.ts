import type { Pool } from 'pg';
import { expect } from 'vitest';
import type { TotalsEntry } from '../../../domain/totals.ts';

/** A payment as its database tells it. */
export type PaymentRecords = {
  readonly payment: {
    readonly state: string;
    readonly version: number;
    readonly authorized: boolean;
    readonly captured: number;
    readonly closed_as: string | null;
    readonly closed_code: string | null;
    readonly needs_review: string | null;
    readonly provider_payment_id: string | null;
  };
  /** `<operation>:<n>`, with a star while it has no answer. */
  readonly operations: readonly string[];
  /** `<version> <from> > <to>` */
  readonly transitions: readonly string[];
  /** `<kind> <amount>` */
  readonly entries: readonly string[];
  /** `<account> <amount>`, less the provider's fee: an event's own body does not tell it. */
  readonly ledger: readonly string[];
  /** `<version> <type>` */
  readonly outbox: readonly string[];
};

export async function paymentRecords(pool: Pool, donationId: string): Promise<PaymentRecords> {
  const texts = async (query: string): Promise<string[]> =>
    (await pool.query<{ text: string }>(query, [donationId])).rows.map((row) => row.text);
  const payment = await pool.query<PaymentRecords['payment']>(
    `SELECT state, version, authorized, captured, closed_as, closed_code, needs_review, provider_payment_id
     FROM payments WHERE id = $1`,
    [donationId],
  );
  const [row] = payment.rows;
  if (row === undefined) throw new Error(`there is no payment ${donationId}`);
  return {
    payment: row,
    operations: await texts(
      `SELECT concat(operation, ':', n, CASE WHEN answered_at IS NULL THEN '*' END) AS text
       FROM payment_operations WHERE payment_id = $1 ORDER BY started_at, n`,
    ),
    transitions: await texts(
      `SELECT concat(version, ' ', from_state, ' > ', to_state) AS text
       FROM payment_transitions WHERE payment_id = $1 ORDER BY version`,
    ),
    entries: await texts(
      `SELECT concat(entry ->> 'kind', ' ', entry ->> 'amountMinor') AS text
       FROM payment_transitions, jsonb_array_elements(entries) AS entry WHERE payment_id = $1 ORDER BY version, text`,
    ),
    ledger: await texts(
      `SELECT concat(account, ' ', amount) AS text FROM ledger_entries WHERE payment_id = $1 AND posting_id NOT LIKE '%:fee:%' ORDER BY id`,
    ),
    outbox: await texts(
      `SELECT concat(version, ' ', type) AS text FROM outbox_events WHERE aggregate_id = $1 ORDER BY version, type`,
    ),
  };
}

const OUTCOMES = {
  AUTHORIZED: {
    payment: { state: 'AUTHORIZED', version: 1, authorized: true, captured: 0, closed_as: null },
    transitions: ['1 INITIATED > AUTHORIZED'],
    entries: [],
    ledger: [],
    outbox: ['1 payment.authorized.v1'],
  },
  CAPTURED: {
    payment: { state: 'CAPTURED', version: 2, authorized: true, captured: 2_500, closed_as: null },
    transitions: ['1 INITIATED > AUTHORIZED', '2 AUTHORIZED > CAPTURED'],
    entries: ['captured 2500'],
    ledger: ['provider_balance 2500', 'campaign_payable -2500'],
    outbox: ['1 payment.authorized.v1', '2 payment.captured.v1'],
  },
  REFUNDED: {
    payment: { state: 'REFUNDED', version: 4, authorized: true, captured: 2_500, closed_as: null },
    transitions: [
      '1 INITIATED > AUTHORIZED',
      '2 AUTHORIZED > CAPTURED',
      '3 CAPTURED > CAPTURED',
      '4 CAPTURED > REFUNDED',
    ],
    entries: ['captured 2500', 'refunded 2500'],
    ledger: [
      'provider_balance 2500',
      'campaign_payable -2500',
      'campaign_payable 2500',
      'provider_balance -2500',
    ],
    outbox: [
      '1 payment.authorized.v1',
      '2 payment.captured.v1',
      '3 refund.requested.v1',
      '4 refund.succeeded.v1',
    ],
  },
  RELEASED: {
    payment: { state: 'FAILED', version: 2, authorized: true, captured: 0, closed_as: 'FAILED' },
    transitions: ['1 INITIATED > AUTHORIZED', '2 AUTHORIZED > FAILED'],
    entries: ['unpledged 2500'],
    ledger: [],
    outbox: ['1 payment.authorized.v1', '2 payment.closed.v1'],
  },
  DECLINED: {
    payment: { state: 'FAILED', version: 1, authorized: false, captured: 0, closed_as: 'FAILED' },
    transitions: ['1 INITIATED > FAILED'],
    entries: ['unpledged 2500'],
    ledger: [],
    outbox: ['1 payment.closed.v1'],
  },
} as const;

export type Outcome = keyof typeof OUTCOMES;

/** Every table says the same, and says it once. */
export function expectOutcome(records: PaymentRecords, outcome: Outcome): void {
  const expected = OUTCOMES[outcome];
  expect(records).toMatchObject({ ...expected, payment: { ...expected.payment, needs_review: null } });
}

export function entryTexts(entries: readonly TotalsEntry[]): string[] {
  return entries.map((entry) => `${entry.kind} ${entry.amountMinor}`);
}
