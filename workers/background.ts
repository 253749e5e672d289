/** The third process of one machine: takes over what died with its process, and consumes events. */
import type { Pool } from 'pg';
import { deliverEvent, WEBHOOK_EVENTS_TABLE, type WebhookEventRow } from '../api/payments/deliver-events.ts';
import { REQUESTS_TABLE, startDonationWorkflow, type RequestRow } from '../api/donations/start-workflows.ts';
import { startOutboxRelay } from '../events/relay.ts';
import { configuredLogLevel, loadConfig } from '../platform/config.ts';
import { createFailpoint } from '../platform/failpoint.ts';
import { runProcess } from '../platform/lifecycle.ts';
import { createLogger } from '../platform/log.ts';
import { createPool } from '../platform/postgres.ts';
import { connectBroker } from '../platform/rabbit.ts';
import { startRelay } from '../platform/relay.ts';
import { startTelemetry } from '../platform/telemetry.ts';
import { connectTemporal, taskQueues } from '../platform/temporal.ts';
import { consumeCampaignEvents } from './campaign-events.ts';
import { consumeReceipts } from './receipts.ts';
import { startOpsServer } from './ops-server.ts';
import { redeliverEvents, restartMissingWorkflows } from './sweeper.ts';

const POOL_SIZE = 3;
const RELAY_CONCURRENCY = 32;
const HOUSEKEEPING_MS = 5_000;

const log = createLogger('background', configuredLogLevel());

await runProcess(log, async (opened) => {
  const config = loadConfig([
    'DONATIONS_DATABASE_URL',
    'PAYMENTS_DATABASE_URL',
    'CAMPAIGNS_DATABASE_URL',
    'NOTIFICATIONS_DATABASE_URL',
    'TEMPORAL_ADDRESS',
    'STRIPE_SECRET_KEY',
  ]);
  const { POLICY: policy, PLACEMENT: placement } = config;
  const failpoint = createFailpoint(config.FAILPOINTS_DIR);
  const telemetry = opened.use(
    'telemetry',
    startTelemetry('background', config.OTEL_EXPORTER_OTLP_ENDPOINT),
    (it) => it.shutdown(),
  );
  const pool = (name: string, url: string): Pool =>
    opened.use(`${name} pool`, createPool({ url, max: POOL_SIZE, name: `background-${name}` }), (it) =>
      it.end(),
    );
  const donations = pool('donations', config.DONATIONS_DATABASE_URL);
  const payments = pool('payments', config.PAYMENTS_DATABASE_URL);
  const campaigns = pool('campaigns', config.CAMPAIGNS_DATABASE_URL);
  const notifications = pool('notifications', config.NOTIFICATIONS_DATABASE_URL);
  const { client: temporal, breaker: receiver } = opened.use(
    'temporal',
    connectTemporal(config.TEMPORAL_ADDRESS, config.TEMPORAL_NAMESPACE, telemetry, log),
    (it) => it.close(),
  );
  const broker =
    config.RABBITMQ_URL === undefined
      ? null
      : opened.use('rabbitmq', await connectBroker(config.RABBITMQ_URL, config.NAME_PREFIX, log), (it) =>
          it.close(),
        );

  if (broker !== null) {
    await consumeCampaignEvents(broker, donations);
    await consumeReceipts(broker, notifications);
  }

  const queues = taskQueues(config.NAME_PREFIX);
  // Rows that are fresh belong to the process that wrote them; what stays due for longer lost its process.
  const sweep = {
    log,
    concurrency: RELAY_CONCURRENCY,
    leaseMs: policy.leaseMs,
    pollMs: 1_000,
    minOverdueMs: policy.sweepAfterMs,
  };
  const relays = [
    startRelay<RequestRow>({
      ...sweep,
      pool: donations,
      table: REQUESTS_TABLE,
      receiver,
      deliver: startDonationWorkflow({ temporal, queues, placement, policy, failpoint }),
    }),
    startRelay<WebhookEventRow>({
      ...sweep,
      pool: payments,
      table: WEBHOOK_EVENTS_TABLE,
      receiver,
      deliver: deliverEvent({
        pool: payments,
        temporal,
        queues,
        placement,
        policy,
        quietAfterOperationMs: policy.quietAfterOperationMs,
        livemode: config.STRIPE_SECRET_KEY.includes('_live_'),
        failpoint,
      }),
    }),
    ...Object.entries({ donations, payments, campaigns }).map(([service, outbox]) =>
      startOutboxRelay({
        service,
        pool: outbox,
        broker,
        failpoint,
        log,
        leaseMs: policy.leaseMs,
        minOverdueMs: policy.sweepAfterMs,
      }),
    ),
  ];
  for (const relay of relays) opened.use('sweep', relay, (it) => it.stop());

  const housekeeping = setInterval(() => {
    redeliverEvents(payments, policy.redeliverAfterMs).catch((err: unknown) =>
      log.warn({ err }, 'events could not be put back'),
    );
    restartMissingWorkflows(donations, temporal, policy.missingWorkflowAfterMs, log).catch((err: unknown) =>
      log.warn({ err }, 'missing workflows could not be looked for'),
    );
  }, HOUSEKEEPING_MS);
  opened.use('housekeeping', housekeeping, (it) => clearInterval(it));

  const ready = async (): Promise<void> => {
    await Promise.all([donations, payments, campaigns, notifications].map((it) => it.query('SELECT 1')));
  };
  const breakers = [receiver, ...(broker ? [broker.breaker] : [])];
  const ops = await startOpsServer(config.OPS_PORT, config.HOST, log, ready, breakers);
  opened.use('ops server', ops, (it) => it.close());
  return { port: ops.port };
});
