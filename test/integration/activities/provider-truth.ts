import { expect } from 'vitest';
import { lockPayment } from '../../../activities/payments/book/payment.ts';
import { requestRefund } from '../../../activities/payments/book/refund-requests.ts';
import { applyEntry, EMPTY_TOTALS, pledgedEntry, raisedMinor, type Totals } from '../../../domain/totals.ts';
import { transaction } from '../../../platform/postgres.ts';
import type { Effect } from '../../../provider/simulator/records.ts';
import type { PaymentOrder } from '../../../workflows/ports.ts';
import { untilDone } from './as-temporal.ts';
import { newOrder, type PaymentBench } from './payment-bench.ts';

export type Captured = {
  readonly order: PaymentOrder;
  readonly donationId: string;
  /** The provider's. */
  readonly paymentId: string;
};

/** A payment that went the usual way. */
export async function captured(
  bench: PaymentBench,
  change: Parameters<typeof newOrder>[0] = {},
): Promise<Captured> {
  const order = newOrder(change);
  const { donationId } = order;
  await untilDone((attempt) => bench.activities({ attempt }).authorize(order));
  await untilDone((attempt) => bench.activities({ attempt }).capture(donationId));
  const { rows } = await bench.pool.query<{ id: string }>(
    'SELECT provider_payment_id AS id FROM payments WHERE id = $1',
    [donationId],
  );
  return { order, donationId, paymentId: rows[0]?.id ?? '' };
}

/** Asks for a refund as the API and the policies do; throws when it is refused. */
export async function askRefund(
  bench: Pick<PaymentBench, 'pool'>,
  { donationId }: Pick<PaymentOrder, 'donationId'>,
  amountMinor: number,
  refundId: string = crypto.randomUUID(),
): Promise<string> {
  const { kind, ...decision } = await decideRefund(bench, donationId, amountMinor, refundId);
  if (kind === 'refused') throw new Error(`refund of ${amountMinor}: ${JSON.stringify(decision)}`);
  return refundId;
}

export async function decideRefund(
  { pool }: Pick<PaymentBench, 'pool'>,
  donationId: string,
  amountMinor: number,
  refundId: string = crypto.randomUUID(),
): Promise<Awaited<ReturnType<typeof requestRefund>>> {
  return await transaction(pool, async (client) => {
    const payment = await lockPayment(client, donationId);
    if (payment === null) throw new Error(`payment ${donationId} does not exist`);
    const request = { refundId, amountMinor, requestedBy: 'operator', reason: null, key: null };
    return await requestRefund(client, payment, request);
  });
}

/** Where the two sides of the truth are read. */
type Bench = Pick<PaymentBench, 'pool' | 'provider' | 'simulator'>;

type Account = 'provider_balance' | 'campaign_payable' | 'provider_fees' | 'disputed_funds';

/** The money of one payment, told by whoever is asked. */
export type Money = {
  readonly capturedMinor: number;
  readonly refundedMinor: number;
  readonly lostMinor: number;
  readonly openDisputesMinor: number;
  /** By the provider's id: `<amount> <status>`. */
  readonly refunds: Readonly<Record<string, string>>;
  readonly disputes: Readonly<Record<string, string>>;
};

/** As the provider's own ledger has it. */
function moneyAtProvider(effects: readonly Effect[]): Money {
  const sum = (type: Effect['type']): number =>
    effects.reduce((total, effect) => (effect.type === type ? total + effect.amountMinor : total), 0);
  const refunds: Record<string, string> = {};
  const disputes: Record<string, string> = {};
  for (const { type, amountMinor, refundId, disputeId } of effects) {
    const refund = REFUND_IS[type];
    if (refundId !== null && refund !== undefined) refunds[refundId] = `${amountMinor} ${refund}`;
    const dispute = DISPUTE_IS[type];
    if (disputeId !== null && dispute !== undefined) disputes[disputeId] = `${amountMinor} ${dispute}`;
  }
  const lostMinor = sum('dispute_lost');
  return {
    capturedMinor: sum('captured'),
    refundedMinor: sum('refunded') - sum('refund_failed'),
    lostMinor,
    openDisputesMinor: sum('dispute_opened') - sum('dispute_won') - lostMinor,
    refunds,
    disputes,
  };
}

const REFUND_IS: Readonly<Partial<Record<Effect['type'], string>>> = {
  refund_pending: 'pending',
  refunded: 'succeeded',
  refund_failed: 'failed',
  refund_dropped: 'failed',
};
const DISPUTE_IS: Readonly<Partial<Record<Effect['type'], string>>> = {
  dispute_opened: 'opened',
  dispute_won: 'won',
  dispute_lost: 'lost',
};

/** As our database has it: refunds that never reached the provider apart. */
async function moneyAtOurs({ pool }: Bench, donationId: string): Promise<Money> {
  const payment = await pool.query<{ captured: number; refunded: number }>(
    'SELECT captured, refunded FROM payments WHERE id = $1',
    [donationId],
  );
  const refunds = await pool.query<{ id: string; text: string }>(
    `SELECT provider_refund_id AS id, concat(amount, ' ', status) AS text FROM refunds
     WHERE payment_id = $1 AND provider_refund_id IS NOT NULL`,
    [donationId],
  );
  const disputes = await pool.query<{ id: string; text: string; amount: number; status: string }>(
    `SELECT provider_dispute_id AS id, concat(amount, ' ', status) AS text, amount, status FROM disputes WHERE payment_id = $1`,
    [donationId],
  );
  const disputed = (status: string): number =>
    disputes.rows.reduce((sum, row) => (row.status === status ? sum + row.amount : sum), 0);
  return {
    capturedMinor: payment.rows[0]?.captured ?? 0,
    refundedMinor: payment.rows[0]?.refunded ?? 0,
    lostMinor: disputed('lost'),
    openDisputesMinor: disputed('opened'),
    refunds: byId(refunds.rows),
    disputes: byId(disputes.rows),
  };
}

/** Facts, ledger and totals say what the provider's own ledger says, and nobody has to look at it. */
export async function expectTruth(bench: Bench, donationId: string): Promise<void> {
  const effects = (await bench.simulator.ledger()).filter((effect) => effect.donationId === donationId);
  const truth = moneyAtProvider(effects);
  expect(await moneyAtOurs(bench, donationId)).toEqual(truth);
  const { rows } = await bench.pool.query<{
    needs_review: string | null;
    amount: number;
    campaign_id: string;
  }>('SELECT needs_review, amount, campaign_id FROM payments WHERE id = $1', [donationId]);
  expect(rows[0]?.needs_review).toBeNull();
  const { balances, postings } = await ledgerOf(bench, donationId);
  expect(postings.filter(({ sum }) => sum !== 0)).toEqual([]);
  const fees = await feeAtProvider(bench, effects);
  expect(balances).toEqual(balancesOf(truth, fees));
  expect(await totalsOf(bench, donationId)).toMatchObject({
    totalCapturedMinor: truth.capturedMinor,
    totalRefundedMinor: truth.refundedMinor,
    disputeLostMinor: truth.lostMinor,
  });
}

/** What the books must show for it; accounts without a balance are left out. */
function balancesOf(truth: Money, feesMinor: number): Partial<Record<Account, number>> {
  const { capturedMinor, refundedMinor, lostMinor, openDisputesMinor } = truth;
  const kept = capturedMinor - refundedMinor - lostMinor;
  const balances: Record<Account, number> = {
    provider_balance: kept - openDisputesMinor - feesMinor,
    campaign_payable: -kept,
    provider_fees: feesMinor,
    disputed_funds: openDisputesMinor,
  };
  return Object.fromEntries(
    Object.entries(balances)
      .filter(([, amount]) => amount !== 0)
      .map(([account, amount]) => [account, amount + 0]),
  );
}

async function ledgerOf(
  { pool }: Bench,
  donationId: string,
): Promise<{
  balances: Partial<Record<Account, number>>;
  postings: { posting_id: string; sum: number }[];
}> {
  const balances = await pool.query<{ account: Account; sum: number }>(
    `SELECT account, sum(amount)::int AS sum FROM ledger_entries WHERE payment_id = $1 GROUP BY account HAVING sum(amount) <> 0`,
    [donationId],
  );
  const postings = await pool.query<{ posting_id: string; sum: number }>(
    'SELECT posting_id, sum(amount)::int AS sum FROM ledger_entries WHERE payment_id = $1 GROUP BY posting_id',
    [donationId],
  );
  return {
    balances: Object.fromEntries(balances.rows.map(({ account, sum }) => [account, sum])),
    postings: postings.rows,
  };
}

async function feeAtProvider({ provider }: Bench, effects: readonly Effect[]): Promise<number> {
  const paymentId = effects.find(({ type }) => type === 'captured')?.paymentId;
  if (paymentId === undefined) return 0;
  const answer = await insist(() => provider.retrievePayment(paymentId));
  if (answer.kind !== 'yes') throw new Error(`the payment was answered ${answer.kind}`);
  return answer.payment.fee?.amountMinor ?? 0;
}

/** What the totals entries of one payment add up to; applied in their order, no total is ever below zero. */
export async function totalsOf({ pool }: Bench, donationId: string): Promise<Totals> {
  const { rows } = await pool.query<{
    entry: Parameters<typeof applyEntry>[1];
    campaign: string;
    amount: number;
  }>(
    `SELECT entry, p.campaign_id AS campaign, p.amount FROM payments p, payment_transitions t, jsonb_array_elements(t.entries) AS entry
     WHERE p.id = $1 AND t.payment_id = p.id ORDER BY t.version`,
    [donationId],
  );
  const [first] = rows;
  if (first === undefined) return EMPTY_TOTALS;
  const pledged = applyEntry(EMPTY_TOTALS, pledgedEntry(donationId, first.campaign, first.amount));
  return rows.reduce((totals, { entry }) => {
    const next = applyEntry(totals, entry);
    expect(raisedMinor(next)).toBeGreaterThanOrEqual(0);
    return next;
  }, pledged);
}

function byId(rows: readonly { readonly id: string; readonly text: string }[]): Record<string, string> {
  return Object.fromEntries(rows.map(({ id, text }) => [id, text]));
}

/** Asks again, with the same key, while a busy machine lets a call run into its time-out. */
export async function insist<Answer extends { readonly kind: string }>(
  ask: () => Promise<Answer>,
): Promise<Answer> {
  for (let tries = 1; ; tries += 1) {
    const answer = await ask();
    if (answer.kind !== 'unknown' || tries === 20) return answer;
  }
}
