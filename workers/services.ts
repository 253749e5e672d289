/** Builds each service's worker: its activities, the pools they use, the relay of its outbox. */
import { Context } from '@temporalio/activity';
import type { NativeConnection, WorkerOptions } from '@temporalio/worker';
import type { Pool } from 'pg';
import { createCampaignActivities } from '../activities/campaigns/index.ts';
import { createCampaignReconciliation } from '../activities/campaigns/reconciliation.ts';
import { createDonationActivities } from '../activities/donations/index.ts';
import { createDonationReconciliation } from '../activities/donations/reconciliation.ts';
import { createPaymentActivities } from '../activities/payments/index.ts';
import { breakLocalCalls, createLocalCalls } from '../activities/payments/local-calls.ts';
import {
  createReconciliationActivities,
  type Progress,
} from '../activities/payments/reconciliation/index.ts';
import { startOutboxRelay } from '../events/relay.ts';
import { createBreaker, type Breaker } from '../platform/breaker.ts';
import { configuredLogLevel, loadConfig, type Config } from '../platform/config.ts';
import { createFailpoint } from '../platform/failpoint.ts';
import { runProcess, type Opened } from '../platform/lifecycle.ts';
import { createLogger, type Logger } from '../platform/log.ts';
import { createPool } from '../platform/postgres.ts';
import { connectBroker, type Broker } from '../platform/rabbit.ts';
import { startTelemetry, type Telemetry } from '../platform/telemetry.ts';
import { taskQueues } from '../platform/temporal.ts';
import { createStripeProvider, isLivemode } from '../provider/stripe/adapter.ts';
import { readWebhookEvent } from '../provider/stripe/webhook.ts';
import type {
  CampaignActivities,
  DonationActivities,
  PaymentActivities,
  ReconciliationCampaignActivities,
  ReconciliationDonationActivities,
  ReconciliationPaymentActivities,
} from '../workflows/ports.ts';
import { startOpsServer } from './ops-server.ts';
import {
  ACTIVITY_WORKER,
  connectUntilUp,
  logThrough,
  runWorkers,
  WORKFLOW_WORKER,
} from './temporal-workers.ts';
import { loadWorkflowBundle } from './workflow-bundle.ts';

export type Service = 'donations' | 'payments' | 'campaigns';

const DATABASE = {
  donations: 'DONATIONS_DATABASE_URL',
  payments: 'PAYMENTS_DATABASE_URL',
  campaigns: 'CAMPAIGNS_DATABASE_URL',
} as const;
const POOL_SIZE = 8;
/** Stripe allows 100 operations a second in live mode. https://docs.stripe.com/rate-limits */
const PROVIDER_CALLS_PER_SECOND = 80;

type Parts = {
  readonly config: Config;
  readonly log: Logger;
  readonly opened: Opened;
  readonly broker: Broker | null;
  readonly pools: Pool[];
  readonly breakers: Breaker[];
};

type ServiceActivities =
  | (DonationActivities & ReconciliationDonationActivities)
  | (PaymentActivities & ReconciliationPaymentActivities)
  | (CampaignActivities & ReconciliationCampaignActivities);

/** One process that works for the given services; with all of them, sagas run as local activities. */
export async function runServiceWorkers(name: string, services: readonly Service[]): Promise<void> {
  const log = createLogger(name, configuredLogLevel());
  await runProcess(log, async (opened) => {
    const config = loadConfig([
      'TEMPORAL_ADDRESS',
      ...services.map((service) => DATABASE[service]),
      ...(services.includes('payments') ? (['STRIPE_SECRET_KEY'] as const) : []),
    ]);
    logThrough(log);
    const telemetry = opened.use(
      'telemetry',
      startTelemetry(name, config.OTEL_EXPORTER_OTLP_ENDPOINT),
      (it) => it.shutdown(),
    );
    const broker =
      config.RABBITMQ_URL === undefined
        ? null
        : opened.use('rabbitmq', await connectBroker(config.RABBITMQ_URL, config.NAME_PREFIX, log), (it) =>
            it.close(),
          );
    const breakers = broker === null ? [] : [broker.breaker];
    const parts: Parts = { config, log, opened, broker, pools: [], breakers };
    const activities: Record<string, unknown> = {};
    for (const service of services) Object.assign(activities, createActivities(service, parts));

    const connection = opened.use(
      'temporal',
      await connectUntilUp(config.TEMPORAL_ADDRESS ?? '', log),
      (it) => it.close(),
    );
    const options = services.map((service) =>
      workerOptions(service, parts, connection, telemetry, activities),
    );
    const workers = await runWorkers(await Promise.all(options));
    opened.use('workers', workers, (it) => it.stop());
    workers.finished.catch((err: unknown) => {
      log.fatal({ err }, 'a worker failed');
      process.kill(process.pid, 'SIGTERM');
    });
    const ready = async (): Promise<void> => {
      await Promise.all(parts.pools.map((pool) => pool.query('SELECT 1')));
    };
    const ops = await startOpsServer(config.OPS_PORT, config.HOST, log, ready, breakers);
    opened.use('ops server', ops, (it) => it.close());
    return { port: ops.port };
  });
}

function createActivities(service: Service, parts: Parts): ServiceActivities {
  const { config, log, opened, broker } = parts;
  const url = config[DATABASE[service]] ?? '';
  const pool = opened.use(
    `${service} pool`,
    createPool({ url, max: POOL_SIZE, name: `worker-${service}` }),
    (it) => it.end(),
  );
  parts.pools.push(pool);
  const failpoint = createFailpoint(config.FAILPOINTS_DIR);
  const outbox = opened.use(
    `${service} outbox`,
    startOutboxRelay({ service, pool, broker, failpoint, log, leaseMs: config.POLICY.leaseMs }),
    (it) => it.stop(),
  );
  const shared = { pool, failpoint, outboxWritten: outbox.wake };
  switch (service) {
    case 'donations':
      return { ...createDonationActivities(shared), ...createDonationReconciliation(pool) };
    case 'campaigns':
      return { ...createCampaignActivities(shared), ...createCampaignReconciliation(pool) };
    case 'payments': {
      const breaker = createBreaker('local-provider', log, {
        timeoutMs: config.POLICY.localProviderCallTimeoutMs,
      });
      parts.breakers.push(breaker);
      const provider = createStripeProvider({
        apiBase: config.STRIPE_API_BASE,
        secretKey: config.STRIPE_SECRET_KEY ?? '',
        timeoutMs: config.POLICY.providerCallTimeoutMs,
      });
      const payments = createPaymentActivities({
        ...shared,
        provider: breakLocalCalls(provider, breaker, () => Context.current().info.isLocal),
        readSnapshot: (payload) => {
          const read = readWebhookEvent(Buffer.from(payload));
          return read.ok ? read.event.snapshot : null;
        },
        localCalls: createLocalCalls(PROVIDER_CALLS_PER_SECOND, breaker),
        call: () => {
          const { info, cancellationSignal } = Context.current();
          return { isLocal: info.isLocal, attempt: info.attempt, signal: cancellationSignal };
        },
      });
      const reconciliation = createReconciliationActivities({
        pool,
        provider,
        livemode: isLivemode(config.STRIPE_SECRET_KEY ?? ''),
        failpoint,
        signal: () => Context.current().cancellationSignal,
        heartbeat: (progress) => Context.current().heartbeat(progress),
        progress: () => Context.current().info.heartbeatDetails as Progress | undefined,
      });
      return { ...payments, ...reconciliation };
    }
    default:
      return service satisfies never;
  }
}

async function workerOptions(
  service: Service,
  { config, log }: Parts,
  connection: NativeConnection,
  telemetry: Telemetry,
  activities: object,
): Promise<WorkerOptions> {
  const shared: WorkerOptions = {
    connection,
    namespace: config.TEMPORAL_NAMESPACE,
    taskQueue: taskQueues(config.NAME_PREFIX)[service],
    activities,
    ...ACTIVITY_WORKER,
    plugins: [telemetry.temporalPlugin],
  };
  switch (service) {
    case 'donations':
      // Workflows run on the donations queue; local activities run in this worker, whichever service they belong to.
      return {
        ...shared,
        workflowBundle: await loadWorkflowBundle([telemetry.temporalPlugin], log),
        ...WORKFLOW_WORKER,
      };
    case 'payments':
      return { ...shared, maxTaskQueueActivitiesPerSecond: PROVIDER_CALLS_PER_SECOND };
    case 'campaigns':
      return shared;
    default:
      return service satisfies never;
  }
}
