import { readdir } from 'node:fs/promises';
import { Client } from 'pg';
import { afterAll, expect, test } from 'vitest';
import { databaseName } from '../../../platform/databases.ts';
import {
  dropDatabases,
  ensureDatabases,
  migrate,
  SERVICES,
  type Service,
} from '../../../platform/migrate.ts';
import { PRISMA_DIRECTORY } from '../../../platform/migrations.ts';
import { ADMIN_URL, isolatedDatabases, PASSWORDS, randomPrefix } from './isolated-databases.ts';

const { prefix, urls } = isolatedDatabases();

async function withClient<T>(url: string, work: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

/** The URL of one service's database with the login of another. */
function foreignUrl(database: (typeof SERVICES)[number], login: (typeof SERVICES)[number]): string {
  const url = new URL(urls[login]);
  url.pathname = new URL(urls[database]).pathname;
  return url.href;
}

const pairs = SERVICES.flatMap((login) =>
  SERVICES.filter((other) => other !== login).map((database) => ({ login, database })),
);

test.each(pairs)(
  'the role of $login is refused by the database of $database',
  async ({ login, database }) => {
    // 42501 insufficient_privilege: refused at the door, no table is even named.
    await expect(withClient(foreignUrl(database, login), async () => undefined)).rejects.toMatchObject({
      code: '42501',
    });
  },
);

test.each(SERVICES)('the role of %s owns its tables and has no power over the server', async (service) => {
  const { rows } = await withClient(urls[service], async (client) =>
    client.query(
      `select current_user = current_database() as own, rolsuper, rolcreatedb, rolcreaterole, rolreplication, rolbypassrls,
              (select count(*)::int from pg_tables where schemaname = 'public' and tableowner <> current_user) as foreign_tables
       from pg_roles where rolname = current_user`,
    ),
  );
  expect(rows).toEqual([
    {
      own: true,
      rolsuper: false,
      rolcreatedb: false,
      rolcreaterole: false,
      rolreplication: false,
      rolbypassrls: false,
      foreign_tables: 0,
    },
  ]);
});

test('databases sort text the same on every machine', async () => {
  const { rows } = await withClient(urls.campaigns, async (client) =>
    client.query(
      `select datcollate as collation, pg_encoding_to_char(encoding) as encoding from pg_database where datname = current_database()`,
    ),
  );
  expect(rows).toEqual([{ collation: 'C', encoding: 'UTF8' }]);
});

test('making them again changes nothing and keeps the rows', async () => {
  await withClient(urls.notifications, async (client) =>
    client.query(`insert into inbox_messages values (gen_random_uuid(), 'kept')`),
  );
  expect(await ensureDatabases({ adminUrl: ADMIN_URL, prefix, passwords: PASSWORDS })).toEqual(urls);
  const { rows } = await withClient(urls.notifications, async (client) =>
    client.query('select type from inbox_messages'),
  );
  expect(rows).toEqual([{ type: 'kept' }]);
});

test('a prefix that is no plain name is refused before anything is made', async () => {
  for (const bad of ['', 'Upper', '1st', 'a-b', 'a"b', 'a'.repeat(42)]) {
    await expect(ensureDatabases({ adminUrl: ADMIN_URL, prefix: bad, passwords: PASSWORDS })).rejects.toThrow(
      RangeError,
    );
  }
});

async function migrationsOf(service: Service): Promise<string[]> {
  const entries = await readdir(new URL(`${service}/migrations/`, PRISMA_DIRECTORY), { withFileTypes: true });
  return entries
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name)
    .toSorted();
}

const fresh = randomPrefix();
afterAll(async () => {
  await dropDatabases({ adminUrl: ADMIN_URL, prefix: fresh });
});

test('five processes at once make and migrate one set of databases', async () => {
  const applied = await Promise.all(
    Array.from({ length: 5 }, async () => {
      const made = await ensureDatabases({ adminUrl: ADMIN_URL, prefix: fresh, passwords: PASSWORDS });
      return migrate({ url: made.payments, service: 'payments' });
    }),
  );
  expect(applied.flatMap((run) => run.applied)).toEqual(await migrationsOf('payments'));
});

test('dropping them leaves no database and no role, and may be repeated', async () => {
  await dropDatabases({ adminUrl: ADMIN_URL, prefix: fresh });
  await dropDatabases({ adminUrl: ADMIN_URL, prefix: fresh });
  const names = SERVICES.map((service) => databaseName(fresh, service));
  const { rows } = await withClient(ADMIN_URL, async (admin) =>
    admin.query(
      'select datname from pg_database where datname = any($1) union all select rolname from pg_roles where rolname = any($1)',
      [names],
    ),
  );
  expect(rows).toEqual([]);
});

test('an administrator who is no superuser can make them', async () => {
  const admin = `${randomPrefix()}_admin`;
  const own = randomPrefix();
  await withClient(ADMIN_URL, async (client) =>
    client.query(`create role ${admin} login createdb createrole password 'x'`),
  );
  const adminUrl = new URL(ADMIN_URL);
  adminUrl.username = admin;
  adminUrl.password = 'x';
  try {
    const made = await ensureDatabases({ adminUrl: adminUrl.href, prefix: own, passwords: PASSWORDS });
    expect(await migrate({ url: made.campaigns, service: 'campaigns' })).toEqual({
      applied: await migrationsOf('campaigns'),
    });
    expect(await ensureDatabases({ adminUrl: adminUrl.href, prefix: own, passwords: PASSWORDS })).toEqual(
      made,
    );
  } finally {
    await dropDatabases({ adminUrl: ADMIN_URL, prefix: own });
    await withClient(ADMIN_URL, async (client) => client.query(`drop role ${admin}`));
  }
});
