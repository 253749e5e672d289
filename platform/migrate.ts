import { fileURLToPath } from 'node:url';
import { Client } from 'pg';
import type { Service } from './databases.ts';
import { migrationState, PRISMA_DIRECTORY, readMigrations, type Migration } from './migrations.ts';

export { databaseName, dropDatabases, ensureDatabases, SERVICES, type Service } from './databases.ts';
export { MigrationChangedError } from './migrations.ts';

export type MigrateOptions = {
  /** The service's own database, as its own role: the role owns what it makes. */
  readonly url: string;
  readonly service: Service;
  /** Where `<service>/migrations` is; the repository's `prisma/` unless told. */
  readonly directory?: URL;
};

/** Any constant of ours, other than the one Prisma's engine takes on a connection of its own. */
const LOCK = 7_218_002;
const LOCK_TIMEOUT_MS = 60_000;

/**
 * Brings one service's database up to date and says which migrations were applied. Two processes at once: the second
 * waits and finds nothing to do. Throws MigrationChangedError when an applied migration was edited, and the database's
 * own error when a script fails; then nothing of that script stands and the next call tries it again.
 */
export async function migrate(options: MigrateOptions): Promise<{ readonly applied: readonly string[] }> {
  const { service, directory = PRISMA_DIRECTORY } = options;
  const migrations = await readMigrations(service, directory);
  const client = new Client({
    connectionString: options.url,
    application_name: 'careforall-migrate',
    connectionTimeoutMillis: 5_000,
    lock_timeout: LOCK_TIMEOUT_MS,
  });
  // A connection that breaks is reported by the query it breaks, not by ending the process.
  client.on('error', () => undefined);
  await client.connect();
  try {
    const before = await migrationState(client, service, migrations);
    if (before.pending.length === 0) return { applied: [] };

    await client.query('select pg_advisory_lock($1)', [LOCK]);
    // Another process may have done it while we waited.
    const { pending, unfinished } = await migrationState(client, service, migrations);
    if (pending.length === 0) return { applied: [] };
    return {
      applied: await apply(options.url, new URL(`${service}/migrations/`, directory), migrations, unfinished),
    };
  } finally {
    // Closing the session gives the lock back.
    await client.end();
  }
}

async function apply(
  url: string,
  folder: URL,
  migrations: readonly Migration[],
  unfinished: readonly string[],
): Promise<readonly string[]> {
  // Here and not above: it loads 5 MB of WebAssembly that an up-to-date database never needs.
  const { withSchemaEngine } = await import('./schema-engine.ts');
  return withSchemaEngine({ url }, async (engine) => {
    for (const migrationName of unfinished) await engine.markMigrationRolledBack({ migrationName });
    const { appliedMigrationNames } = await engine.applyMigrations({
      migrationsList: {
        baseDir: fileURLToPath(folder),
        lockfile: { path: 'migration_lock.toml', content: 'provider = "postgresql"\n' },
        shadowDbInitScript: '',
        migrationDirectories: migrations.map(({ name, sql }) => ({
          path: name,
          migrationFile: { path: 'migration.sql', content: { tag: 'ok', value: sql } },
        })),
      },
      filters: { externalTables: [], externalEnums: [] },
    });
    return appliedMigrationNames;
  });
}
