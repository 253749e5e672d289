/** A whole platform of a test's own: real processes on real servers, under names that nobody else uses. */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import type { Pool } from 'pg';
import { prepareNamespace } from '../../launch/components/temporal.ts';
import { ensureDirectory } from '../../launch/paths.ts';
import { ownAccessToken } from '../../launch/own-account.ts';
import { platformEnvironment, type PlatformAddresses } from '../../launch/platform-environment.ts';
import { LOOPBACK } from '../../launch/ports.ts';
import { clearRabbitmq, clearRedis } from '../../launch/shared-servers.ts';
import type { Policy } from '../../platform/config.ts';
import type { Service } from '../../platform/migrate.ts';
import type { Dials } from '../../provider/simulator/dials.ts';
import { testComponents, type TestComponents } from './components.ts';
import { createFailpoints, type Failpoints } from './failpoints.ts';
import { createSimulatorControl, type SimulatorControl } from './simulator-control.ts';
import { freePorts, planApart, planTogether, type ApiPlan, type ApiService } from './stack-apis.ts';
import { createStackDatabases, uniquePrefix } from './stack-databases.ts';
import { openLinks, type LinkName, type Links } from './stack-links.ts';
import { createStackProcess, type EndedProcess, type Role, type StackProcess } from './stack-processes.ts';

export type StackOptions = {
  /** Default 2. By service: each in processes of its own, 1 unless said. */
  readonly apis?: number | Partial<Record<ApiService, number>>;
  /** What stands in front of the API processes, started by the test: webhooks go there, and `apiUrl` says so. */
  readonly doorUrl?: string;
  /** Default 1. */
  readonly workers?: number;
  /** Default 1; 0 leaves the sweeper and the consumers out. */
  readonly backgrounds?: number;
  /** Links that the test wants to break: those, and only those, pass through a proxy. */
  readonly links?: readonly LinkName[];
  /** `null` runs without; a URL is used instead of the run's server (see private-servers.ts). */
  readonly redisUrl?: string | null;
  readonly rabbitmqUrl?: string | null;
  readonly temporalAddress?: string;
  /** Start a process again when it dies, as an orchestrator would. Default false. */
  readonly restartOnCrash?: boolean;
  readonly policy?: Partial<Policy>;
  readonly placement?: 'local' | 'queues';
  /** Each service's worker is a process of its own; `workers` counts each of them. Goes with placement `queues`. */
  readonly apart?: boolean;
  readonly dials?: Partial<Record<keyof Dials, unknown>>;
  readonly seed?: number;
  /** Further variables of the platform's processes. */
  readonly env?: Readonly<Record<string, string>>;
  /** Only outside vitest, where nothing is injected. */
  readonly components?: TestComponents;
};

export type Stack = AsyncDisposable & {
  readonly prefix: string;
  readonly apiUrls: readonly string[];
  /** The first of them. */
  readonly apiUrl: string;
  /** Where each service is reached, past any door. */
  readonly serviceUrls: ApiPlan['serviceUrls'];
  /** Of an operator's account; longer than any test runs. */
  readonly operatorToken: string;
  readonly webhookSecret: string;
  readonly pools: Readonly<Record<Service, Pool>>;
  readonly simulator: SimulatorControl;
  readonly temporal: Client;
  /** For the CLI and the audit: direct addresses, past every proxy. */
  readonly environment: Readonly<Record<string, string>>;
  readonly links: Links;
  readonly failpoints: Failpoints;
  /** Logs of its processes. */
  readonly directory: string;
  /** Every process that has ended without `stop` or `restart`, oldest first. */
  readonly ended: readonly EndedProcess[];
  isRunning(role: Role, index?: number): boolean;
  kill9(role: Role, index?: number): Promise<void>;
  /** SIGTERM when it still runs, then a new process in its place; resolves when that is ready. `env` is added from now on. */
  restart(role: Role, index?: number, env?: Readonly<Record<string, string>>): Promise<void>;
  stopProcess(role: Role, index?: number): Promise<void>;
  stop(): Promise<void>;
};

/** Resolves when every process is ready. Throws with the last log lines of the one that is not, and leaves nothing behind. */
export async function startStack(options: StackOptions = {}): Promise<Stack> {
  const components = options.components ?? testComponents();
  const prefix = uniquePrefix();
  const directory = ensureDirectory(join(components.runDirectory, prefix));
  const cleanups: (() => Promise<unknown>)[] = [];
  const cleanUp = async (): Promise<void> => {
    const failures: unknown[] = [];
    for (let next = cleanups.pop(); next !== undefined; next = cleanups.pop()) {
      await next().catch((error: unknown) => failures.push(error));
    }
    if (failures.length > 0) throw new AggregateError(failures, `the stack ${prefix} did not end cleanly`);
  };
  try {
    return await assemble(options, components, { prefix, directory, cleanups, cleanUp });
  } catch (error) {
    await cleanUp();
    throw error;
  }
}

/** No test runs this long. */
const OPERATOR_SECONDS = 86_400;

const APART = ['donations-worker', 'payments-worker', 'campaigns-worker'] as const;

type Scaffold = {
  readonly prefix: string;
  readonly directory: string;
  /** Run newest first. */
  readonly cleanups: (() => Promise<unknown>)[];
  readonly cleanUp: () => Promise<void>;
};

async function assemble(
  options: StackOptions,
  components: TestComponents,
  scaffold: Scaffold,
): Promise<Stack> {
  const { prefix, directory, cleanups } = scaffold;
  const temporalAddress = options.temporalAddress ?? components.temporalAddress;
  const redisUrl = options.redisUrl === undefined ? components.redisUrl : options.redisUrl;
  const rabbitmqUrl = options.rabbitmqUrl === undefined ? components.rabbitmqUrl : options.rabbitmqUrl;
  // A private server may be gone by then, and a shared one is only tidied up.
  if (redisUrl !== null) cleanups.push(() => clearRedis(redisUrl, prefix).catch(() => undefined));
  if (rabbitmqUrl !== null) cleanups.push(() => clearRabbitmq(rabbitmqUrl, prefix).catch(() => undefined));

  const [databases] = await Promise.all([
    createStackDatabases(components.postgresUrl, prefix).then((created) => {
      cleanups.push(() => created.drop());
      return created;
    }),
    prepareNamespace(temporalAddress, prefix),
  ]);
  const secrets = {
    key: `sk_test_${random()}`,
    webhook: `whsec_${random()}`,
    auth: `${random()}${random()}`,
  };
  const { apis = 2, doorUrl } = options;
  const plan = typeof apis === 'number' ? await planTogether(apis) : await planApart(apis);
  const { serviceUrls } = plan;
  const [simulatorPort = 0] = await freePorts(1);
  const apiUrls = doorUrl === undefined ? serviceUrls.donations : [doorUrl];
  const firstApi = apiUrls[0] ?? `http://${LOOPBACK}:9`;

  const direct: PlatformAddresses = {
    namePrefix: prefix,
    databaseUrls: databases.urls,
    redisUrl: redisUrl ?? undefined,
    rabbitmqUrl: rabbitmqUrl ?? undefined,
    temporalAddress,
    temporalNamespace: prefix,
    stripeApiBase: `http://${LOOPBACK}:${simulatorPort}`,
    stripeSecretKey: secrets.key,
    stripeWebhookSecrets: secrets.webhook,
    authSecret: secrets.auth,
  };
  const { links, addresses, webhookUrl, close } = await openLinks(
    options.links ?? [],
    direct,
    `${doorUrl ?? serviceUrls.payments[0] ?? firstApi}/webhooks/stripe`,
  );
  cleanups.push(close);

  const operatorToken = await ownAccessToken({
    authDatabaseUrl: databases.urls.auth,
    authSecret: secrets.auth,
    name: 'operator',
    role: 'operator',
    lifetimeSeconds: OPERATOR_SECONDS,
  });
  const failpoints = createFailpoints(join(directory, 'failpoints'));
  const env: Record<string, string> = {
    ...platformEnvironment(addresses),
    HOST: LOOPBACK,
    OPS_PORT: '0',
    FAILPOINTS_DIR: failpoints.directory,
    PLACEMENT: options.placement ?? (options.apart === true ? 'queues' : 'local'),
    ...(options.policy === undefined ? {} : { POLICY: JSON.stringify(options.policy) }),
    ...options.env,
  };
  const ended: EndedProcess[] = [];
  const create = (role: Role, index: number, own: Readonly<Record<string, string>>): StackProcess => {
    const created = createStackProcess({
      role,
      index,
      env: own,
      runDirectory: directory,
      shouldRestart: () => options.restartOnCrash ?? false,
      onEnd: (end) => ended.push(end),
    });
    return created;
  };
  const simulator = create('simulator', 0, {
    SIMULATOR_HOST: LOOPBACK,
    SIMULATOR_PORT: String(simulatorPort),
    SIMULATOR_LEDGER: join(directory, 'provider-ledger.jsonl'),
    SIMULATOR_WEBHOOK_URL: webhookUrl,
    SIMULATOR_WEBHOOK_SECRET: secrets.webhook,
    SIMULATOR_SECRET_KEY: secrets.key,
    SIMULATOR_DIALS: JSON.stringify(options.dials ?? {}),
    SIMULATOR_SEED: String(options.seed ?? 1),
  });
  const platform = [
    ...indexes(options.backgrounds ?? 1).map((index) => create('background', index, env)),
    ...indexes(options.workers ?? 1).flatMap((index) =>
      (options.apart === true ? APART : (['workers'] as const)).map((role) => create(role, index, env)),
    ),
    ...plan.processes(env).map((each) => create(each.role, each.index, each.env)),
  ];
  const all = [simulator, ...platform];
  cleanups.push(
    () => simulator.stop(),
    () => Promise.all(platform.map((each) => each.stop())),
  );
  await Promise.all(all.map((each) => each.start()));

  const connection = Connection.lazy({ address: temporalAddress });
  cleanups.unshift(() => connection.close());
  const find = (role: Role, index: number): StackProcess => {
    const found = all.find((each) => each.role === role && each.index === index);
    if (found === undefined) throw new Error(`this stack has no ${role} ${index}`);
    return found;
  };
  return {
    prefix,
    apiUrls,
    apiUrl: firstApi,
    serviceUrls,
    operatorToken,
    webhookSecret: secrets.webhook,
    pools: databases.pools,
    simulator: createSimulatorControl(direct.stripeApiBase),
    temporal: new Client({ connection, namespace: prefix }),
    environment: { ...platformEnvironment(direct), API_URL: firstApi },
    links,
    failpoints,
    directory,
    ended,
    isRunning: (role, index = 0) => find(role, index).current() !== undefined,
    kill9: (role, index = 0) => find(role, index).kill9(),
    async restart(role, index = 0, further = {}) {
      await find(role, index).stop();
      await find(role, index).start(further);
    },
    stopProcess: (role, index = 0) => find(role, index).stop(),
    stop: scaffold.cleanUp,
    [Symbol.asyncDispose]: scaffold.cleanUp,
  };
}

function indexes(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index);
}

function random(): string {
  return randomBytes(16).toString('hex');
}
