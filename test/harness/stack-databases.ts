import { randomBytes } from 'node:crypto';
import pg from 'pg';
import type { Pool } from 'pg';
import { dropDatabases, ensureDatabases, migrate, SERVICES, type Service } from '../../platform/migrate.ts';
import { createPool } from '../../platform/postgres.ts';

/** Letters, then when it was made in minutes, then chance: so that leftovers can be told by their age. */
const PREFIX = 'cfastack';
const FORGOTTEN_AFTER_MINUTES = 360;

export type StackDatabases = {
  readonly urls: Readonly<Record<Service, string>>;
  /** The test's own look into each service's database, as that service's role. */
  readonly pools: Readonly<Record<Service, Pool>>;
  drop(): Promise<void>;
};

/** Names everything that one stack owns: databases, roles, keys, queues, exchanges, its Temporal namespace. */
export function uniquePrefix(): string {
  return `${PREFIX}_${nowMinutes()}_${randomBytes(4).toString('hex')}`;
}

export async function createStackDatabases(adminUrl: string, prefix: string): Promise<StackDatabases> {
  const passwords = Object.fromEntries(
    SERVICES.map((service) => [service, randomBytes(12).toString('hex')]),
  ) as Record<Service, string>;
  const urls = await ensureDatabases({ adminUrl, prefix, passwords });
  await Promise.all(SERVICES.map((service) => migrate({ url: urls[service], service })));
  const pools = Object.fromEntries(
    SERVICES.map((service) => [service, createPool({ url: urls[service], max: 2, name: `test-${service}` })]),
  ) as Record<Service, Pool>;
  return {
    urls,
    pools,
    async drop() {
      await Promise.all(Object.values(pools).map((pool) => pool.end()));
      await dropDatabases({ adminUrl, prefix });
    },
  };
}

/** A run that was killed could not drop its databases. */
export async function dropForgottenDatabases(adminUrl: string): Promise<void> {
  const client = new pg.Client({ connectionString: adminUrl });
  await client.connect();
  try {
    const { rows } = await client.query<{ name: string }>(
      `select datname as name from pg_database where datname like '${PREFIX}\\_%'`,
    );
    const prefixes = new Set(rows.map(({ name }) => name.slice(0, name.lastIndexOf('_'))));
    for (const prefix of prefixes) {
      const madeAt = Number(prefix.split('_')[1]);
      if (nowMinutes() - madeAt > FORGOTTEN_AFTER_MINUTES) await dropDatabases({ adminUrl, prefix });
    }
  } finally {
    await client.end();
  }
}

function nowMinutes(): number {
  return Math.floor(Date.now() / 60_000);
}
