import { randomUUID } from 'node:crypto';
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Client } from 'pg';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { migrate, MigrationChangedError, SERVICES } from '../../../platform/migrate.ts';
import { PRISMA_DIRECTORY } from '../../../platform/migrations.ts';
import { isolatedDatabases } from './isolated-databases.ts';

const { urls } = isolatedDatabases(['auth', 'campaigns', 'donations', 'payments']);
const MIGRATION = 'notifications/migrations';
/** The one that platform/migrate.ts takes while it applies. */
const MIGRATION_LOCK = 7_218_002;

let client: Client;
let directory: URL;
const folders: string[] = [];
beforeAll(async () => {
  client = new Client({ connectionString: urls.notifications });
  await client.connect();
});
beforeEach(async () => {
  await client.query('drop owned by current_user cascade; create schema if not exists public');
  const folder = await mkdtemp(join(tmpdir(), 'cfa-migrations-'));
  folders.push(folder);
  directory = pathToFileURL(`${folder}/`);
  // The first one alone: what comes after it is each test's own.
  await cp(
    new URL(`${MIGRATION}/0001_init/`, PRISMA_DIRECTORY),
    new URL(`${MIGRATION}/0001_init/`, directory),
    {
      recursive: true,
    },
  );
});
afterAll(async () => {
  await client.end();
  for (const folder of folders) await rm(folder, { recursive: true });
});

async function addMigration(name: string, sql: string): Promise<void> {
  await mkdir(new URL(`${MIGRATION}/${name}/`, directory), { recursive: true });
  await writeFile(new URL(`${MIGRATION}/${name}/migration.sql`, directory), sql);
}
const run = async (): Promise<{ readonly applied: readonly string[] }> =>
  migrate({ url: urls.notifications, service: 'notifications', directory });
async function tables(): Promise<string[]> {
  const { rows } = await client.query<{ tablename: string }>(
    `select tablename from pg_tables where schemaname = 'public' and tablename <> '_prisma_migrations' order by 1`,
  );
  return rows.map((row) => row.tablename);
}

test('an empty database gets every migration, in order, with what Prisma writes down about it', async () => {
  await addMigration('0002_more', 'create table more (id int);');
  expect(await run()).toEqual({ applied: ['0001_init', '0002_more'] });
  const { rows } = await client.query(
    'select migration_name, checksum ~ $1 as checksum, finished_at is not null as finished from _prisma_migrations order by 1',
    ['^[0-9a-f]{64}$'],
  );
  expect(rows).toEqual([
    { migration_name: '0001_init', checksum: true, finished: true },
    { migration_name: '0002_more', checksum: true, finished: true },
  ]);
});

test('an up-to-date database gets only what is new', async () => {
  await run();
  expect(await run()).toEqual({ applied: [] });
  await addMigration('0002_more', 'create table more (id int);');
  expect(await run()).toEqual({ applied: ['0002_more'] });
  expect(await tables()).toEqual(['inbox_messages', 'more', 'receipts']);
});

test.each(SERVICES.filter((service) => service !== 'notifications'))(
  'when nothing is to do, %s needs neither the lock nor the schema engine',
  async (service) => {
    const other = new Client({ connectionString: urls[service] });
    await other.connect();
    try {
      await other.query('select pg_advisory_lock($1)', [MIGRATION_LOCK]);
      expect(await migrate({ url: urls[service], service })).toEqual({ applied: [] });
    } finally {
      await other.end();
    }
  },
);

test('of five runs at once one applies and four find nothing to do', async () => {
  const runs = await Promise.all(Array.from({ length: 5 }, run));
  expect(runs.flatMap(({ applied }) => applied)).toEqual(['0001_init']);
});

test('a migration edited after it was applied is an error that names it, and nothing else is applied', async () => {
  await run();
  await addMigration('0001_init', 'create table other (id int);');
  await addMigration('0002_more', 'create table more (id int);');
  await expect(run()).rejects.toThrow(MigrationChangedError);
  await expect(run()).rejects.toThrow(
    'prisma/notifications/migrations/0001_init was changed after it was applied',
  );
  expect(await tables()).toEqual(['inbox_messages', 'receipts']);
});

test('a script that fails leaves nothing behind, says why, and is tried again once it is mended', async () => {
  await addMigration('0002_more', 'create table more (id int);\nselect no_such_column from receipts;');
  await expect(run()).rejects.toThrow(/no_such_column/);
  expect(await tables()).toEqual(['inbox_messages', 'receipts']);
  await addMigration('0002_more', 'create table more (id int);');
  expect(await run()).toEqual({ applied: ['0002_more'] });
});

test('a migration that a killed process had begun is applied by the next one', async () => {
  await run();
  await addMigration('0002_more', 'create table more (id int);');
  await client.query(
    `insert into _prisma_migrations (id, checksum, migration_name, started_at) values ($1, 'unknown', '0002_more', now())`,
    [randomUUID()],
  );
  expect(await run()).toEqual({ applied: ['0002_more'] });
  expect(await run()).toEqual({ applied: [] });
});

test('semicolons in the body of a trigger or in a comment do not cut a script', async () => {
  await addMigration(
    '0002_more',
    `-- one; two; three
     create function f() returns trigger language plpgsql as $$ begin perform 1; return new; end $$;
     create trigger t before insert on receipts for each row execute function f();`,
  );
  expect(await run()).toEqual({ applied: ['0001_init', '0002_more'] });
});

test('an older release goes on with a database that a newer one has migrated', async () => {
  await addMigration('0002_more', 'create table more (id int);');
  await run();
  await rm(new URL(`${MIGRATION}/0002_more/`, directory), { recursive: true });
  expect(await run()).toEqual({ applied: [] });
});
