/** The gateway of one machine: every service's routers in one process, with the relays of the rows they write. */
import type { Pool } from 'pg';
import { connectBroker } from '../platform/rabbit.ts';
import { configuredLogLevel, loadConfig } from '../platform/config.ts';
import { createBreaker } from '../platform/breaker.ts';
import { createFailpoint } from '../platform/failpoint.ts';
import { runProcess } from '../platform/lifecycle.ts';
import { createLogger } from '../platform/log.ts';
import { createPool } from '../platform/postgres.ts';
import { connectRedis } from '../platform/redis.ts';
import { startTelemetry } from '../platform/telemetry.ts';
import { connectTemporal, taskQueues } from '../platform/temporal.ts';
import { startOutboxRelay } from '../events/relay.ts';
import { createStripeProvider, isLivemode } from '../provider/stripe/adapter.ts';
import { campaignsRouter } from './campaigns/router.ts';
import { findCampaign } from './campaigns/store.ts';
import { createCampaignSnapshots } from './donations/campaign-snapshots.ts';
import { createDonationHistory } from './donations/history.ts';
import { openIdentity } from './donations/identity.ts';
import { createRequestStore } from './donations/requests.ts';
import { donationsRouter } from './donations/router.ts';
import { createSeenDonations } from './donations/seen-donations.ts';
import { closeServer, createApp, listen } from './http/app.ts';
import { operatorToken } from './http/operator.ts';
import { createClientSecrets } from './payments/client-secret.ts';
import { createInbox } from './payments/inbox.ts';
import { createReconciliationReports } from './payments/reconciliation.ts';
import { createRefundStore } from './payments/refunds.ts';
import { paymentsRouter } from './payments/router.ts';
import { startWorkflowRelays } from './relays.ts';

/** Connections of this process, per database; see docs/architecture for the whole budget. */
const POOL_SIZE = { donations: 6, payments: 4, campaigns: 4 } as const;
/** Somebody waits for the answer: a database that is silent is one that is away, and soon said to be. */
const DATABASE_LIMITS = { statementTimeoutMs: 3_000, answerGraceMs: 500 } as const;
const RELAY_CONCURRENCY = 64;

const log = createLogger('api', configuredLogLevel());

await runProcess(log, async (opened) => {
  const config = loadConfig([
    'DONATIONS_DATABASE_URL',
    'PAYMENTS_DATABASE_URL',
    'CAMPAIGNS_DATABASE_URL',
    'TEMPORAL_ADDRESS',
    'STRIPE_SECRET_KEY',
    'STRIPE_WEBHOOK_SECRETS',
    'OPERATOR_TOKEN',
  ]);
  const policy = config.POLICY;
  const failpoint = createFailpoint(config.FAILPOINTS_DIR);
  const telemetry = opened.use('telemetry', startTelemetry('api', config.OTEL_EXPORTER_OTLP_ENDPOINT), (it) =>
    it.shutdown(),
  );
  const pool = (name: keyof typeof POOL_SIZE, url: string): Pool =>
    opened.use(
      `${name} pool`,
      createPool({ url, max: POOL_SIZE[name], name: `api-${name}`, ...DATABASE_LIMITS }),
      (it) => it.end(),
    );
  const donations = pool('donations', config.DONATIONS_DATABASE_URL);
  const payments = pool('payments', config.PAYMENTS_DATABASE_URL);
  const campaigns = pool('campaigns', config.CAMPAIGNS_DATABASE_URL);
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
  const redis =
    config.REDIS_URL === undefined
      ? null
      : opened.use('redis', connectRedis(config.REDIS_URL, config.NAME_PREFIX, log), (it) => it.disconnect());
  const redisBreaker = createBreaker('redis', log);

  const provider = createStripeProvider({
    apiBase: config.STRIPE_API_BASE,
    secretKey: config.STRIPE_SECRET_KEY,
    timeoutMs: policy.providerCallTimeoutMs,
  });
  const relays = opened.use(
    'workflow relays',
    startWorkflowRelays({
      donations,
      payments,
      temporal,
      provider,
      queues: taskQueues(config.NAME_PREFIX),
      placement: config.PLACEMENT,
      policy,
      livemode: isLivemode(config.STRIPE_SECRET_KEY),
      failpoint,
      log,
      concurrency: RELAY_CONCURRENCY,
    }),
    (it) => it.stop(),
  );
  const outbox = opened.use(
    'campaigns outbox',
    startOutboxRelay({
      service: 'campaigns',
      pool: campaigns,
      broker,
      failpoint,
      log,
      leaseMs: policy.leaseMs,
    }),
    (it) => it.stop(),
  );

  const authenticate = operatorToken(config.OPERATOR_TOKEN);

  const app = createApp({
    log,
    breakers: [temporal.breaker, ...(broker ? [broker.breaker] : []), ...(redis ? [redisBreaker] : [])],
    ready: async () => {
      await Promise.all([donations, payments, campaigns].map((it) => it.query('SELECT 1')));
    },
    routers: [
      donationsRouter({
        requests: createRequestStore(donations, failpoint, {
          stored: relays.starts.wake,
          commanded: relays.donationCommands.wake,
        }),
        history: createDonationHistory(donations),
        campaigns: createCampaignSnapshots(donations, (id) => findCampaign(campaigns, id)),
        identity: await openIdentity(donations, config.INSTALLATION_SECRET),
        authenticate,
        seen: redis === null ? null : createSeenDonations(redis, redisBreaker),
        clientSecretOf: createClientSecrets(payments, provider, log),
      }),
      paymentsRouter({
        inbox: createInbox(payments, failpoint, relays.events.wake),
        webhookSecrets: config.STRIPE_WEBHOOK_SECRETS,
        refunds: createRefundStore(payments, relays.paymentCommands.wake),
        reports: createReconciliationReports(payments),
        authenticate,
        log,
      }),
      campaignsRouter({ pool: campaigns, authenticate, outboxWritten: outbox.wake }),
    ],
  });
  const { server, port } = await listen(app, config.PORT, config.HOST);
  opened.use('http server', server, closeServer);
  return { port };
});
