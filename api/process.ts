/** What the processes that serve HTTP have in common; each composition root says which services are in its own. */
import type { Router } from 'express';
import type { Redis } from 'ioredis';
import type { Pool } from 'pg';
import { createBreaker, type Breaker } from '../platform/breaker.ts';
import { configuredLogLevel, loadConfig, type Config, type Environment } from '../platform/config.ts';
import { createFailpoint, type Failpoint } from '../platform/failpoint.ts';
import { runProcess, type Opened } from '../platform/lifecycle.ts';
import { createLogger, type Logger } from '../platform/log.ts';
import { createPool } from '../platform/postgres.ts';
import { connectBroker, type Broker } from '../platform/rabbit.ts';
import { connectRedis } from '../platform/redis.ts';
import { startTelemetry, type Telemetry } from '../platform/telemetry.ts';
import { connectTemporal } from '../platform/temporal.ts';
import { accessTokens } from './http/access-tokens.ts';
import { closeServer, createApp, listen } from './http/app.ts';
import { connectionLimits } from './http/connections.ts';
import { clientsBehind, type ClientOf } from './http/client-address.ts';
import type { Authenticate } from './http/authentication.ts';
import { jwksAt } from './http/jwks-client.ts';
import { createVerificationKeys } from './http/verification-keys.ts';
import { SERVICES } from './services.ts';

export type ApiProcess<Needed extends keyof Environment = never> = {
  readonly name: string;
  readonly config: Config<Needed>;
  readonly log: Logger;
  readonly opened: Opened;
  readonly telemetry: Telemetry;
  readonly failpoint: Failpoint;
  readonly clientOf: ClientOf;
  /** null where none is configured. */
  readonly redis: { readonly redis: Redis; readonly breaker: Breaker } | null;
  /** Without these the process cannot do its work. */
  readonly pools: Pool[];
  readonly breakers: Breaker[];
};

/** Somebody waits for the answer: a database that is silent is one that is away, and soon said to be. */
const DATABASE_LIMITS = { statementTimeoutMs: 3_000, answerGraceMs: 500 } as const;

/** Runs one process that serves what `open` opens, and is ready when its databases are. */
export async function runApi<Needed extends keyof Environment>(
  name: string,
  needed: readonly Needed[],
  open: (it: ApiProcess<Needed>) => Promise<readonly Router[]>,
): Promise<void> {
  const log = createLogger(name, configuredLogLevel());
  await runProcess(log, async (opened) => {
    const config = loadConfig(needed);
    const telemetry = opened.use(
      'telemetry',
      startTelemetry(name, config.OTEL_EXPORTER_OTLP_ENDPOINT),
      (it) => it.shutdown(),
    );
    const failpoint = createFailpoint(config.FAILPOINTS_DIR);
    const parts: ApiProcess<Needed> = {
      name,
      config,
      log,
      opened,
      telemetry,
      failpoint,
      clientOf: clientsBehind(config.TRUSTED_PROXIES),
      redis: openRedis({ config, log, opened }),
      pools: [],
      breakers: [],
    };
    const routers = await open(parts);
    const app = createApp({
      log,
      limits: {
        limits: config.LIMITS,
        clientOf: parts.clientOf,
        store: parts.redis,
      },
      corsOrigins: config.CORS_ORIGINS,
      breakers: [...parts.breakers, ...(parts.redis === null ? [] : [parts.redis.breaker])],
      ready: async () => {
        await Promise.all(parts.pools.map((pool) => pool.query('SELECT 1')));
      },
      describes: SERVICES,
      routers,
    });
    const { server, port } = await listen(
      app,
      config.PORT,
      config.HOST,
      connectionLimits(config.LIMITS, config.TRUSTED_PROXIES),
    );
    opened.use('http server', server, closeServer);
    return { port };
  });
}

/** `max` counts for the budget of connections in docs/architecture. */
export function openPool(it: ApiProcess, service: string, url: string, max: number): Pool {
  const pool = createPool({ url, max, name: `api-${service}`, ...DATABASE_LIMITS });
  it.pools.push(it.opened.use(`${service} pool`, pool, (opened) => opened.end()));
  return pool;
}

export type Temporal = ReturnType<typeof connectTemporal>;

export function openTemporal({
  config,
  log,
  opened,
  telemetry,
  breakers,
}: ApiProcess<'TEMPORAL_ADDRESS'>): Temporal {
  const temporal = connectTemporal(config.TEMPORAL_ADDRESS, config.TEMPORAL_NAMESPACE, telemetry, log);
  breakers.push(temporal.breaker);
  return opened.use('temporal', temporal, (it) => it.close());
}

/** null where none is configured. */
export async function openBroker({ config, log, opened, breakers }: ApiProcess): Promise<Broker | null> {
  if (config.RABBITMQ_URL === undefined) return null;
  const broker = await connectBroker(config.RABBITMQ_URL, config.NAME_PREFIX, log);
  breakers.push(broker.breaker);
  return opened.use('rabbitmq', broker, (it) => it.close());
}

function openRedis({
  config,
  log,
  opened,
}: Pick<ApiProcess, 'config' | 'log' | 'opened'>): ApiProcess['redis'] {
  if (config.REDIS_URL === undefined) return null;
  const redis = opened.use('redis', connectRedis(config.REDIS_URL, config.NAME_PREFIX, log), (it) =>
    it.disconnect(),
  );
  return { redis, breaker: createBreaker('redis', log) };
}

/** For a process without accounts of its own: it learns the keys of access tokens from the one that has them. */
export function openAccessTokens({ config, log }: ApiProcess<'AUTH_JWKS_URL'>): Authenticate {
  const published = jwksAt(config.AUTH_JWKS_URL);
  const keys = createVerificationKeys({ published, settings: config.AUTH, log });
  // Nobody waits for them yet; a token that comes first looks by itself.
  void keys.load();
  return accessTokens({ keys, settings: config.AUTH });
}
