/** `npm run reset`: empties this checkout's installation, after saying what goes. Keeps `.careforall/bin`. */
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline/promises';
import { dropDatabases, SERVICES } from '../platform/databases.ts';
import { ComponentMissing, messageOf, withoutPassword } from './components/component.ts';
import { findRunningPostgres } from './components/postgres.ts';
import { existingPrivatePostgres, removePrivatePostgres } from './components/postgres-private.ts';
import { greet as greetRabbitmq } from './components/rabbitmq.ts';
import { ping } from './components/redis.ts';
import { greet as greetTemporal } from './components/temporal.ts';
import { takeLock } from './lock.ts';
import { OptionError, readLaunchOptions, type LaunchOptions } from './options.ts';
import { BIN, ensureDirectory, LOCK_FILE, SECRETS_FILE, STATE } from './paths.ts';
import { LOOPBACK } from './ports.ts';
import { Refusal } from './refusal.ts';
import { clearRabbitmq, clearRedis, endWorkflows } from './shared-servers.ts';
import { complain, say, step, warn } from './screen.ts';
import { loadSecrets } from './secrets.ts';
import { privatePostgresOptions } from './start-components.ts';

async function reset(options: LaunchOptions): Promise<void> {
  const secrets = loadSecrets(SECRETS_FILE, SERVICES);
  const privately = privatePostgresOptions(secrets);
  const isPrivate = options.postgresUrl === undefined && existingPrivatePostgres(privately);
  const server = isPrivate ? undefined : (await findRunningPostgres(options.postgresUrl)).found;
  const prefix = options.namePrefix;

  say('This deletes, for good:');
  if (server !== undefined) {
    say(
      `  - the databases and roles ${SERVICES.map((service) => `${prefix}_${service}`).join(', ')} on ${withoutPassword(server.address)}`,
    );
  }
  if (isPrivate) say('  - the private PostgreSQL server with all its data');
  say(
    `  - everything in ${STATE} except ${BIN}: secrets, the provider simulator's ledger, Temporal's data, logs`,
  );
  say(
    `  - what belongs to "${prefix}" on a Redis, RabbitMQ or Temporal server that runs on its standard port or is given by environment`,
  );
  if (!(await isAgreed())) throw new Refusal('Nothing was deleted.');

  if (server !== undefined)
    await step(`Databases ${prefix}_* dropped`, () => dropDatabases({ adminUrl: server.address, prefix }));
  if (isPrivate) removePrivatePostgres(privately);
  await clearShared(options);
  for (const name of readdirSync(STATE)) {
    if (join(STATE, name) !== BIN && join(STATE, name) !== LOCK_FILE)
      rmSync(join(STATE, name), { recursive: true, force: true });
  }
  say('Empty. `npm start` begins anew.');
}

async function isAgreed(): Promise<boolean> {
  if (process.argv.includes('--yes')) return true;
  if (!process.stdin.isTTY)
    throw new Refusal('Nothing was deleted: without a terminal to ask on, say `npm run reset -- --yes`.');
  const ask = createInterface({ input: process.stdin, output: process.stdout });
  try {
    return /^y(es)?$/i.test((await ask.question('Go on? [y/N] ')).trim());
  } finally {
    ask.close();
  }
}

/** Each of them may be absent; what cannot be emptied is said and not fatal. */
async function clearShared(options: LaunchOptions): Promise<void> {
  const prefix = options.namePrefix;
  const attempts: [string, () => Promise<unknown>][] = [];
  const redis = options.redisUrl ?? `redis://${LOOPBACK}:6379`;
  if ((await ping(redis)) === undefined) attempts.push(['Redis', () => clearRedis(redis, prefix)]);
  const rabbitmq = options.rabbitmqUrl ?? `amqp://guest:guest@${LOOPBACK}:5672`;
  if ((await greetRabbitmq(rabbitmq)) === undefined)
    attempts.push(['RabbitMQ', () => clearRabbitmq(rabbitmq, prefix)]);
  const temporal = options.temporalAddress ?? `${LOOPBACK}:7233`;
  if ((await greetTemporal(temporal, 1_000)) === undefined) {
    attempts.push(['Temporal', () => endWorkflows(temporal, options.temporalNamespace, prefix)]);
  }
  for (const [name, attempt] of attempts) {
    try {
      await step(`${name} emptied of "${prefix}"`, attempt);
    } catch (error) {
      warn(`${name} was not emptied of "${prefix}": ${messageOf(error)}`);
    }
  }
}

try {
  ensureDirectory(STATE);
  const lock = takeLock(LOCK_FILE);
  if (!lock.taken) throw new Refusal(`The platform runs in this checkout (pid ${lock.pid}): stop it first.`);
  try {
    await reset(readLaunchOptions());
  } finally {
    lock.release();
    if (existsSync(STATE) && readdirSync(STATE).length === 0) rmSync(STATE, { recursive: true });
  }
} catch (error) {
  const known = error instanceof Refusal || error instanceof OptionError || error instanceof ComponentMissing;
  complain(known ? error.message : error instanceof Error ? (error.stack ?? error.message) : String(error));
  process.exitCode = 1;
}
if (process.connected) process.disconnect();
