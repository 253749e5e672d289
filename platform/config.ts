/**
 * The only reader of `process.env`. A process names what it needs and gets it typed, or ends with one clear line.
 */
import { z } from 'zod';
import { DEFAULT_POLICY } from '../domain/donation.ts';
import { DEFAULT_RECONCILIATION_POLICY as RECONCILIATION } from '../domain/reconciliation.ts';
import { isNetwork } from './addresses.ts';
import { limitSettings } from './limit-settings.ts';
import { authSettings } from './auth-settings.ts';
import { productionProblems } from './production.ts';

const port = z.coerce.number().int().min(0).max(65_535);
const databaseUrl = z.url({ protocol: /^postgres(ql)?$/ });

const json = z.string().transform((text, context): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    context.addIssue('must be JSON');
    return z.NEVER;
  }
});

const policy = json.pipe(
  z.strictObject({
    providerCallTimeoutMs: z.number().int().positive().default(DEFAULT_POLICY.providerCallTimeoutMs),
    localProviderCallTimeoutMs: z
      .number()
      .int()
      .positive()
      .default(DEFAULT_POLICY.localProviderCallTimeoutMs),
    retryInitialMs: z.number().int().positive().default(DEFAULT_POLICY.retryInitialMs),
    retryMaxMs: z.number().int().positive().default(DEFAULT_POLICY.retryMaxMs),
    stepAttempts: z.number().int().positive().default(DEFAULT_POLICY.stepAttempts),
    resolvePausesMs: z
      .array(z.number().int().positive())
      .min(1)
      .default([...DEFAULT_POLICY.resolvePausesMs]),
    abandonAfterMs: z.number().int().positive().default(DEFAULT_POLICY.abandonAfterMs),
    giveUpAfterMs: z.number().int().positive().default(DEFAULT_POLICY.giveUpAfterMs),
    /** How long an operation of ours keeps the provider's events of its payment waiting. */
    quietAfterOperationMs: z.number().int().nonnegative().default(2_000),
    /** A row this old that nobody has claimed belongs to a process that died: the sweeper takes it. */
    sweepAfterMs: z.number().int().nonnegative().default(5_000),
    /** How long a relay may hold a row before another may deliver it again. */
    leaseMs: z.number().int().positive().default(30_000),
    /** An event given to a workflow this long ago and still not applied is delivered again. */
    redeliverAfterMs: z.number().int().positive().default(60_000),
    /** An accepted request this old without a final pledge has its workflow looked up. */
    missingWorkflowAfterMs: z.number().int().positive().default(300_000),
  }),
);

const positive = z.number().int().positive();

/** How often each kind of reconciliation begins by itself, and how it goes about its work. */
const reconciliation = json.pipe(
  z.strictObject({
    deltaEveryMs: positive.default(3_600_000),
    fullEveryMs: positive.default(86_400_000),
    invariantsEveryMs: positive.default(3_600_000),
    overlapMs: positive.default(RECONCILIATION.overlapMs),
    freshMs: z.number().int().nonnegative().default(RECONCILIATION.freshMs),
    windowMs: positive.default(RECONCILIATION.windowMs),
    stuckAfterMs: positive.default(RECONCILIATION.stuckAfterMs),
    abandonAfterMs: positive.default(RECONCILIATION.abandonAfterMs),
    busyPauseMs: positive.default(RECONCILIATION.busyPauseMs),
    busyLimitMs: positive.default(RECONCILIATION.busyLimitMs),
    heartbeatTimeoutMs: positive.default(RECONCILIATION.heartbeatTimeoutMs),
    retryInitialMs: positive.default(RECONCILIATION.retryInitialMs),
    retryMaxMs: positive.default(RECONCILIATION.retryMaxMs),
    verifyPausesMs: z.array(positive).default([...RECONCILIATION.verifyPausesMs]),
    bookPageSize: positive.default(RECONCILIATION.bookPageSize),
    bookPagesPerRun: positive.default(RECONCILIATION.bookPagesPerRun),
  }),
);

/** Separated by commas; white space and empty entries say nothing. */
const list = z.string().transform((text) =>
  text
    .split(',')
    .map((entry) => entry.trim())
    .filter((entry) => entry !== ''),
);

/** No `*` and no `null`, which is what a sandboxed page of anybody says it is. */
function isOrigin(text: string): boolean {
  return /^https?:[^*]+$/.test(text) && URL.canParse(text) && new URL(text).origin === text;
}

const environment = z.object({
  NAME_PREFIX: z
    .string()
    .regex(/^[a-z][a-z0-9_-]{0,40}$/)
    .default('careforall'),
  /** A login that may create roles and databases: of who migrates, never of a service. */
  POSTGRES_URL: databaseUrl.optional(),
  AUTH_DATABASE_URL: databaseUrl.optional(),
  DONATIONS_DATABASE_URL: databaseUrl.optional(),
  PAYMENTS_DATABASE_URL: databaseUrl.optional(),
  CAMPAIGNS_DATABASE_URL: databaseUrl.optional(),
  NOTIFICATIONS_DATABASE_URL: databaseUrl.optional(),
  REDIS_URL: z.url({ protocol: /^rediss?$/ }).optional(),
  RABBITMQ_URL: z.url({ protocol: /^amqps?$/ }).optional(),
  TEMPORAL_ADDRESS: z.string().min(1).optional(),
  TEMPORAL_NAMESPACE: z.string().min(1).default('default'),
  STRIPE_API_BASE: z.url().default('https://api.stripe.com'),
  STRIPE_SECRET_KEY: z.string().min(1).optional(),
  STRIPE_WEBHOOK_SECRETS: list.pipe(z.array(z.string()).min(1)).optional(),
  /** In production, a provider or a key that takes no money. Elsewhere both are as good as any. */
  ALLOW_TEST_PAYMENTS: z.enum(['0', '1']).default('0'),
  HOST: z.string().default('127.0.0.1'),
  PORT: port.default(8080),
  /** Where the API is reached, for those who call it: the gateway's address, or `HOST:PORT` when unset. */
  API_URL: z.url({ protocol: /^https?$/ }).optional(),
  /** Addresses and networks of the proxies in front of the API: whose word on where a request comes from counts. */
  TRUSTED_PROXIES: list
    .pipe(z.array(z.string().refine(isNetwork, 'is no address and no network')))
    .default([]),
  /** Of the pages in browsers that may use the API, as `https://give.example.org`. */
  CORS_ORIGINS: list
    .pipe(z.array(z.string().refine(isOrigin, 'is no origin, as browsers write it')))
    .default([]),
  OPS_PORT: port.default(0),
  /** Where services run apart: the other ones, and what they know each other by. */
  CAMPAIGNS_URL: z.url({ protocol: /^https?$/ }).optional(),
  PAYMENTS_URL: z.url({ protocol: /^https?$/ }).optional(),
  INTERNAL_TOKEN: z
    .string()
    .regex(/^[\x21-\x7E]{32,}$/, 'must be at least 32 visible ASCII characters')
    .optional(),
  /** Private keys are encrypted with it, device tokens are made with it: it stays the same for ever. */
  AUTH_SECRET: z.string().min(32).optional(),
  /** Where a service that has no accounts of its own learns the keys of access tokens. */
  AUTH_JWKS_URL: z.url({ protocol: /^https?$/ }).optional(),
  /** For the command line: used instead of whoever is signed in there. */
  CAREFORALL_ACCESS_TOKEN: z.string().min(1).optional(),
  /** Where the command line keeps who is signed in; `.careforall/login.json` unless told. */
  CAREFORALL_LOGIN_FILE: z.string().min(1).optional(),
  INSTALLATION_SECRET: z.string().min(32).optional(),
  PLACEMENT: z.enum(['local', 'queues']).default('local'),
  LOG_LEVEL: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']).default('info'),
  OTEL_EXPORTER_OTLP_ENDPOINT: z.url().optional(),
  FAILPOINTS_DIR: z.string().optional(),
  POLICY: policy.prefault('{}'),
  RECONCILIATION: reconciliation.prefault('{}'),
  AUTH: json.pipe(authSettings).prefault('{}'),
});

const schemaOf = (isProduction: boolean) =>
  environment.extend({ LIMITS: json.pipe(limitSettings(isProduction)).prefault('{}') });

export type Environment = z.infer<ReturnType<typeof schemaOf>>;
export type Policy = Environment['POLICY'];
export type ReconciliationSettings = Environment['RECONCILIATION'];
export type Config<Needed extends keyof Environment = never> = Environment & {
  readonly [Name in Needed]-?: NonNullable<Environment[Name]>;
};

/** Reads the environment; throws a `ConfigError` that names each variable that is missing or malformed. */
export function loadConfig<Needed extends keyof Environment = never>(
  needed: readonly Needed[] = [],
  source: Readonly<Record<string, string | undefined>> = process.env,
): Config<Needed> {
  const given = Object.fromEntries(
    Object.entries(source).filter(([, value]) => value !== undefined && value !== ''),
  );
  const isProduction = given['NODE_ENV'] === 'production';
  const parsed = schemaOf(isProduction).safeParse(given);
  if (!parsed.success) {
    const problems = parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`);
    throw new ConfigError(`The environment is not usable: ${problems.join('; ')}`);
  }
  const problems = isProduction ? productionProblems(given) : [];
  if (problems.length > 0) throw new ConfigError(`Not in production: ${problems.join('; ')}`);
  const missing = needed.filter((name) => parsed.data[name] === undefined);
  if (missing.length > 0) {
    throw new ConfigError(
      `Set ${missing.join(', ')}: this process needs ${missing.length === 1 ? 'it' : 'them'} (\`npm start\` does so by itself).`,
    );
  }
  return parsed.data as Config<Needed>;
}

/** A source for `loadConfig`: the environment, and for what is not set there `fallback`. */
export function environmentOr(
  fallback: Readonly<Record<string, string>>,
): Readonly<Record<string, string | undefined>> {
  const given = Object.entries(process.env).filter(([, value]) => value !== undefined && value !== '');
  return { ...fallback, ...Object.fromEntries(given) };
}

export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

/** Needed before anything can go wrong with the rest of the environment. */
export function configuredLogLevel(): string {
  const level = environment.shape.LOG_LEVEL.safeParse(process.env['LOG_LEVEL']);
  return level.success ? level.data : 'info';
}
