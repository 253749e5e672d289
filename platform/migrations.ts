import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import type { Client } from 'pg';
import type { Service } from './databases.ts';

export type Migration = {
  readonly name: string;
  readonly sql: string;
  /** SHA-256, as Prisma writes it down. */ readonly checksum: string;
};

export type MigrationState = {
  readonly pending: readonly Migration[];
  /** Begun and never finished: its process died, nothing of the script stands. */
  readonly unfinished: readonly string[];
};

export const PRISMA_DIRECTORY = new URL('../prisma/', import.meta.url);

/** A migration differs from the one that this database has applied. */
export class MigrationChangedError extends Error {
  override readonly name = 'MigrationChangedError';
}

/** The migrations of a service in the order they apply. */
export async function readMigrations(
  service: Service,
  directory: URL = PRISMA_DIRECTORY,
): Promise<readonly Migration[]> {
  const folder = new URL(`${service}/migrations/`, directory);
  const entries = await readdir(folder, { withFileTypes: true });
  const names = entries
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name)
    .toSorted();
  return Promise.all(
    names.map(async (name) => {
      const sql = await readFile(new URL(`${name}/migration.sql`, folder), 'utf8');
      return { name, sql, checksum: createHash('sha256').update(sql).digest('hex') };
    }),
  );
}

/**
 * What is left to apply, from Prisma's own table. Throws MigrationChangedError when an applied migration was edited. A
 * migration that only the database knows is a newer release's: the older one may go on running beside it.
 */
export async function migrationState(
  client: Client,
  service: Service,
  migrations: readonly Migration[],
): Promise<MigrationState> {
  const table = await client.query<{ known: boolean }>(
    `select to_regclass('_prisma_migrations') is not null as known`,
  );
  if (table.rows[0]?.known !== true) return { pending: migrations, unfinished: [] };

  const { rows } = await client.query<{ name: string; checksum: string; finished: boolean }>(
    `select migration_name as name, checksum, finished_at is not null as finished
     from _prisma_migrations where rolled_back_at is null`,
  );
  const applied = new Map(rows.filter((row) => row.finished).map((row) => [row.name, row.checksum]));
  for (const migration of migrations) {
    const checksum = applied.get(migration.name);
    if (checksum === undefined || checksum === migration.checksum) continue;
    throw new MigrationChangedError(
      `prisma/${service}/migrations/${migration.name} was changed after it was applied: put it back and add another ` +
        'migration (or empty the database with "npm run reset" if its data may go)',
    );
  }
  return {
    pending: migrations.filter(({ name }) => !applied.has(name)),
    unfinished: rows.filter((row) => !row.finished && !applied.has(row.name)).map((row) => row.name),
  };
}
