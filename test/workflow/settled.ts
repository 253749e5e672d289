import type { WorkflowHandle } from '@temporalio/client';
import { expect } from 'vitest';
import type { PaymentStatus } from '../../domain/payment.ts';
import type { Donation, DonationStage } from './donation-stage.ts';

const NOTHING = { pledged: 0, captured: 0, count: 0 };
const OUTCOMES = {
  CAPTURED: {
    effects: ['created', 'authorized', 'captured'],
    totals: { pledged: 2_500, captured: 2_500, count: 1 },
  },
  RELEASED: { effects: ['created', 'authorized', 'canceled'], totals: NOTHING },
  /** Canceled before it was confirmed. */
  WITHDRAWN: { effects: ['created', 'canceled'], totals: NOTHING },
  DECLINED: { effects: ['created', 'declined', 'canceled'], totals: NOTHING },
  UNANSWERED: { effects: ['created', 'action_required', 'canceled'], totals: NOTHING },
  AUTHENTICATED: {
    effects: ['created', 'action_required', 'authorized', 'captured'],
    totals: { pledged: 2_500, captured: 2_500, count: 1 },
  },
  /** Money that came too late and that nobody may keep. */
  REFUNDED_LATE: {
    effects: ['created', 'authorized', 'captured', 'refunded'],
    totals: { pledged: 2_500, captured: 2_500, count: 1 },
  },
  /** The provider never heard of it. */
  UNCREATED: { effects: [], totals: NOTHING },
} as const;

const STATUS_OF: Readonly<Record<keyof typeof OUTCOMES, PaymentStatus>> = {
  CAPTURED: 'CAPTURED',
  AUTHENTICATED: 'CAPTURED',
  RELEASED: 'FAILED',
  WITHDRAWN: 'FAILED',
  DECLINED: 'FAILED',
  UNCREATED: 'FAILED',
  UNANSWERED: 'EXPIRED',
  REFUNDED_LATE: 'REFUNDED',
};

/** The provider's ledger, the payment, the pledge and the totals tell one story, and tell it once. */
export async function expectSettled(
  stage: DonationStage,
  donation: Donation,
  outcome: keyof typeof OUTCOMES,
  failureCode: string | null = null,
): Promise<void> {
  const { effects, totals } = OUTCOMES[outcome];
  const status = STATUS_OF[outcome];
  const payment = await paymentOf(stage, donation);
  const pledge = await pledgeOf(stage, donation);
  expect({
    effects: await effectsOf(stage, donation),
    payment: { state: payment['state'], needs_review: payment['needs_review'] },
    pledge,
    totals: await totalsOf(stage, donation),
  }).toEqual({
    effects,
    payment: { state: status, needs_review: null },
    pledge: { status, failure_code: failureCode, version: payment['version'] },
    totals,
  });
}

export async function effectsOf({ simulator }: DonationStage, { donationId }: Donation): Promise<string[]> {
  const ledger = await simulator.ledger();
  return ledger.filter((effect) => effect.donationId === donationId).map((effect) => effect.type);
}

type Row = Readonly<Record<string, unknown>>;

export async function paymentOf({ pools }: DonationStage, { donationId }: Donation): Promise<Row> {
  const { rows } = await pools.payments.query<Row>(
    'SELECT state, version, captured, closed_code, needs_review, provider_payment_id FROM payments WHERE id = $1',
    [donationId],
  );
  return rows[0] ?? {};
}

/** How often an operation was tried, over all its keys. */
export async function triesOf(
  { pools }: DonationStage,
  { donationId }: Donation,
  operation: string,
): Promise<number> {
  const { rows } = await pools.payments.query<{ tries: number }>(
    'SELECT coalesce(sum(attempts), 0)::int AS tries FROM payment_operations WHERE payment_id = $1 AND operation = $2',
    [donationId, operation],
  );
  return rows[0]?.tries ?? 0;
}

export async function pledgeOf({ pools }: DonationStage, { donationId }: Donation): Promise<Row> {
  const { rows } = await pools.donations.query<Row>(
    'SELECT status, version, failure_code FROM pledges WHERE id = $1',
    [donationId],
  );
  return rows[0] ?? {};
}

export async function totalsOf({ pools }: DonationStage, { campaignId }: Donation): Promise<Row> {
  const { rows } = await pools.campaigns.query<Row>(
    `SELECT total_pledged AS pledged, total_captured AS captured, donation_count AS count
     FROM campaign_totals WHERE campaign_id = $1`,
    [campaignId],
  );
  return rows[0] ?? {};
}

export async function historyOf(
  handle: WorkflowHandle,
): Promise<{ readonly signals: number; readonly workflowTasks: number; readonly firstTask: number }> {
  const { events } = await handle.fetchHistory();
  const tasks = (events ?? []).filter((event) => event.workflowTaskCompletedEventAttributes != null);
  const signals = (events ?? []).filter((event) => event.workflowExecutionSignaledEventAttributes != null);
  return {
    signals: signals.length,
    workflowTasks: tasks.length,
    /** The event that a reset to FirstWorkflowTask goes back to. */
    firstTask: Number(tasks[0]?.eventId ?? 0),
  };
}

/** Failed where an operator looks for it: in the list of those that need attention. */
export async function expectNeedsAttention(handle: WorkflowHandle, reason: RegExp): Promise<void> {
  const outcome = await handle.result().then(
    () => 'it completed',
    (error: unknown) => error,
  );
  expect(outcome).toMatchObject({ name: 'WorkflowFailedError' });
  const { status, typedSearchAttributes } = await handle.describe();
  expect(status.name).toBe('FAILED');
  const attention = typedSearchAttributes.getAll().find(({ key }) => key.name === 'NeedsAttention');
  expect(attention?.value).toBe(true);
  expect(messagesOf(outcome)).toMatch(reason);
}

export async function expectCompleted(handle: WorkflowHandle): Promise<void> {
  await handle.result();
  expect((await handle.describe()).status.name).toBe('COMPLETED');
}

function messagesOf(error: unknown): string {
  return error instanceof Error ? `${error.message} / ${messagesOf(error.cause)}` : '';
}

/** What people are told about late money, refunds and disputes. */
export async function newsOf({ pools }: DonationStage, { donationId }: Donation): Promise<string[]> {
  const { rows } = await pools.payments.query<{ type: string }>(
    `SELECT type FROM outbox_events WHERE aggregate_id = $1 AND type NOT LIKE 'payment.%' ORDER BY type`,
    [donationId],
  );
  return rows.map((row) => row.type);
}
