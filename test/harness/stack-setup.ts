/** vitest's globalSetup of tests that run against real servers: finds them as `npm start` does, or starts private ones. */
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import type { Component } from '../../launch/components/component.ts';
import { findPostgres } from '../../launch/components/postgres.ts';
import { findRabbitmq } from '../../launch/components/rabbitmq.ts';
import { findRedis } from '../../launch/components/redis.ts';
import { readLaunchOptions, TEST_CONNECTIONS } from '../../launch/options.ts';
import type { Running } from '../../launch/running.ts';
import { warn } from '../../launch/screen.ts';
import type { TestComponents } from './components.ts';
import { startPrivateTemporal } from './private-servers.ts';
import { createRunDirectory } from './run-directory.ts';
import { dropForgottenDatabases } from './stack-databases.ts';

const started: { stop(): Promise<void> }[] = [];

export async function setup(project: TestProject): Promise<void> {
  const components = await findTestComponents(createRunDirectory(project.name));
  project.provide('temporalAddress', components.temporalAddress);
  project.provide('testComponents', components);
}

export async function teardown(): Promise<void> {
  for (const server of started.toReversed()) await server.stop();
}

/** Also for scripts outside vitest; they call `teardown` at their end. */
export async function findTestComponents(runDirectory: string): Promise<TestComponents> {
  const options = readLaunchOptions();
  const files = (name: string): { logFile: string; pidFile: string } => ({
    logFile: join(runDirectory, `${name}.log`),
    pidFile: join(runDirectory, `${name}.json`),
  });
  const postgres = await findPostgres({
    url: options.postgresUrl,
    freeConnections: TEST_CONNECTIONS,
    privately: {
      dataDir: join(runDirectory, 'postgres'),
      password: 'test-only-password',
      throwaway: true,
      ...files('postgres'),
    },
  });
  const redis = await findRedis({
    url: options.redisUrl,
    privately: { directory: join(runDirectory, 'redis'), ...files('redis') },
  });
  const rabbitmq = await findRabbitmq({
    url: options.rabbitmqUrl,
    privately: { directory: join(runDirectory, 'rabbitmq'), ...files('rabbitmq') },
  });
  for (const warning of [postgres, redis, rabbitmq].flatMap(({ warnings }) => warnings)) warn(warning);
  const [temporal] = await Promise.all([
    startPrivateTemporal(runDirectory),
    start(postgres.found),
    start(redis.found),
    start(rabbitmq.found),
  ]);
  started.push(temporal);
  await dropForgottenDatabases(postgres.found.address);
  return {
    postgresUrl: postgres.found.address,
    redisUrl: redis.found?.address ?? null,
    rabbitmqUrl: rabbitmq.found?.address ?? null,
    temporalAddress: temporal.url,
    runDirectory,
  };
}

async function start(component: Component | null): Promise<void> {
  if (component?.start === undefined) return;
  const running: Running = await component.start();
  started.push(running);
}
