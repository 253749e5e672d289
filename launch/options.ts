/**
 * What a person may say to the launcher by environment; the launcher's only reader of `process.env`. The processes it
 * starts read theirs through `platform/config.ts`.
 */
import { userInfo } from 'node:os';

export type LaunchOptions = {
  readonly postgresUrl: string | undefined;
  readonly redisUrl: string | undefined;
  readonly rabbitmqUrl: string | undefined;
  readonly temporalAddress: string | undefined;
  readonly temporalNamespace: string;
  readonly stripeApiBase: string | undefined;
  readonly stripeSecretKey: string | undefined;
  readonly stripeWebhookSecrets: string | undefined;
  readonly namePrefix: string;
  readonly host: string;
  readonly port: number;
};

/** Two platforms under test at once, and the tests' own looks into their databases. */
export const TEST_CONNECTIONS = 150;

export class OptionError extends Error {
  override readonly name = 'OptionError';
}

/** Throws an `OptionError` whose message is one line for the user. */
export function readLaunchOptions(environment: Readonly<NodeJS.ProcessEnv> = process.env): LaunchOptions {
  const read = (name: string): string | undefined => environment[name]?.trim() || undefined;
  const port = read('PORT') ?? '8080';
  if (!/^\d{1,5}$/.test(port) || Number(port) > 65_535)
    throw new OptionError(`PORT is "${port}": give a number up to 65535.`);
  const namePrefix = read('NAME_PREFIX') ?? 'careforall';
  if (!/^[a-z][a-z0-9_]{0,30}$/.test(namePrefix)) {
    throw new OptionError(`NAME_PREFIX is "${namePrefix}": use up to 31 of a-z, 0-9 and _, a letter first.`);
  }
  return {
    postgresUrl: read('POSTGRES_URL'),
    redisUrl: read('REDIS_URL'),
    rabbitmqUrl: read('RABBITMQ_URL'),
    temporalAddress: read('TEMPORAL_ADDRESS'),
    temporalNamespace: read('TEMPORAL_NAMESPACE') ?? 'default',
    stripeApiBase: read('STRIPE_API_BASE'),
    stripeSecretKey: read('STRIPE_SECRET_KEY'),
    stripeWebhookSecrets: read('STRIPE_WEBHOOK_SECRETS'),
    namePrefix,
    host: read('HOST') ?? '127.0.0.1',
    port: Number(port),
  };
}

const PLATFORM_VARIABLES = new RegExp(
  `^(${[
    '\\w+_DATABASE_URL',
    'POSTGRES_URL',
    'REDIS_URL',
    'RABBITMQ_URL',
    'NAME_PREFIX',
    'TEMPORAL_(ADDRESS|NAMESPACE)',
    'STRIPE_\\w+',
    'SIMULATOR_\\w+',
    '(OPS_)?PORT',
    'HOST',
    'AUTH(_SECRET|_JWKS_URL)?',
    'CAREFORALL_(ACCESS_TOKEN|LOGIN_FILE)',
    'INTERNAL_TOKEN',
    '(CAMPAIGNS|PAYMENTS)_URL',
    'INSTALLATION_SECRET',
    'FAILPOINTS_DIR',
    'PLACEMENT',
    'POLICY',
    'RECONCILIATION',
    'TRUSTED_PROXIES',
    'CORS_ORIGINS',
    'LIMITS',
    'NODE_ENV',
    'ALLOW_TEST_PAYMENTS',
  ].join('|')})$`,
);

/** This process's environment without what the platform reads: a child gets exactly what its starter decides. */
export function neutralEnvironment(
  environment: Readonly<NodeJS.ProcessEnv> = process.env,
): Record<string, string> {
  const kept: Record<string, string> = {};
  for (const [name, value] of Object.entries(environment)) {
    if (value !== undefined && !PLATFORM_VARIABLES.test(name)) kept[name] = value;
  }
  return kept;
}

/** For a program that a person has called through us: it is theirs, and so is what it is to find in its environment. */
export function wholeEnvironment(
  environment: Readonly<NodeJS.ProcessEnv> = process.env,
): Record<string, string> {
  const given: Record<string, string> = {};
  for (const [name, value] of Object.entries(environment)) if (value !== undefined) given[name] = value;
  return given;
}

/** Makes this process's environment neutral, but for what is given: the test runner's workers inherit it. */
export function isolateEnvironment(given: Readonly<Record<string, string | undefined>>): void {
  for (const name of Object.keys(process.env))
    if (PLATFORM_VARIABLES.test(name)) Reflect.deleteProperty(process.env, name);
  for (const [name, value] of Object.entries(given)) if (value !== undefined) process.env[name] = value;
}

/** Settings of the processes that a person may give with `npm start` and that the launcher has no opinion on. */
export function passedSettings(
  environment: Readonly<NodeJS.ProcessEnv> = process.env,
): Record<string, string> {
  const passed: Record<string, string> = {};
  for (const name of [
    'PLACEMENT',
    'POLICY',
    'RECONCILIATION',
    'LIMITS',
    'AUTH',
    'TRUSTED_PROXIES',
    'CORS_ORIGINS',
    'NODE_ENV',
    'ALLOW_TEST_PAYMENTS',
    'SIMULATOR_DIALS',
    'SIMULATOR_SEED',
  ]) {
    const value = environment[name];
    if (value !== undefined && value !== '') passed[name] = value;
  }
  return passed;
}

export function searchPath(environment: Readonly<NodeJS.ProcessEnv> = process.env): string {
  return environment['PATH'] ?? '';
}

export function currentUser(): string {
  return userInfo().username;
}
