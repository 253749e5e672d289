/** Every part of the system, whether its address is known or not. */
import { relative } from 'node:path';
import { presentTctlBinary } from '../../launch/components/tctl-binary.ts';
import { presentTemporalBinary } from '../../launch/components/temporal-binary.ts';
import { SERVICES } from '../../platform/databases.ts';
import { ROOT } from '../../launch/paths.ts';
import type { Config } from '../../platform/config.ts';
import { taskQueues } from '../../platform/temporal.ts';
import { apiUrl, type Known } from '../environment.ts';
import { askDisk, askNode, askTool } from './machine.ts';
import { askDatabase, askServer } from './postgres.ts';
import { withoutSecrets, type Limits, type Answer, type Probe } from './probe.ts';
import { askProcess } from './processes.ts';
import { askProvider } from './provider.ts';
import { askRabbitmq } from './rabbitmq.ts';
import { askRedis } from './redis.ts';
import { askPollers, askTemporal } from './temporal.ts';

export function machineProbes(): Probe[] {
  const here = { required: true, source: null, fix: 'see the message' };
  return [
    { ...here, component: 'Node.js', address: null, ask: () => Promise.resolve(askNode()) },
    { ...here, component: 'disk', address: '.careforall', ask: () => askDisk() },
    toolProbe('temporal', presentTemporalBinary()),
    toolProbe('tctl', presentTctlBinary()),
  ];
}

/** Operators need one of them for some of what they do; the system itself needs neither. */
function toolProbe(name: string, binary: string | undefined): Probe {
  return {
    component: `${name} CLI`,
    required: false,
    address: binary === undefined ? null : shortened(binary),
    source: null,
    fix: `\`npm run ${name}\` gets another, once this one is out of the way`,
    ask: binary === undefined ? null : (limits) => askTool(binary, limits),
    missing: `none: \`npm run ${name}\` gets it when it is needed`,
  };
}

/** Within the checkout, from its root. */
function shortened(file: string): string {
  const path = relative(ROOT, file);
  return path.startsWith('..') ? file : path;
}

type Part = {
  readonly component: string;
  readonly required: boolean;
  /** What names its address, and where the address is said to be. */
  readonly variable: string;
  readonly url: string | undefined;
  /** Where the address itself says more than is asked. */
  readonly shown?: string;
  readonly ask: (url: string, limits: Limits) => Promise<Answer>;
  readonly missing?: string;
  readonly log?: string;
};

export function systemProbes(config: Config, known: Known, launcher: number | null): Probe[] {
  const probeOf = ({ component, required, variable, url, shown = url, ask, missing, log }: Part): Probe => {
    const source = url === undefined ? null : known.sourceOf(variable);
    return {
      component,
      required,
      address: shown === undefined ? null : shown.includes('://') ? withoutSecrets(shown) : shown,
      source,
      fix: fixOf(source, variable, launcher, log),
      ask: url === undefined ? null : (limits) => ask(url, limits),
      ...(missing === undefined ? {} : { missing }),
    };
  };
  return parts(config, known).map(probeOf);
}

function fixOf(source: Probe['source'], variable: string, launcher: number | null, log = ''): string {
  if (source === null) return `\`npm start\` starts it, or set ${variable}`;
  if (source === 'environment') return `start it, or correct ${variable}`;
  if (launcher === null) return '`npm start` starts it';
  return `see .careforall/logs${log === '' ? '' : `/${log}.log`}, or end \`npm start\` and start it again`;
}

function parts(config: Config, known: Known): Part[] {
  const { NAME_PREFIX: prefix, TEMPORAL_ADDRESS: temporal, TEMPORAL_NAMESPACE: namespace } = config;
  const queues = taskQueues(prefix);
  return [
    ...databaseParts(config),
    {
      component: 'Temporal',
      required: true,
      variable: 'TEMPORAL_ADDRESS',
      url: temporal,
      ask: (address, limits) => askTemporal(address, namespace, limits),
      log: 'temporal',
    },
    {
      component: 'task queue pollers',
      required: true,
      variable: 'TEMPORAL_ADDRESS',
      url: temporal,
      ask: (address, limits) => askPollers(address, namespace, queues, limits),
      log: 'workers',
    },
    {
      component: 'payment provider',
      required: true,
      variable: config.STRIPE_SECRET_KEY === undefined ? 'STRIPE_SECRET_KEY' : 'STRIPE_API_BASE',
      url: config.STRIPE_SECRET_KEY === undefined ? undefined : config.STRIPE_API_BASE,
      ask: (base, limits) => askProvider(base, config.STRIPE_SECRET_KEY ?? '', limits),
      missing: 'no STRIPE_SECRET_KEY is known',
      log: 'simulator',
    },
    {
      component: 'Redis',
      required: false,
      variable: 'REDIS_URL',
      url: config.REDIS_URL,
      ask: askRedis,
      missing: 'none: repeated requests cost PostgreSQL more',
    },
    {
      component: 'RabbitMQ',
      required: false,
      variable: 'RABBITMQ_URL',
      url: config.RABBITMQ_URL,
      ask: (url, limits) => askRabbitmq(url, prefix, limits),
      missing: 'none: events wait in the outbox, receipts are not made',
    },
    {
      component: 'API',
      required: true,
      variable: known.sourceOf('PORT') === 'environment' ? 'PORT' : 'API_URL',
      url: apiUrl(config),
      ask: askProcess,
      log: 'api',
    },
    ...opsParts(known),
  ];
}

function databaseParts(config: Config): Part[] {
  const databases = SERVICES.map((service) => {
    const variable = `${service.toUpperCase()}_DATABASE_URL` as `${Uppercase<typeof service>}_DATABASE_URL`;
    return { service, variable, url: config[variable] };
  });
  // Usually all are on one server.
  const servers = Map.groupBy(databases, ({ url }) => (url === undefined ? undefined : new URL(url).host));
  return [
    ...[...servers].map(([host, [first]]): Part => ({
      component: 'PostgreSQL',
      required: true,
      variable: first?.variable ?? '',
      url: first?.url,
      ...(host === undefined ? {} : { shown: host }),
      ask: askServer,
      log: 'postgres',
    })),
    ...databases.map(({ service, variable, url }): Part => ({
      component: `database ${service}`,
      required: true,
      variable,
      url,
      ask: (address, limits) => askDatabase(service, address, limits),
      log: 'postgres',
    })),
  ];
}

/** Their addresses are written down by `npm start`; elsewhere an orchestrator watches them. */
function opsParts({ values }: Known): Part[] {
  return ['workers', 'background'].map((name): Part => {
    const variable = `${name.toUpperCase()}_URL`;
    return {
      component: name,
      required: values[variable] !== undefined,
      variable,
      url: values[variable],
      ask: askProcess,
      missing: 'where it answers is not known',
      log: name,
    };
  });
}
