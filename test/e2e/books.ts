/** What must be true in the end, whatever happened on the way: provider, books, totals, events and receipts agree. */
import { expect } from 'vitest';
import { audit } from '../../cli/audit/audit.ts';
import { openDatabases } from '../../cli/audit/load/databases.ts';
import { temporalWorkflows } from '../../cli/audit/load/workflows.ts';
import { DEFAULT_OPTIONS } from '../../cli/audit/sources.ts';
import { taskQueues } from '../../platform/temporal.ts';
import type { Effect } from '../../provider/simulator/records.ts';
import { createStripeProvider } from '../../provider/stripe/adapter.ts';
import { eventually } from '../harness/eventually.ts';
import type { Stack } from '../harness/stack.ts';
import { DECLINED_CARD, readTotals, type Given } from './giving.ts';

type Ending = 'CAPTURED' | 'FAILED';

function endingOf({ paymentMethod }: Given): Ending {
  return paymentMethod === DECLINED_CARD ? 'FAILED' : 'CAPTURED';
}

/** Waits until every donation has come to its own end, and fails on one that came to another. */
export async function untilEnded(stack: Stack, gifts: readonly Given[], withinMs = 60_000): Promise<void> {
  await eventually(
    'every donation has ended',
    async () => {
      const { rows } = await stack.pools.donations.query<{ id: string; status: string }>(
        'SELECT id, status FROM pledges WHERE id = ANY($1::uuid[])',
        [gifts.map(({ id }) => id)],
      );
      const statuses = new Map(rows.map(({ id, status }) => [id, status]));
      const open = gifts.filter((gift) => statuses.get(gift.id) !== endingOf(gift));
      const described = open.map((gift) => `${gift.id} is ${statuses.get(gift.id) ?? 'not pledged'}`);
      if (open.length > 0)
        throw new Error(`${open.length} of ${gifts.length}: ${described.slice(0, 5).join(', ')}`);
    },
    { withinMs, everyMs: 100 },
  );
}

/**
 * Nothing waits for anybody: started, delivered, applied, published, received, and every workflow closed. A question to the
 * provider that its worker took to the grave is asked again after 25 s only, and the next worker's may be lost as well.
 */
export async function untilAtRest(stack: Stack, withinMs = 75_000): Promise<void> {
  const { donations, payments, campaigns, notifications } = stack.pools;
  const hasBroker = stack.environment['RABBITMQ_URL'] !== undefined;
  await eventually(
    'everything is at rest',
    async () => {
      const counts = {
        notStarted: await count(donations, 'donation_requests WHERE started_at IS NULL'),
        open: await count(donations, `pledges WHERE status IN ('INITIATED', 'AUTHORIZED')`),
        unapplied: await count(payments, 'webhook_events WHERE processed_at IS NULL'),
        untold:
          (await count(donations, 'workflow_commands WHERE delivered_at IS NULL')) +
          (await count(payments, 'workflow_commands WHERE delivered_at IS NULL')),
        unpublished: hasBroker
          ? (await count(donations, 'outbox_events WHERE NOT processed')) +
            (await count(payments, 'outbox_events WHERE NOT processed')) +
            (await count(campaigns, 'outbox_events WHERE NOT processed'))
          : 0,
        unreceipted: hasBroker
          ? // Said again after a refund that failed: one receipt all the same.
            (await count(
              donations,
              `(SELECT DISTINCT aggregate_id FROM outbox_events WHERE type = 'donation.captured.v1') AS captured`,
            )) - (await count(notifications, 'receipts'))
          : 0,
        running: await running(stack),
        notSent: (await stack.simulator.webhookCounts()).waiting,
      };
      const waiting = Object.entries(counts).filter(([, number]) => number !== 0);
      if (waiting.length > 0) throw new Error(JSON.stringify(Object.fromEntries(waiting)));
    },
    { withinMs, everyMs: 100 },
  );
}

/** Every donation ended as it should, was charged once or not at all, and all of it adds up. */
export async function expectBooksToBalance(
  stack: Stack,
  campaignId: string,
  gifts: readonly Given[],
  withinMs?: number,
): Promise<void> {
  await untilEnded(stack, gifts, withinMs);
  await untilAtRest(stack);
  await expectChargedOnce(stack, gifts);
  const captured = gifts.filter((gift) => endingOf(gift) === 'CAPTURED');
  const sum = captured.reduce((total, { amount }) => total + amount, 0);
  expect(await readTotals(stack.apiUrl, campaignId)).toMatchObject({
    raised: sum,
    totalPledged: sum,
    totalCaptured: sum,
    totalRefunded: 0,
    donationCount: captured.length,
  });
  await expectCleanAudit(stack);
}

/** By the provider's own ledger: one payment per donation, one authorization and one capture, or a decline and neither. */
export async function expectChargedOnce(stack: Stack, gifts: readonly Given[]): Promise<void> {
  const effects = Map.groupBy(await stack.simulator.ledger(), ({ donationId }) => donationId);
  const seen = gifts.map((gift) => [gift.id, historyOf(effects.get(gift.id) ?? [])]);
  const expected = gifts.map((gift) => [gift.id, expectedHistory(gift)]);
  expect(seen).toEqual(expected);
}

function historyOf(effects: readonly Effect[]): string {
  const payments = new Set(effects.map(({ paymentId }) => paymentId)).size;
  const steps = effects.map(({ type, amountMinor, currency }) => `${type} ${amountMinor} ${currency}`);
  return `${payments} payment: ${steps.join(', ')}`;
}

function expectedHistory(gift: Given): string {
  const steps =
    endingOf(gift) === 'CAPTURED'
      ? ['created', 'authorized', 'captured']
      : ['created', 'declined', 'canceled'];
  return `1 payment: ${steps.map((step) => `${step} ${gift.amount} ${gift.currency ?? 'USD'}`).join(', ')}`;
}

/** Where only events told of a capture, nobody told its fee: the provider is asked, as the audit advises. */
async function askForFees(stack: Stack): Promise<void> {
  const { payments } = stack.pools;
  const unknown = 'payments WHERE captured > 0 AND fee IS NULL';
  await payments.query(
    `INSERT INTO workflow_commands (id, payment_id, type) SELECT gen_random_uuid(), id, 'look' FROM ${unknown}`,
  );
  await eventually('every fee is booked', async () => {
    const without = await count(payments, unknown);
    if (without > 0) throw new Error(`${without} payments without`);
  });
  await untilAtRest(stack);
}

/** Provider, books and Temporal compared donation by donation; nothing young is excused, so come when all is at rest. */
export async function expectCleanAudit(stack: Stack): Promise<void> {
  await askForFees(stack);
  const env = stack.environment;
  const url = (name: string): string => env[`${name}_DATABASE_URL`] ?? '';
  await using opened = new AsyncDisposableStack();
  const databases = openDatabases({
    donations: url('DONATIONS'),
    payments: url('PAYMENTS'),
    campaigns: url('CAMPAIGNS'),
    notifications: url('NOTIFICATIONS'),
  });
  opened.defer(() => databases.close());
  const report = await audit(
    {
      databases,
      provider: createStripeProvider({
        apiBase: stack.simulator.base,
        secretKey: env['STRIPE_SECRET_KEY'] ?? '',
        timeoutMs: 10_000,
      }),
      workflows: temporalWorkflows(stack.temporal, taskQueues(stack.prefix).donations),
      broker: env['RABBITMQ_URL'] !== undefined,
    },
    { ...DEFAULT_OPTIONS, settleMs: 0, pauseMs: 200 },
  );
  expect(report.findings).toEqual([]);
  expect(report.totals.donations).toBeGreaterThan(0);
}

type Queryable = Stack['pools']['donations'];

async function count(pool: Queryable, what: string): Promise<number> {
  const { rows } = await pool.query<{ count: number }>(`SELECT count(*)::int AS count FROM ${what}`);
  return rows[0]?.count ?? 0;
}

async function running(stack: Stack): Promise<number> {
  const { count: open } = await stack.temporal.workflow.count(`ExecutionStatus = 'Running'`);
  return open;
}
