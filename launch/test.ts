/** `npm test`: prepares what the tests need, starts what is not running, runs every vitest project. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { parseCLI, startVitest, type Vitest } from 'vitest/node';
import { ComponentMissing, type Component } from './components/component.ts';
import { findPostgres } from './components/postgres.ts';
import { findRabbitmq } from './components/rabbitmq.ts';
import { findRedis } from './components/redis.ts';
import { obtainTctlBinary } from './components/tctl-binary.ts';
import { obtainTemporalBinary } from './components/temporal-binary.ts';
import {
  isolateEnvironment,
  OptionError,
  readLaunchOptions,
  TEST_CONNECTIONS,
  type LaunchOptions,
} from './options.ts';
import { TEST_SERVERS } from './paths.ts';
import { generatePrismaClients } from './prepare.ts';
import { StartFailed, type Running } from './running.ts';
import { complain, say, step, TICK, warn } from './screen.ts';

type Counts = { readonly passed: number; readonly failed: number };

/** Everything that runs is a child whose end is tied to this process: ending it ends them. */
const launcherGone = (): never => process.exit(143);
process.on('disconnect', launcherGone);

const directory = join(TEST_SERVERS, String(process.pid));
const started: Running[] = [];
let clean = true;
try {
  await step('Temporal CLI ready', obtainTemporalBinary);
  await obtainTctl();
  await step('Prisma clients', generatePrismaClients);
  const urls = await startServers(readLaunchOptions());
  isolateEnvironment(urls);
  const counts = await runTests(process.argv.slice(2));
  say(`${counts.passed} passed, ${counts.failed} failed`);
  clean = counts.failed === 0 && counts.passed > 0;
} catch (error) {
  clean = false;
  const known =
    error instanceof OptionError || error instanceof ComponentMissing || error instanceof StartFailed;
  complain(known ? error.message : error instanceof Error ? (error.stack ?? error.message) : String(error));
} finally {
  for (const running of started.toReversed()) await running.stop();
  rmSync(directory, { recursive: true, force: true });
}
// vitest may have set a failure of its own already: an unhandled error, a test left out.
if (!clean) process.exitCode = 1;
process.off('disconnect', launcherGone);
if (process.connected) process.disconnect();

/** Without it everything else still runs; the tests that need it fail and say so. */
async function obtainTctl(): Promise<void> {
  try {
    await step('tctl ready', obtainTctlBinary);
  } catch (error) {
    if (!(error instanceof ComponentMissing)) throw error;
    warn(`${error.message} The tests of resets with tctl will fail.`);
  }
}

/** The tests make databases, queues and keys of their own on these servers; Temporal is started by the tests themselves. */
async function startServers(options: LaunchOptions): Promise<Record<string, string | undefined>> {
  const files = (name: string): { logFile: string; pidFile: string } => ({
    logFile: join(directory, `${name}.log`),
    pidFile: join(directory, `${name}.json`),
  });
  const postgres = await findPostgres({
    url: options.postgresUrl,
    freeConnections: TEST_CONNECTIONS,
    privately: {
      dataDir: join(directory, 'postgres'),
      password: 'only-for-this-test-run',
      throwaway: true,
      ...files('postgres'),
    },
  });
  const redis = await findRedis({
    url: options.redisUrl,
    privately: { directory: join(directory, 'redis'), ...files('redis') },
  });
  const rabbitmq = await findRabbitmq({
    url: options.rabbitmqUrl,
    privately: { directory: join(directory, 'rabbitmq'), ...files('rabbitmq') },
  });
  for (const { found, warnings } of [postgres, redis, rabbitmq]) {
    for (const warning of warnings) warn(warning);
    if (found !== null) await bring(found);
  }
  return {
    POSTGRES_URL: postgres.found.address,
    REDIS_URL: redis.found?.address,
    RABBITMQ_URL: rabbitmq.found?.address,
  };
}

async function bring({ how, start }: Component): Promise<void> {
  if (start === undefined) say(`${TICK} ${how}`);
  else started.push(await step(how, start));
}

/** In this process, so that colours, key strokes and the configured reporters stay as vitest has them. */
async function runTests(args: readonly string[]): Promise<Counts> {
  const { filter, options } = parseCLI(['vitest', 'run', ...args]);
  const vitest = await startVitest(filter, { ...options, watch: false, run: true });
  try {
    return count(vitest);
  } finally {
    await vitest.close();
  }
}

function count(vitest: Vitest): Counts {
  let [passed, failed] = [0, 0];
  for (const module of vitest.state.getTestModules()) {
    // A file that cannot be loaded has no tests to fail.
    if (module.errors().length > 0) failed += 1;
    for (const test of module.children.allTests()) {
      const { state } = test.result();
      if (state === 'passed') passed += 1;
      if (state === 'failed') failed += 1;
    }
  }
  return { passed, failed: failed + vitest.state.getUnhandledErrors().length };
}
