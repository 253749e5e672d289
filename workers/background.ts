/** The third process of one machine: takes over what died with its process, and consumes events. */
import type { Pool } from 'pg';
import { closeOverdueCampaigns } from '../api/campaigns/overdue.ts';
import { startDonationRelays } from '../api/donations/relays.ts';
import { startPaymentRelays } from '../api/payments/relays.ts';
import { startOutboxRelay } from '../events/relay.ts';
import { configuredLogLevel, loadConfig } from '../platform/config.ts';
import { createFailpoint } from '../platform/failpoint.ts';
import { runProcess } from '../platform/lifecycle.ts';
import { createLogger } from '../platform/log.ts';
import { createPool } from '../platform/postgres.ts';
import { connectBroker } from '../platform/rabbit.ts';
import { startTelemetry } from '../platform/telemetry.ts';
import { connectTemporal, taskQueues } from '../platform/temporal.ts';
import { createStripeProvider, isLivemode } from '../provider/stripe/adapter.ts';
import { consumeCampaignEvents } from './campaign-events.ts';
import { consumeNotices } from './notices.ts';
import { consumeReceipts } from './receipts.ts';
import { startOpsServer } from './ops-server.ts';
import { keepSchedules } from './schedules.ts';
import { forgetCardAttempts, redeliverEvents, restartMissingWorkflows } from './sweeper.ts';

const POOL_SIZE = 3;
const RELAY_CONCURRENCY = 32;
const HOUSEKEEPING_MS = 5_000;
const FORGETTING_MS = 600_000;

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
  const policy = config.POLICY;
  const failpoint = createFailpoint(config.FAILPOINTS_DIR);
  const telemetry = opened.use(
    'telemetry',
    startTelemetry('background', config.OTEL_EXPORTER_OTLP_ENDPOINT),
    (it) => it.shutdown(),
  );
  const openPool = (name: string, url: string): Pool =>
    opened.use(`${name} pool`, createPool({ url, max: POOL_SIZE, name: `background-${name}` }), (it) =>
      it.end(),
    );
  const donations = openPool('donations', config.DONATIONS_DATABASE_URL);
  const payments = openPool('payments', config.PAYMENTS_DATABASE_URL);
  const campaigns = openPool('campaigns', config.CAMPAIGNS_DATABASE_URL);
  const notifications = openPool('notifications', config.NOTIFICATIONS_DATABASE_URL);
  const temporal = opened.use(
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
    await consumeNotices(broker, notifications);
  }

  // Rows that are fresh belong to the process that wrote them; what stays due for longer lost its process.
  const minOverdueMs = policy.sweepAfterMs;
  const settings = {
    temporal,
    queues: taskQueues(config.NAME_PREFIX),
    policy,
    failpoint,
    log,
    concurrency: RELAY_CONCURRENCY,
    minOverdueMs,
  };
  const donationRelays = startDonationRelays({ ...settings, pool: donations, placement: config.PLACEMENT });
  opened.use('donation relays', donationRelays, (it) => it.stop());
  const paymentRelays = startPaymentRelays({
    ...settings,
    pool: payments,
    provider: createStripeProvider({
      apiBase: config.STRIPE_API_BASE,
      secretKey: config.STRIPE_SECRET_KEY,
      timeoutMs: policy.providerCallTimeoutMs,
    }),
    livemode: isLivemode(config.STRIPE_SECRET_KEY),
  });
  opened.use('payment relays', paymentRelays, (it) => it.stop());
  for (const [service, pool] of Object.entries({ donations, payments, campaigns })) {
    const { leaseMs } = policy;
    const outbox = startOutboxRelay({ service, pool, broker, failpoint, log, leaseMs, minOverdueMs });
    opened.use(`${service} outbox`, outbox, (it) => it.stop());
  }

  const housekeeping = setInterval(() => {
    redeliverEvents(payments, policy.redeliverAfterMs).catch((err: unknown) =>
      log.warn({ err }, 'events could not be put back'),
    );
    restartMissingWorkflows(donations, temporal.client, policy.missingWorkflowAfterMs, log).catch(
      (err: unknown) => log.warn({ err }, 'missing workflows could not be looked for'),
    );
    closeOverdueCampaigns(campaigns).catch((err: unknown) =>
      log.warn({ err }, 'campaigns past their deadline could not be closed'),
    );
  }, HOUSEKEEPING_MS);
  opened.use('housekeeping', housekeeping, (it) => clearInterval(it));

  const forgetting = setInterval(() => {
    forgetCardAttempts(donations).catch((err: unknown) =>
      log.warn({ err }, 'card attempts were not deleted'),
    );
  }, FORGETTING_MS);
  opened.use('forgetting', forgetting, (it) => clearInterval(it));

  const schedules = keepSchedules(
    temporal.client,
    { prefix: config.NAME_PREFIX, settings: config.RECONCILIATION, queues: taskQueues(config.NAME_PREFIX) },
    log,
  );
  opened.use('schedules', schedules, (it) => it.stop());

  const ready = async (): Promise<void> => {
    await Promise.all([donations, payments, campaigns, notifications].map((it) => it.query('SELECT 1')));
  };
  const breakers = [temporal.breaker, ...(broker ? [broker.breaker] : [])];
  const ops = await startOpsServer(config.OPS_PORT, config.HOST, log, ready, breakers);
  opened.use('ops server', ops, (it) => it.close());
  return { port: ops.port };
});
