/** Database, broker, Temporal and Redis: shared where names keep apart what is ours, private where a run may break things. */
import { join } from 'node:path';
import { dropDatabases } from '../../platform/databases.ts';
import { claimDatabases } from '../claim.ts';
import { messageOf, type Component } from '../components/component.ts';
import { findPostgres } from '../components/postgres.ts';
import { findRabbitmq } from '../components/rabbitmq.ts';
import type { TemporalComponent } from '../components/temporal.ts';
import type { LaunchOptions } from '../options.ts';
import type { Running } from '../running.ts';
import { say, step, TICK, warn } from '../screen.ts';
import type { Session } from '../session.ts';
import { clearRabbitmq } from '../shared-servers.ts';
import { dropForgottenDatabases, throwawayPostgres, type Run } from './leftovers.ts';
import { startOwnRedis, type OwnRedis } from './redis.ts';
import { deleteNamespace, findOwnTemporal } from './temporal.ts';

export type Servers = {
  readonly postgresUrl: string;
  readonly temporal: TemporalComponent;
  /** When it was started here. */
  readonly temporalPid: number | undefined;
  readonly redis: OwnRedis | null;
  readonly rabbitmqUrl: string | undefined;
};

/** Of the run's processes and its own looks; a platform on the same server keeps what it has. */
const CONNECTIONS = 80;

export async function startServers(session: Session, run: Run, options: LaunchOptions): Promise<Servers> {
  const [postgresUrl, { temporal, temporalPid }, redis, rabbitmqUrl] = await Promise.all([
    startPostgres(session, run, options.postgresUrl),
    startTemporal(session, run, options.temporalAddress),
    startRedis(session, run),
    startRabbitmq(session, run, options.rabbitmqUrl),
  ]);
  return { postgresUrl, temporal, temporalPid, redis, rabbitmqUrl };
}

async function startPostgres(session: Session, run: Run, url: string | undefined): Promise<string> {
  const { found, warnings } = await findPostgres({
    url,
    privately: throwawayPostgres(run.directory),
    freeConnections: CONNECTIONS,
  });
  for (const warning of warnings) warn(warning);
  await bring(session, found);
  for (const forgotten of await dropForgottenDatabases(found.address, run.kind))
    say(`  removed the databases of ${forgotten}, a ${run.kind} that could not tidy up`);
  const claim = await claimDatabases(found.address, run.name);
  if (claim === undefined) throw new Error(`the databases ${run.name}_* are taken`);
  session.opened('claim', () => claim.release());
  session.opened('databases', () => dropDatabases({ adminUrl: found.address, prefix: run.name }));
  return found.address;
}

async function startTemporal(
  session: Session,
  run: Run,
  address: string | undefined,
): Promise<Pick<Servers, 'temporal' | 'temporalPid'>> {
  const temporal = await step(
    'looking for Temporal',
    (now) => findOwnTemporal({ address, directory: run.directory, step: now }),
    () => undefined,
  );
  const running = await bring(session, temporal);
  if (temporal.start === undefined)
    session.opened('namespace', () => deleteNamespace(temporal.address, run.name));
  return { temporal, temporalPid: running?.pid };
}

async function startRedis(session: Session, run: Run): Promise<OwnRedis | null> {
  session.goOn();
  const started = await startOwnRedis(run.directory);
  if (started === null) {
    warn(`No redis-server on this machine: the ${run.kind} runs without a Redis, so none can be emptied.`);
    return null;
  }
  say(`${TICK} Redis at ${new URL(started.redis.url).host} (private: it may be emptied)`);
  endWith(session, 'redis', started.running);
  return started.redis;
}

/** One that does not start is as good as one that is not installed. */
async function startRabbitmq(
  session: Session,
  run: Run,
  url: string | undefined,
): Promise<string | undefined> {
  const { found, warnings } = await findRabbitmq({
    url,
    privately: {
      directory: join(run.directory, 'rabbitmq'),
      logFile: join(run.directory, 'rabbitmq.log'),
      pidFile: join(run.directory, 'rabbitmq.json'),
    },
  });
  for (const warning of warnings) warn(warning);
  if (found === null) return undefined;
  try {
    await bring(session, found);
    if (found.start === undefined)
      for (const ended of run.endedRuns) await clearRabbitmq(found.address, ended);
    return found.address;
  } catch (error) {
    warn(`Going on without RabbitMQ: ${messageOf(error)}`);
    return undefined;
  }
}

/** What it started, if anything. */
async function bring(session: Session, { name, how, start }: Component): Promise<Running | undefined> {
  session.goOn();
  if (start === undefined) {
    say(`${TICK} ${how}`);
    return undefined;
  }
  const running = await step(how, start);
  endWith(session, name, running);
  return running;
}

function endWith(session: Session, name: string, running: Running): void {
  session.opened(
    name,
    () => running.stop(),
    () => running.kill(),
  );
}
