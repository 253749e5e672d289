/** A whole platform of the run's own, beside one that may be running: nothing of it has a name that anybody else uses. */
import { Client, Connection } from '@temporalio/client';
import { createHash, randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { Pool } from 'pg';
import { count } from '../../cli/text.ts';
import type { Policy } from '../../platform/config.ts';
import { SERVICES, type Service } from '../../platform/databases.ts';
import { createPool } from '../../platform/postgres.ts';
import { prepareNamespace } from '../components/temporal.ts';
import { readLaunchOptions } from '../options.ts';
import { ownAccessToken } from '../own-account.ts';
import { platformEnvironment, type PlatformAddresses } from '../platform-environment.ts';
import { freePort, LOOPBACK } from '../ports.ts';
import { generatePrismaClients, prepareDatabases } from '../prepare.ts';
import { clearRabbitmq } from '../shared-servers.ts';
import { step } from '../screen.ts';
import type { Session } from '../session.ts';
import type { Run } from './leftovers.ts';
import { createProcesses, type Informant, type Processes } from './processes.ts';
import type { OwnRedis } from './redis.ts';
import { startServers, type Servers } from './servers.ts';
import { connectSimulator, type Simulator } from './simulator.ts';

export type Stage = {
  readonly apiUrls: readonly string[];
  readonly addresses: PlatformAddresses;
  /** An access token that outlasts the run. */
  readonly operatorToken: string;
  readonly temporalUiUrl: string | undefined;
  readonly pools: Readonly<Record<Service, Pool>>;
  readonly temporal: Client;
  readonly simulator: Simulator;
  /** `null` on a machine without one. */
  readonly redis: OwnRedis | null;
  readonly processes: Processes;
  /** Of the Temporal server, when it is the run's own. */
  readonly temporalPid: number | undefined;
};

export const WORKER = 'worker';
const OPERATOR_SECONDS = 86_400;

export type StageOptions = {
  readonly session: Session;
  readonly run: Run;
  readonly seed: number;
  readonly report: (line: string) => void;
  /** Default 1. */
  readonly apis?: number;
  /** Default: as patient as in production. */
  readonly policy?: Partial<Policy>;
  readonly informant?: Informant;
};

export async function setTheStage(options: StageOptions): Promise<Stage> {
  const { session, run } = options;
  const servers = await startServers(session, run, readLaunchOptions());
  await step('Prisma clients', generatePrismaClients);
  session.goOn();
  const databaseUrls = await createDatabases(servers.postgresUrl, run.name);
  const pools = openPools(session, run.kind, databaseUrls);
  const addresses = await chooseAddresses(run.name, servers, databaseUrls);
  if (addresses.rabbitmqUrl !== undefined) {
    const url = addresses.rabbitmqUrl;
    session.opened('queues', () => clearRabbitmq(url, run.name));
  }

  const connection = Connection.lazy({ address: servers.temporal.address });
  session.opened('temporal client', () => connection.close());
  const processes = createProcesses(session, run.directory, options.report, options.informant);
  const { apis = 1 } = options;
  const apiUrls = await step(
    `${count(apis, 'API process', 'API processes')}, a worker, a background process, a payment provider`,
    () => startPlatform(processes, addresses, options, apis),
  );
  const operatorToken = await ownAccessToken({
    authDatabaseUrl: databaseUrls.auth,
    authSecret: addresses.authSecret,
    name: run.kind,
    role: 'operator',
    lifetimeSeconds: OPERATOR_SECONDS,
  });
  return {
    apiUrls,
    addresses,
    operatorToken,
    temporalUiUrl: servers.temporal.uiUrl,
    pools,
    temporal: new Client({ connection, namespace: run.name }),
    simulator: connectSimulator(addresses.stripeApiBase),
    redis: servers.redis,
    processes,
    temporalPid: servers.temporalPid,
  };
}

async function createDatabases(adminUrl: string, prefix: string): Promise<Record<Service, string>> {
  const passwords = Object.fromEntries(SERVICES.map((service) => [service, secret()]));
  const { urls } = await step(`Databases ${prefix}_*`, (now) =>
    prepareDatabases({ adminUrl, prefix, passwords, step: now }),
  );
  return urls;
}

function openPools(
  session: Session,
  kind: string,
  urls: Readonly<Record<Service, string>>,
): Record<Service, Pool> {
  const pools = Object.fromEntries(
    SERVICES.map((service) => [
      service,
      createPool({ url: urls[service], max: 2, name: `${kind}-${service}` }),
    ]),
  ) as Record<Service, Pool>;
  session.opened('connections', async () => {
    await Promise.all(Object.values(pools).map((pool) => pool.end()));
  });
  return pools;
}

async function chooseAddresses(
  name: string,
  { redis, rabbitmqUrl, temporal }: Servers,
  databaseUrls: Readonly<Record<Service, string>>,
): Promise<PlatformAddresses> {
  await prepareNamespace(temporal.address, name);
  return {
    namePrefix: name,
    databaseUrls,
    redisUrl: redis?.url,
    rabbitmqUrl,
    temporalAddress: temporal.address,
    temporalNamespace: name,
    stripeApiBase: `http://${LOOPBACK}:${await freePort()}`,
    stripeSecretKey: `sk_test_${secret()}`,
    stripeWebhookSecrets: `whsec_${secret()}`,
    authSecret: secret(),
  };
}

/** Returns where the APIs are. */
async function startPlatform(
  processes: Processes,
  addresses: PlatformAddresses,
  { run, seed, policy }: StageOptions,
  apis: number,
): Promise<string[]> {
  const ports = new Set<number>();
  while (ports.size < apis) ports.add(await freePort());
  const apiUrls = [...ports].map((port) => `http://${LOOPBACK}:${port}`);
  const env = {
    ...platformEnvironment(addresses),
    HOST: LOOPBACK,
    OPS_PORT: '0',
    POLICY: JSON.stringify(policy ?? {}),
    // Donation ids follow from it and the keys: the same seed brings the same ids.
    INSTALLATION_SECRET: createHash('sha256').update(`careforall ${run.kind} ${seed}`).digest('hex'),
  };
  await Promise.all([
    processes.start('provider', 'provider/simulator/main.ts', {
      SIMULATOR_HOST: LOOPBACK,
      SIMULATOR_PORT: new URL(addresses.stripeApiBase).port,
      SIMULATOR_LEDGER: join(run.directory, 'provider-ledger.jsonl'),
      SIMULATOR_WEBHOOK_URL: `${apiUrls[0] ?? ''}/webhooks/stripe`,
      SIMULATOR_WEBHOOK_SECRET: addresses.stripeWebhookSecrets,
      SIMULATOR_SECRET_KEY: addresses.stripeSecretKey,
      SIMULATOR_SEED: String(seed),
    }),
    processes.start('background', 'workers/background.ts', env),
    processes.start(WORKER, 'workers/all-in-one.ts', env),
    ...[...ports].map((port, index) =>
      processes.start(apis === 1 ? 'api' : `api-${index + 1}`, 'api/main.ts', { ...env, PORT: String(port) }),
    ),
  ]);
  return apiUrls;
}

function secret(): string {
  return randomBytes(16).toString('hex');
}
