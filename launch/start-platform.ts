import { randomUUID } from 'node:crypto';
import { claimDatabases } from './claim.ts';
import { withoutPassword } from './components/component.ts';
import { findProvider } from './components/provider.ts';
import { passedSettings, type LaunchOptions } from './options.ts';
import { ownAccessToken } from './own-account.ts';
import { replaceForeignKeys } from './own-keys.ts';
import { ENVIRONMENT_FILE, PROVIDER_LEDGER, SECRETS_FILE, STATE } from './paths.ts';
import { platformEnvironment } from './platform-environment.ts';
import { describeListener, freePort, isPortFree, LOOPBACK } from './ports.ts';
import { generatePrismaClients, prepareDatabases } from './prepare.ts';
import { Refusal } from './refusal.ts';
import { say, step, warn } from './screen.ts';
import { loadSecrets, writePrivately } from './secrets.ts';
import { seedCampaigns } from './seed.ts';
import type { Session } from './session.ts';
import { startComponents } from './start-components.ts';
import { createStarter } from './start-processes.ts';
import { SERVICES } from '../platform/databases.ts';

/** From the API's port to those on which workers and background tell their health. */
const OPS_PORT_OFFSET = 10_001;

/** Everything between the lock and the line that says it is ready. Throws a `Refusal` for what the user can change. */
export async function startPlatform(session: Session, options: LaunchOptions): Promise<void> {
  const startedAt = Date.now();
  const port = await choosePort(options);
  const reached = options.host === '0.0.0.0' || options.host === '::' ? LOOPBACK : options.host;
  const apiUrl = `http://${reached}:${port}`;
  const secrets = loadSecrets(SECRETS_FILE, SERVICES);
  const provider = await findProvider(options, secrets, {
    ledger: PROVIDER_LEDGER,
    webhookUrl: `${apiUrl}/webhooks/stripe`,
  });

  const { postgres, temporal, redis, rabbitmq } = await startComponents(session, options, secrets);
  const claim = await claimDatabases(postgres.address, options.namePrefix);
  if (claim === undefined) {
    throw new Refusal(
      `Another checkout runs on the databases ${options.namePrefix}_* of this PostgreSQL: stop it, or start with NAME_PREFIX=other npm start (and POSTGRES_URL for another server).`,
    );
  }
  session.opened('claim', () => claim.release());
  await step('Prisma clients', generatePrismaClients);
  const databases = await step(
    'Databases',
    (now) =>
      prepareDatabases({
        adminUrl: postgres.address,
        prefix: options.namePrefix,
        passwords: secrets.databasePasswords,
        step: now,
      }),
    ({ applied }) =>
      `Databases ${options.namePrefix}_* ready${applied === 0 ? '' : ` (${applied} migrations applied)`}`,
  );

  if (await replaceForeignKeys(databases.urls.auth, secrets.authSecret)) {
    warn(
      `The keys of access tokens in ${options.namePrefix}_auth were another checkout's: they were replaced by new ones.`,
    );
  }

  const start = createStarter(session);
  if (provider.simulator !== undefined) {
    await start({
      name: 'simulator',
      script: 'provider/simulator/main.ts',
      env: { ...passedSettings(), ...provider.simulator },
    });
  }
  const environment = platformEnvironment({
    namePrefix: options.namePrefix,
    databaseUrls: databases.urls,
    redisUrl: redis?.address,
    rabbitmqUrl: rabbitmq?.address,
    temporalAddress: temporal.address,
    temporalNamespace: options.temporalNamespace,
    stripeApiBase: provider.apiBase,
    stripeSecretKey: provider.secretKey,
    stripeWebhookSecrets: provider.webhookSecrets,
    authSecret: secrets.authSecret,
  });
  const env = { ...passedSettings(), ...environment, HOST: options.host };
  // Chosen here, so that they stay the same when a process is started again.
  const nearOps = port + (port < 50_000 ? OPS_PORT_OFFSET : -OPS_PORT_OFFSET);
  const workersPort = await freePort(nearOps, options.host);
  const backgroundPort = await freePort(nearOps + 1, options.host);
  const ops = (opsPort: number) => ({ env: { ...env, OPS_PORT: String(opsPort) }, stopLimitMs: 9_000 });
  await Promise.all([
    start({ name: 'background', script: 'workers/background.ts', ...ops(backgroundPort) }),
    start({ name: 'workers', script: 'workers/all-in-one.ts', ...ops(workersPort) }),
    start({ name: 'api', script: 'api/main.ts', env: { ...env, PORT: String(port) }, stopLimitMs: 9_000 }),
  ]);
  writePrivately(ENVIRONMENT_FILE, {
    ...environment,
    HOST: options.host,
    PORT: String(port),
    API_URL: apiUrl,
    WORKERS_URL: `http://${reached}:${workersPort}`,
    BACKGROUND_URL: `http://${reached}:${backgroundPort}`,
    TEMPORAL_UI_URL: temporal.uiUrl,
  });

  const seeded = await seedCampaigns(apiUrl, () =>
    ownAccessToken({
      authDatabaseUrl: databases.urls.auth,
      authSecret: secrets.authSecret,
      name: 'examples',
      role: 'organizer',
      lifetimeSeconds: 60,
    }),
  );
  say('');
  say(
    `CareForAll is ready after ${((Date.now() - startedAt) / 1000).toFixed(1)} s${seeded.created === 0 ? '' : `, with ${seeded.created} example campaigns`}.`,
  );
  say('');
  say(`  API          ${apiUrl}`);
  say(`  Temporal UI  ${temporal.uiUrl ?? `that of the server at ${temporal.address}`}`);
  say(`  Provider     ${provider.how}`);
  say(
    `  Data         ${STATE} and the databases ${options.namePrefix}_* at ${withoutPassword(postgres.address)}`,
  );
  say('  Operator     npm run careforall -- operator create --email you@example.org');
  say('');
  if (seeded.open !== undefined) {
    say('Try it; the same line again is the same donation:');
    say('');
    say(curlLine(apiUrl, seeded.open));
    say('');
  }
  say('Ctrl-C stops everything that was started here.');
  say('');
}

async function choosePort(options: LaunchOptions): Promise<number> {
  if (options.port === 0) return freePort(0, options.host);
  if (await isPortFree(options.port, options.host)) return options.port;
  const holder = describeListener(options.port);
  throw new Refusal(
    `Port ${options.port} on ${options.host} is taken${holder === undefined ? '' : ` (${holder})`}: the API cannot listen there. Stop that program, or start with PORT=${options.port + 1} npm start.`,
  );
}

function curlLine(apiUrl: string, campaign: { id: string; currency: string }): string {
  const body = JSON.stringify({
    campaignId: campaign.id,
    amount: 2500,
    currency: campaign.currency,
    paymentMethod: 'pm_card_visa',
  });
  return [
    `curl -i ${apiUrl}/donate`,
    "-H 'Content-Type: application/json'",
    `-H 'Idempotency-Key: ${randomUUID()}'`,
    "-H 'Prefer: wait=5'",
    `-d '${body}'`,
  ].join(' ');
}
