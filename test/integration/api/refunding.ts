/** What a refund needs: a payment in any state, made by the same code that applies what the provider proves. */
import { randomUUID } from 'node:crypto';
import type { ClientBase, Pool } from 'pg';
import { applyEvents } from '../../../activities/payments/book/facts.ts';
import { lockPayment, type Payment } from '../../../activities/payments/book/payment.ts';
import { applyReversals } from '../../../activities/payments/truth.ts';
import type { PaymentEvent } from '../../../domain/payment.ts';
import { transaction } from '../../../platform/postgres.ts';
import { OPERATOR_TOKEN, type Gateway } from './gateway.ts';
import { json, type Answer } from './http-client.ts';

const PROVEN = {
  INITIATED: [],
  AUTHORIZED: [{ type: 'authorized' }],
  FAILED: [{ type: 'declined', code: 'card_declined' }],
  EXPIRED: [{ type: 'authorized' }, { type: 'expired' }],
} as const satisfies Readonly<Record<string, readonly PaymentEvent[]>>;

export type PaymentState = keyof typeof PROVEN | 'CAPTURED';

export async function newPayment(
  pool: Pool,
  {
    state = 'CAPTURED',
    amount = 2_500,
    currency = 'USD',
    campaignId = randomUUID(),
  }: {
    readonly state?: PaymentState;
    readonly amount?: number;
    readonly currency?: string;
    readonly campaignId?: string;
  } = {},
): Promise<string> {
  const id = randomUUID();
  const captured: readonly PaymentEvent[] = [{ type: 'captured', amountMinor: amount }];
  await pool.query(
    `INSERT INTO payments (id, donation_id, campaign_id, provider, payment_method, amount, currency, state)
     VALUES ($1, $1, $2, 'stripe', 'pm_card_visa', $3, $4, 'INITIATED')`,
    [id, campaignId, amount, currency],
  );
  await prove(pool, id, state === 'CAPTURED' ? captured : PROVEN[state]);
  return id;
}

/** The donor's bank has taken money back, for now or for good. */
export async function dispute(
  pool: Pool,
  paymentId: string,
  { amount, status }: { readonly amount: number; readonly status: 'opened' | 'won' | 'lost' },
): Promise<void> {
  await onPayment(pool, paymentId, async (client, payment) => {
    const told = {
      id: `du_${paymentId}`,
      status,
      amountMinor: amount,
      currency: payment.facts.currency,
      paymentId: null,
      chargeId: null,
      reason: null,
      createdAt: new Date(),
    };
    await applyReversals(client, payment, { refunds: [], disputes: [told] }, CAUSE);
  });
}

async function prove(pool: Pool, paymentId: string, events: readonly PaymentEvent[]): Promise<void> {
  await onPayment(pool, paymentId, (client, payment) => applyEvents(client, payment, events, CAUSE));
}

async function onPayment(
  pool: Pool,
  paymentId: string,
  change: (client: ClientBase, payment: Payment) => Promise<unknown>,
): Promise<void> {
  await transaction(pool, async (client) => {
    const payment = await lockPayment(client, paymentId);
    if (payment === null) throw new Error(`payment ${paymentId} does not exist`);
    await change(client, payment);
  });
}

const CAUSE = { text: 'test' };

export const OPERATOR: readonly [string, string] = ['Authorization', `Bearer ${OPERATOR_TOKEN}`];
const JSON_TYPE: readonly [string, string] = ['Content-Type', 'application/json'];

/** A string is sent as it is. */
export function refund(
  gateway: Pick<Gateway, 'send'>,
  donationId: string,
  key: string,
  body: Record<string, unknown> | string = {},
  authorization: readonly (readonly [string, string])[] = [OPERATOR],
): Promise<Answer> {
  return gateway.send({
    method: 'POST',
    path: `/donations/${donationId}/refunds`,
    headers: [...authorization, JSON_TYPE, ['Idempotency-Key', key]],
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
}

export type RefundAnswer = {
  readonly id: string;
  readonly donationId: string;
  readonly amount: number;
  readonly currency: string;
  readonly status: string;
  readonly reason?: string;
};

export function accepted(answer: Answer): RefundAnswer {
  if (answer.status !== 202) throw new Error(`not accepted: ${answer.status} ${answer.text}`);
  return json(answer) as RefundAnswer;
}

/** What is written down of a payment's refunds; a refusal must leave it as it was. */
export async function refundsOf(
  pool: Pool,
  paymentId: string,
): Promise<{
  readonly amounts: number[];
  readonly commands: number;
  readonly reserved: number;
  readonly version: number;
}> {
  const amounts = await pool.query<{ amount: number }>(
    'SELECT amount FROM refunds WHERE payment_id = $1 ORDER BY amount',
    [paymentId],
  );
  const { rows } = await pool.query<{ commands: number; reserved: number; version: number }>(
    `SELECT (SELECT count(*)::int FROM workflow_commands WHERE payment_id = p.id AND type = 'refund') AS commands, reserved, version
     FROM payments p WHERE id = $1`,
    [paymentId],
  );
  return {
    amounts: amounts.rows.map(({ amount }) => amount),
    ...(rows[0] ?? { commands: 0, reserved: 0, version: 0 }),
  };
}

/** How many refunds are written down at all. */
export async function allRefunds(pool: Pool): Promise<number> {
  const { rows } = await pool.query<{ count: number }>('SELECT count(*)::int AS count FROM refunds');
  return rows[0]?.count ?? 0;
}
