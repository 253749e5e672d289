import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { messageOf, type Component } from './components/component.ts';
import { findPostgres } from './components/postgres.ts';
import { existingPrivatePostgres, type PrivatePostgresOptions } from './components/postgres-private.ts';
import { findRabbitmq } from './components/rabbitmq.ts';
import { findRedis } from './components/redis.ts';
import { findTemporal, prepareNamespace, type TemporalComponent } from './components/temporal.ts';
import type { LaunchOptions } from './options.ts';
import { ENVIRONMENT_FILE, LOGS, RUN, STATE, TEMPORAL_DB } from './paths.ts';
import { Refusal } from './refusal.ts';
import { say, step, TICK, warn } from './screen.ts';
import type { Secrets } from './secrets.ts';
import type { Session } from './session.ts';
import { supervise } from './supervise.ts';

export type Components = {
  readonly postgres: Component;
  readonly temporal: TemporalComponent;
  readonly redis: Component | undefined;
  readonly rabbitmq: Component | undefined;
};

function filesOf(name: string): { logFile: string; pidFile: string } {
  return { logFile: join(LOGS, `${name}.log`), pidFile: join(RUN, `${name}.json`) };
}

export function privatePostgresOptions(secrets: Secrets): PrivatePostgresOptions {
  return { dataDir: join(STATE, 'postgres'), password: secrets.postgresPassword, ...filesOf('postgres') };
}

/**
 * Finds each component or starts it privately, all at once: a private RabbitMQ alone takes six seconds. Throws
 * `ComponentMissing` for one that cannot be done without.
 */
export async function startComponents(
  session: Session,
  options: LaunchOptions,
  secrets: Secrets,
): Promise<Components> {
  const [postgres, temporal, redis, rabbitmq] = await Promise.all([
    startPostgres(session, options, secrets),
    startTemporal(session, options),
    findRedis({
      url: options.redisUrl,
      privately: { directory: join(STATE, 'redis'), ...filesOf('redis') },
    }).then((finding) => bringOptional(session, finding)),
    findRabbitmq({
      url: options.rabbitmqUrl,
      privately: { directory: join(STATE, 'rabbitmq'), ...filesOf('rabbitmq') },
    }).then((finding) => bringOptional(session, finding)),
  ]);
  return { postgres, temporal, redis, rabbitmq };
}

async function startPostgres(session: Session, options: LaunchOptions, secrets: Secrets): Promise<Component> {
  const privately = privatePostgresOptions(secrets);
  const hadPrivate = existingPrivatePostgres(privately);
  const { found, warnings } = await findPostgres({ url: options.postgresUrl, privately });
  const before = found.start === undefined || hadPrivate ? undefined : databaseServerOfLastStart();
  if (before !== undefined) {
    throw new Refusal(
      `The data of the last start is in the PostgreSQL at ${before}, which cannot be used now${warnings.length === 0 ? '' : `: ${warnings.join(' ')}`}. ` +
        'Start that server (or give its POSTGRES_URL), or begin anew with `npm run reset`.',
    );
  }
  await bring(session, found, warnings);
  return found;
}

/** An empty new server in place of one that is only down would look as if every donation were gone. */
function databaseServerOfLastStart(): string | undefined {
  if (!existsSync(ENVIRONMENT_FILE)) return undefined;
  const known = z
    .object({ DONATIONS_DATABASE_URL: z.string() })
    .safeParse(JSON.parse(readFileSync(ENVIRONMENT_FILE, 'utf8')));
  return known.success ? new URL(known.data.DONATIONS_DATABASE_URL).host : undefined;
}

async function startTemporal(session: Session, options: LaunchOptions): Promise<TemporalComponent> {
  const { found, warnings } = await step(
    'looking for a Temporal server',
    (now) =>
      findTemporal({
        address: options.temporalAddress,
        privately: { dbFilename: TEMPORAL_DB, ...filesOf('temporal') },
        step: now,
      }),
    () => undefined,
  );
  await bring(session, found, warnings);
  await prepareNamespace(found.address, options.temporalNamespace);
  return found;
}

async function bring(session: Session, component: Component, warnings: readonly string[]): Promise<void> {
  session.goOn();
  for (const warning of warnings) warn(warning);
  const { start } = component;
  if (start === undefined) {
    say(`${TICK} ${component.how}`);
    return;
  }
  const supervised = await step(component.how, () =>
    supervise({ name: component.name, start, report: warn }),
  );
  session.opened(
    component.name,
    () => supervised.stop(),
    () => supervised.current().kill(),
  );
}

/** One that does not start is as good as one that is not installed: the platform works without it. */
async function bringOptional(
  session: Session,
  finding: { found: Component | null; warnings: readonly string[] },
): Promise<Component | undefined> {
  for (const warning of finding.warnings) warn(warning);
  if (finding.found === null) return undefined;
  try {
    await bring(session, finding.found, []);
    return finding.found;
  } catch (error) {
    warn(`Going on without ${finding.found.name}: ${messageOf(error)}`);
    return undefined;
  }
}
