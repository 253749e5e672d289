// A platform without its processes: real databases, the real provider simulator, and the activities called in the order
// in which the workflow calls them. Nothing runs on its own, so that a test can leave out a step, or spoil one.
import { createHash, randomUUID } from 'node:crypto';
import type { Pool } from 'pg';
import { afterAll, beforeAll } from 'vitest';
import { createCampaignActivities } from '../../../activities/campaigns/index.ts';
import { createDonationActivities } from '../../../activities/donations/index.ts';
import { applyEvents } from '../../../activities/payments/book/facts.ts';
import { lockPayment } from '../../../activities/payments/book/payment.ts';
import { createPaymentActivities } from '../../../activities/payments/index.ts';
import { createRefundStore } from '../../../api/payments/refunds.ts';
import { audit } from '../../../cli/audit/audit.ts';
import { openDatabases, type Databases } from '../../../cli/audit/load/databases.ts';
import type { Workflows } from '../../../cli/audit/load/workflows.ts';
import type { Report } from '../../../cli/audit/report.ts';
import { DEFAULT_OPTIONS, type AuditOptions } from '../../../cli/audit/sources.ts';
import type { WorkflowRun } from '../../../cli/audit/snapshot.ts';
import { donationWorkflowId } from '../../../domain/ids.ts';
import type { PaymentEvent, PaymentStatus } from '../../../domain/payment.ts';
import { pledgedEntry } from '../../../domain/totals.ts';
import { createPool, transaction } from '../../../platform/postgres.ts';
import type { Service } from '../../../platform/migrate.ts';
import { createRateTokens } from '../../../platform/rate-tokens.ts';
import type { PaymentProvider } from '../../../provider/port.ts';
import { createStripeProvider } from '../../../provider/stripe/adapter.ts';
import type { Activities, PaymentOrder } from '../../../workflows/ports.ts';
import { SECRET_KEY, startSimulator, type SimulatorProcess } from '../../contract/start-simulator.ts';
import type { ProviderActs } from '../../harness/provider-acts.ts';
import { isolatedDatabases } from '../database/isolated-databases.ts';

export type Platform = {
  readonly pools: Record<Service, Pool>;
  readonly provider: PaymentProvider;
  /** What banks, donors and people at the provider's dashboard do. */
  readonly acts: ProviderActs;
  readonly databases: Databases;
  readonly activities: Activities;
  /** What Temporal would say: the newest run of each workflow. */
  readonly runs: Map<string, WorkflowRun>;
  readonly campaignId: string;
};

const noop = (): void => undefined;

/** Filled before the tests of a file run, and taken down after them. */
export function isolatedPlatform(): Platform {
  const { urls } = isolatedDatabases();
  const platform = { runs: new Map<string, WorkflowRun>(), campaignId: randomUUID() } as {
    -readonly [K in keyof Platform]: Platform[K];
  };
  let simulator: SimulatorProcess;

  beforeAll(async () => {
    simulator = await startSimulator();
    const pool = (service: Service): Pool => createPool({ url: urls[service], max: 4, name: 'test' });
    const pools = {
      donations: pool('donations'),
      payments: pool('payments'),
      campaigns: pool('campaigns'),
      notifications: pool('notifications'),
    };
    const provider = createStripeProvider({
      apiBase: simulator.base,
      secretKey: SECRET_KEY,
      timeoutMs: 5_000,
    });
    const shared = { failpoint: noop, outboxWritten: noop };
    Object.assign(platform, {
      pools,
      provider,
      acts: simulator,
      databases: openDatabases(urls),
      activities: {
        ...createDonationActivities({ ...shared, pool: pools.donations }),
        ...createCampaignActivities({ ...shared, pool: pools.campaigns }),
        ...createPaymentActivities({
          ...shared,
          pool: pools.payments,
          provider,
          readSnapshot: () => null,
          localCalls: createRateTokens(1_000),
          call: () => ({ isLocal: false, attempt: 1, signal: new AbortController().signal }),
        }),
      },
    });
    await createCampaign(platform, platform.campaignId);
  });
  afterAll(async () => {
    await platform.databases.close();
    await Promise.all(Object.values(platform.pools).map((pool) => pool.end()));
    await simulator[Symbol.asyncDispose]();
  });
  return platform;
}

async function createCampaign({ pools }: Platform, id: string): Promise<void> {
  await pools.campaigns.query(
    `INSERT INTO campaigns (id, title, currency, status, created_by) VALUES ($1, 'Clean water', 'USD', 'open', 'test')`,
    [id],
  );
  await pools.campaigns.query('INSERT INTO campaign_totals (campaign_id) VALUES ($1)', [id]);
  await pools.campaigns.query(
    `INSERT INTO outbox_events (id, aggregate_id, version, type, payload) VALUES (gen_random_uuid(), $1, 1, 'campaign.changed.v1', '{}')`,
    [id],
  );
}

export async function accept({ pools, campaignId }: Platform): Promise<PaymentOrder> {
  const donationId = randomUUID();
  await pools.donations.query(
    `INSERT INTO donation_requests (id, scope, idempotency_key, fingerprint, campaign_id, amount, currency, payment_method, body, started_at)
     VALUES ($1, 'guest', $2, sha256('x'), $3, 2500, 'USD', 'pm_card_visa', '{}', now())`,
    [donationId, `key-of-${donationId}`, campaignId],
  );
  return { donationId, campaignId, amountMinor: 2_500, currency: 'USD', paymentMethod: 'pm_card_visa' };
}

/** To AUTHORIZED: pledged, counted as pledged, the money held. */
export async function authorize(platform: Platform): Promise<PaymentOrder> {
  const { activities } = platform;
  const order = await accept(platform);
  await activities.persistPledge(order.donationId);
  await activities.addToTotals([pledgedEntry(order.donationId, order.campaignId, order.amountMinor)]);
  const { version: authorizedVersion } = await activities.authorize(order);
  await activities.claimCapture({ donationId: order.donationId, authorizedVersion });
  return order;
}

/** To CAPTURED, with everything that follows from it; `without` leaves a step out. */
export async function capture(
  platform: Platform,
  without: 'nothing' | 'totals' | 'outcome' = 'nothing',
): Promise<PaymentOrder> {
  const { activities } = platform;
  const order = await authorize(platform);
  const { donationId } = order;
  const { status, version, failureCode, entries } = await activities.capture(donationId);
  if (without !== 'totals') await activities.addToTotals(entries);
  if (without !== 'outcome') await activities.recordOutcome({ donationId, status, version, failureCode });
  await complete(platform, donationId, status, version);
  return order;
}

/** The workflow's end, and what relay and consumer would do afterwards. */
export async function complete(
  platform: Platform,
  donationId: string,
  status: PaymentStatus,
  version: number,
): Promise<void> {
  const at = new Date();
  platform.runs.set(donationWorkflowId(donationId), {
    runId: randomUUID(),
    status: 'COMPLETED',
    startedAt: at,
    closedAt: at,
    needsAttention: false,
    result: { status, version },
  });
  if (status === 'CAPTURED') {
    await platform.pools.notifications.query(
      `INSERT INTO receipts (donation_id, campaign_id, amount, currency) VALUES ($1, $2, 2500, 'USD')`,
      [donationId, platform.campaignId],
    );
  }
}

/** What relay and consumer of notices do with all that is not published. */
export async function publishAll({ pools }: Platform): Promise<void> {
  await tell(pools);
  for (const service of ['donations', 'payments', 'campaigns'] as const) {
    await pools[service].query(
      'UPDATE outbox_events SET processed = true, processed_at = now() WHERE NOT processed',
    );
  }
}

const TOLD = /^(refund\.(succeeded|failed)|dispute\.|late_capture\.)/;

async function tell({ payments, notifications }: Platform['pools']): Promise<void> {
  const { rows } = await payments.query<{
    id: string;
    donation: string;
    type: string;
    payload: { campaignId: string; amount: number; currency: string };
  }>('SELECT id, aggregate_id AS donation, type, payload FROM outbox_events WHERE NOT processed');
  for (const { id, donation, type, payload } of rows.filter((row) => TOLD.test(row.type))) {
    await notifications.query('INSERT INTO inbox_messages (message_id, type) VALUES ($1, $2)', [id, type]);
    await notifications.query(
      `INSERT INTO notices (message_id, donation_id, campaign_id, audience, kind, amount, currency) VALUES ($1, $2, $3, 'donor', $4, $5, $6)`,
      [id, donation, payload.campaignId, type.replace(/\.v1$/, ''), payload.amount, payload.currency],
    );
  }
}

/** What a wrong program would write: the payment believes it, and nobody else was asked. */
export async function believe({ pools }: Platform, donationId: string, event: PaymentEvent): Promise<void> {
  await transaction(pools.payments, async (client) => {
    const payment = await lockPayment(client, donationId);
    if (payment === null) throw new Error('no payment');
    await applyEvents(client, payment, [event], { text: 'operation:capture:1' });
  });
}

export async function providerIdOf({ pools }: Platform, donationId: string): Promise<string> {
  const { rows } = await pools.payments.query<{ id: string }>(
    'SELECT provider_payment_id AS id FROM payments WHERE id = $1',
    [donationId],
  );
  return rows[0]?.id ?? '';
}

/** As the API decides it; the relay has told aftercare of it, unless `told` is false. */
export async function askForRefund(
  { pools }: Platform,
  donationId: string,
  amountMinor: number | undefined,
  told = true,
): Promise<string> {
  const answer = await createRefundStore(pools.payments, noop).ask({
    donationId,
    scope: 'operator',
    idempotencyKey: randomUUID(),
    fingerprint: createHash('sha256').digest(),
    amountMinor,
    currency: undefined,
    reason: undefined,
    requestedBy: 'operator',
  });
  if (answer.kind === 'refused') throw new Error(answer.code);
  if (told)
    await pools.payments.query(
      'UPDATE workflow_commands SET delivered_at = now() WHERE payment_id = $1 AND delivered_at IS NULL',
      [donationId],
    );
  return answer.refund.id;
}

/** What aftercare does: whatever is written down to be done, then totals and pledge follow. `look` asks the provider first. */
export async function aftercare(
  { activities, pools }: Platform,
  order: PaymentOrder,
  { look = false, counted = true }: { readonly look?: boolean; readonly counted?: boolean } = {},
): Promise<void> {
  const { donationId } = order;
  if (look) await activities.look(donationId);
  for (let rounds = 0; rounds < 2; rounds += 1) {
    for (const refundId of (await activities.currentPayment(order)).refundsToMake)
      await activities.makeRefund({ donationId, refundId });
    const claimed = await activities.claimCapture({ donationId, authorizedVersion: null });
    const { lateMoneyUndecided } = await activities.currentPayment(order);
    if (!claimed) await activities.settleLateMoney({ donationId, keep: false, reason: 'cancelled_by_donor' });
    else if (lateMoneyUndecided)
      await activities.settleLateMoney({ donationId, keep: true, reason: 'late_capture' });
  }
  await pools.payments.query(
    'UPDATE workflow_commands SET delivered_at = now() WHERE payment_id = $1 AND delivered_at IS NULL',
    [donationId],
  );
  const { status, version, failureCode, entries } = await activities.currentPayment(order);
  if (counted) await activities.addToTotals(entries);
  await activities.recordOutcome({ donationId, status, version, failureCode });
}

/** Without mercy for what is young: nothing runs here that could still finish it. */
export async function runAudit(platform: Platform, change: Partial<AuditOptions> = {}): Promise<Report> {
  const { databases, provider, runs } = platform;
  const known = (ids: readonly string[]): Map<string, WorkflowRun> =>
    new Map([...runs].filter(([id]) => ids.includes(id)));
  const workflows: Workflows = {
    list: () => Promise.resolve(new Map(runs)),
    describe: (ids) => Promise.resolve(known(ids)),
    withResults: (some) => Promise.resolve(new Map(some)),
    retentionMs: () => Promise.resolve(86_400_000),
  };
  return await audit(
    { databases, provider, workflows, broker: true },
    { ...DEFAULT_OPTIONS, settleMs: 0, pauseMs: 50, ...change },
  );
}

/** `check subject` of each finding, sorted. */
export function found(report: Report): string[] {
  return report.findings.map(({ check, subject }) => `${check} ${subject.id}`).toSorted();
}
