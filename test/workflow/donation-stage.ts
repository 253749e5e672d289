import { createHash, randomUUID } from 'node:crypto';
import { Client, Connection, type WorkflowHandle } from '@temporalio/client';
import { Context } from '@temporalio/activity';
import { NativeConnection, Worker, type WorkerOptions, type WorkflowBundle } from '@temporalio/worker';
import type { Pool } from 'pg';
import { pino } from 'pino';
import { afterAll, beforeAll, expect } from 'vitest';
import { createCampaignActivities } from '../../activities/campaigns/index.ts';
import { createCampaignReconciliation } from '../../activities/campaigns/reconciliation.ts';
import { createDonationActivities } from '../../activities/donations/index.ts';
import { createDonationReconciliation } from '../../activities/donations/reconciliation.ts';
import { createPaymentActivities } from '../../activities/payments/index.ts';
import {
  createReconciliationActivities,
  type Progress,
} from '../../activities/payments/reconciliation/index.ts';
import { startDonationWorkflow, type RequestRow } from '../../api/donations/start-workflows.ts';
import { deliverPaymentCommand, type PaymentCommandRow } from '../../api/payments/deliver-commands.ts';
import { deliverEvent, type WebhookEventRow } from '../../api/payments/deliver-events.ts';
import type { DonationPolicy, Placement } from '../../domain/donation.ts';
import { aftercareWorkflowId, donationWorkflowId } from '../../domain/ids.ts';
import { createPool } from '../../platform/postgres.ts';
import { createRateTokens } from '../../platform/rate-tokens.ts';
import type { Delivery } from '../../platform/relay.ts';
import { startTelemetry, type Telemetry } from '../../platform/telemetry.ts';
import { taskQueues } from '../../platform/temporal.ts';
import type { PaymentProvider } from '../../provider/port.ts';
import { createStripeProvider } from '../../provider/stripe/adapter.ts';
import { logThrough } from '../../workers/temporal-workers.ts';
import { loadWorkflowBundle } from '../../workers/workflow-bundle.ts';
import type { Queues } from '../../workflows/messages.ts';
import { SECRET_KEY, startSimulator, type SimulatorProcess } from '../contract/start-simulator.ts';
import { temporalAddress } from '../harness/components.ts';
import { isolatedDatabases } from '../integration/database/isolated-databases.ts';
import { readSnapshot } from '../integration/activities/payment-bench.ts';
import { listedEvents, storeEvents, type ListedEvent } from '../integration/activities/stored-events.ts';

/** Short, so that back-off costs a test little; long enough for this machine's slowest answer. */
export const POLICY: DonationPolicy = {
  providerCallTimeoutMs: 2_000,
  localProviderCallTimeoutMs: 1_000,
  retryInitialMs: 50,
  retryMaxMs: 200,
  stepAttempts: 4,
  resolvePausesMs: [200, 1_000],
  abandonAfterMs: 60_000,
  giveUpAfterMs: 120_000,
};

/** For a test that counts workflow tasks: no provider call is so slow that it moves to another queue. */
export const PATIENT: DonationPolicy = { ...POLICY, localProviderCallTimeoutMs: 6_000 };

export type ProviderCall = Exclude<keyof PaymentProvider, 'name'>;
export const EVERY_CALL: readonly ProviderCall[] = [
  'createPayment',
  'confirmPayment',
  'capturePayment',
  'cancelPayment',
  'retrievePayment',
  'listPayments',
  'findByDonation',
  'createRefund',
  'retrieveRefund',
  'listRefunds',
  'retrieveDispute',
  'listDisputes',
  'retrieveClientSecret',
];

export type Donation = {
  readonly donationId: string;
  readonly campaignId: string;
  readonly amountMinor: number;
  readonly placement: Placement;
  readonly paymentMethod: string;
  readonly policy: DonationPolicy;
};

export type DonationStage = {
  readonly client: Client;
  readonly simulator: SimulatorProcess;
  readonly provider: PaymentProvider;
  readonly pools: Readonly<Record<'donations' | 'payments' | 'campaigns', Pool>>;
  readonly queues: Queues;
  /** Ends the worker of the workflows; another one with this code takes its place. */
  deploy(code: WorkflowBundle): Promise<void>;
  /** Makes these calls of the workers, and no others, with a key that the provider does not know. */
  refuse(calls: readonly ProviderCall[]): void;
  newCampaign(id?: string): Promise<string>;
  /** Accepts a donation, as the API stores it, without starting anything. */
  accept(change?: Partial<Donation>): Promise<Donation>;
  /** Starts its workflow, as the relay does. */
  start(donation: Donation, found?: { readonly cancelledAt: Date }): Promise<WorkflowHandle>;
  give(change?: Partial<Donation>): Promise<Donation & { readonly handle: WorkflowHandle }>;
  /** Stores what the provider has to tell about a donation, and returns it oldest first. */
  receive(donation: Donation): Promise<ListedEvent[]>;
  /** Hands one stored event to the workflow that it belongs to, as the relay does. */
  deliver(donation: Donation, eventId: string): Promise<Delivery>;
  /** Hands what was decided about a payment to its aftercare, as the relay does; resolves with how much that was. */
  deliverCommands(donation: Donation): Promise<number>;
  aftercare(donation: Donation): WorkflowHandle;
  /** Has a workflow that the test started itself replayed at its end, too. */
  replayLater(workflowId: string): void;
};

const WORKER_OPTIONS = {
  cached: {},
  /** Every workflow task replays the history from its start. */
  uncached: { maxCachedWorkflows: 0 },
} as const satisfies Record<string, Partial<WorkerOptions>>;
export type Caching = keyof typeof WORKER_OPTIONS;

type Opened = {
  pools: Record<'donations' | 'payments' | 'campaigns', Pool>;
  simulator: SimulatorProcess;
  bundle: WorkflowBundle;
  telemetry: Telemetry;
  native: NativeConnection;
  connection: Connection;
  client: Client;
  /** The last one runs the workflows. */
  workers: Worker[];
  running: Promise<void>[];
  workerOptions: Omit<WorkerOptions, 'taskQueue'>;
};

let logging = false;
const log = pino({ level: 'silent' });

type EndOfTest = (run: () => Promise<void>) => void;

/**
 * The whole of a donation but its HTTP rim: real workflows and activities in real workers, real databases, a real
 * provider process. The tests of one file share it; every workflow that a test has started is replayed on its history
 * when that test ends.
 */
export function openStage(caching: Caching): (onTestFinished: EndOfTest) => DonationStage {
  const { prefix, urls } = isolatedDatabases(['donations', 'payments', 'campaigns']);
  const queues = taskQueues(prefix);
  const opened: Partial<Opened> = {};
  let refused: readonly ProviderCall[] = [];

  const connect = (secretKey: string): PaymentProvider =>
    createStripeProvider({
      apiBase: get('simulator').base,
      secretKey,
      timeoutMs: POLICY.providerCallTimeoutMs,
    });
  const get = <K extends keyof Opened>(name: K): Opened[K] => {
    const value = opened[name];
    if (value === undefined) throw new Error(`${name}: only known while the tests run`);
    return value;
  };

  const activities = (): object => {
    const { donations, payments, campaigns } = get('pools');
    const shared = { failpoint: () => undefined, outboxWritten: () => undefined };
    const provider = refusable(connect(SECRET_KEY), connect('sk_test_of_somebody_else'), () => refused);
    return {
      ...createDonationReconciliation(donations),
      ...createCampaignReconciliation(campaigns),
      ...createReconciliationActivities({
        pool: payments,
        provider,
        livemode: false,
        failpoint: shared.failpoint,
        signal: () => Context.current().cancellationSignal,
        heartbeat: (progress) => Context.current().heartbeat(progress),
        progress: () => Context.current().info.heartbeatDetails as Progress | undefined,
      }),
      ...createDonationActivities({ pool: donations, ...shared }),
      ...createCampaignActivities({ pool: campaigns, ...shared }),
      ...createPaymentActivities({
        pool: payments,
        ...shared,
        provider,
        readSnapshot,
        localCalls: createRateTokens(1_000),
        call: () => {
          const { info, cancellationSignal } = Context.current();
          return { isLocal: info.isLocal, attempt: info.attempt, signal: cancellationSignal };
        },
      }),
    };
  };

  const workflowWorker = (workflowBundle: WorkflowBundle): Promise<Worker> =>
    Worker.create({ ...get('workerOptions'), taskQueue: queues.donations, workflowBundle });

  const deploy = async (code: WorkflowBundle): Promise<void> => {
    const [workers, running] = [get('workers'), get('running')];
    workers.pop()?.shutdown();
    await running.pop();
    opened.bundle = code;
    const worker = await workflowWorker(code);
    workers.push(worker);
    running.push(worker.run());
  };

  beforeAll(async () => {
    const pool = (service: 'donations' | 'payments' | 'campaigns'): Pool =>
      createPool({ url: urls[service], max: 5, name: `test-${service}` });
    opened.pools = { donations: pool('donations'), payments: pool('payments'), campaigns: pool('campaigns') };
    opened.simulator = await startSimulator();
    // Once per process, and before the first worker.
    if (!logging) logThrough(log);
    logging = true;
    opened.telemetry = startTelemetry('test', undefined);
    opened.bundle = await loadWorkflowBundle([opened.telemetry.temporalPlugin], log);
    opened.native = await NativeConnection.connect({ address: temporalAddress() });
    opened.connection = await Connection.connect({ address: temporalAddress() });
    opened.client = new Client({
      connection: opened.connection,
      plugins: [opened.telemetry.temporalPlugin],
    });
    opened.workerOptions = {
      connection: opened.native,
      activities: activities(),
      plugins: [opened.telemetry.temporalPlugin],
      ...WORKER_OPTIONS[caching],
    };
    opened.workers = await Promise.all([
      Worker.create({ ...opened.workerOptions, taskQueue: queues.payments }),
      Worker.create({ ...opened.workerOptions, taskQueue: queues.campaigns }),
      workflowWorker(opened.bundle),
    ]);
    opened.running = opened.workers.map((worker) => worker.run());
  });

  afterAll(async () => {
    for (const worker of opened.workers ?? []) worker.shutdown();
    await Promise.all(opened.running ?? []);
    await opened.connection?.close();
    await opened.native?.close();
    await opened.telemetry?.shutdown();
    await opened.simulator?.[Symbol.asyncDispose]();
    await Promise.all(Object.values(opened.pools ?? {}).map((pool) => pool.end()));
  });

  return (onTestFinished) => {
    const started = new Set<string>();
    onTestFinished(async () => {
      refused = [];
      await replayAll(get('client'), get('bundle'), get('telemetry'), started);
    });
    const stage: DonationStage = {
      get client() {
        return get('client');
      },
      get simulator() {
        return get('simulator');
      },
      get provider() {
        return connect(SECRET_KEY);
      },
      get pools() {
        return get('pools');
      },
      queues,
      deploy,
      refuse: (calls) => {
        refused = calls;
      },
      newCampaign: async (id = randomUUID()) => {
        const { campaigns } = get('pools');
        await campaigns.query(
          `INSERT INTO campaigns (id, title, currency, status, created_by) VALUES ($1, 'Wells', 'USD', 'open', 'test')`,
          [id],
        );
        await campaigns.query('INSERT INTO campaign_totals (campaign_id) VALUES ($1)', [id]);
        return id;
      },
      accept: async (change = {}) => {
        const donation: Donation = {
          donationId: randomUUID(),
          campaignId: change.campaignId ?? (await stage.newCampaign()),
          amountMinor: 2_500,
          placement: 'local',
          paymentMethod: 'pm_card_visa',
          policy: POLICY,
          ...change,
        };
        const { donationId, campaignId, amountMinor, paymentMethod } = donation;
        await get('pools').donations.query(
          `INSERT INTO donation_requests (id, scope, idempotency_key, fingerprint, campaign_id, amount, currency, payment_method, body)
         VALUES ($1, 'guest', $2, $3, $4, $5, 'USD', $6, '{}')`,
          [
            donationId,
            keyOf(donationId),
            createHash('sha256').update(donationId).digest(),
            campaignId,
            amountMinor,
            paymentMethod,
          ],
        );
        started.add(donationWorkflowId(donationId)).add(aftercareWorkflowId(donationId));
        return donation;
      },
      start: async (donation, found) => {
        const { placement, policy } = donation;
        const row: RequestRow = {
          id: donation.donationId,
          attempts: 1,
          scope: 'guest',
          idempotency_key: keyOf(donation.donationId),
          campaign_id: donation.campaignId,
          amount: donation.amountMinor,
          currency: 'USD',
          payment_method: donation.paymentMethod,
          cancel_requested_at: found?.cancelledAt ?? null,
          traceparent: null,
        };
        const startWorkflow = startDonationWorkflow({
          temporal: get('client'),
          queues,
          placement,
          policy,
          failpoint: () => undefined,
        });
        expect(await startWorkflow(row)).toEqual({ kind: 'delivered' });
        return get('client').workflow.getHandle(donationWorkflowId(donation.donationId));
      },
      give: async (change) => {
        const donation = await stage.accept(change);
        return { ...donation, handle: await stage.start(donation) };
      },
      receive: async (donation) => {
        const events = await listedEvents(get('simulator'), donation.donationId);
        await storeEvents(get('pools').payments, events);
        return events;
      },
      deliver: async ({ policy }, eventId) => {
        const { rows } = await get('pools').payments.query<WebhookEventRow>(
          `SELECT event_id AS id, 1 AS attempts, type, object_id, charge_id, donation_id, livemode, received_at, traceparent
         FROM webhook_events WHERE event_id = $1`,
          [eventId],
        );
        const [row] = rows;
        if (row === undefined) throw new Error(`event ${eventId} is not stored`);
        const deliver = deliverEvent({
          pool: get('pools').payments,
          temporal: get('client'),
          queues,
          policy,
          provider: stage.provider,
          quietAfterOperationMs: 0,
          livemode: false,
          failpoint: () => undefined,
        });
        return deliver(row);
      },
      deliverCommands: async ({ donationId, policy }) => {
        const pool = get('pools').payments;
        const deliver = deliverPaymentCommand({ pool, temporal: get('client'), queues, policy });
        const { rows } = await pool.query<PaymentCommandRow>(
          `UPDATE workflow_commands SET delivered_at = now(), attempts = attempts + 1
           WHERE payment_id = $1 AND delivered_at IS NULL RETURNING id, attempts, payment_id, type, traceparent`,
          [donationId],
        );
        for (const row of rows) expect(await deliver(row)).toEqual({ kind: 'delivered' });
        return rows.length;
      },
      aftercare: ({ donationId }) => get('client').workflow.getHandle(aftercareWorkflowId(donationId)),
      replayLater: (workflowId) => void started.add(workflowId),
    };
    return stage;
  };
}

function keyOf(donationId: string): string {
  return `key-of-${donationId}`;
}

/** A provider of which some calls are made as a stranger, as long as a test wants it. */
function refusable(
  known: PaymentProvider,
  stranger: PaymentProvider,
  refused: () => readonly ProviderCall[],
): PaymentProvider {
  const as = (call: ProviderCall): PaymentProvider => (refused().includes(call) ? stranger : known);
  return {
    name: 'stripe',
    createPayment: (...args) => as('createPayment').createPayment(...args),
    confirmPayment: (...args) => as('confirmPayment').confirmPayment(...args),
    capturePayment: (...args) => as('capturePayment').capturePayment(...args),
    cancelPayment: (...args) => as('cancelPayment').cancelPayment(...args),
    retrievePayment: (...args) => as('retrievePayment').retrievePayment(...args),
    listPayments: (...args) => as('listPayments').listPayments(...args),
    findByDonation: (...args) => as('findByDonation').findByDonation(...args),
    createRefund: (...args) => as('createRefund').createRefund(...args),
    retrieveRefund: (...args) => as('retrieveRefund').retrieveRefund(...args),
    listRefunds: (...args) => as('listRefunds').listRefunds(...args),
    retrieveDispute: (...args) => as('retrieveDispute').retrieveDispute(...args),
    listDisputes: (...args) => as('listDisputes').listDisputes(...args),
    retrieveClientSecret: (...args) => as('retrieveClientSecret').retrieveClientSecret(...args),
  };
}

/** Throws when the code of today would decide differently on the history of any run of these workflows. */
async function replayAll(
  client: Client,
  workflowBundle: WorkflowBundle,
  telemetry: Telemetry,
  workflowIds: ReadonlySet<string>,
): Promise<void> {
  const histories = [];
  for (const workflowId of workflowIds) {
    for (const runId of await runsOf(client, workflowId)) {
      const history = await client.workflow.getHandle(workflowId, runId).fetchHistory();
      histories.push({ workflowId, history });
    }
  }
  expect(histories.length, 'histories to replay').toBeGreaterThan(0);
  const replays = Worker.runReplayHistories(
    { workflowBundle, plugins: [telemetry.temporalPlugin] },
    histories,
  );
  for await (const { workflowId, error } of replays) expect(error, `${workflowId} replays`).toBeUndefined();
}

/** A reset leaves the run that it continues behind; the newest run knows where the chain began. */
async function runsOf(client: Client, workflowId: string): Promise<string[]> {
  const described = await client.workflow
    .getHandle(workflowId)
    .describe()
    .catch(() => null);
  if (described === null) return [];
  const first = described.raw.workflowExecutionInfo?.firstRunId;
  return [...new Set([described.runId, ...(first ? [first] : [])])];
}
