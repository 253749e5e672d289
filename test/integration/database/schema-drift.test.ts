import { readFile } from 'node:fs/promises';
import { Client } from 'pg';
import { expect, test } from 'vitest';
import { SERVICES, type Service } from '../../../platform/migrate.ts';
import { PRISMA_DIRECTORY } from '../../../platform/migrations.ts';
import { withSchemaEngine } from '../../../platform/schema-engine.ts';
import { isolatedDatabases } from './isolated-databases.ts';

const { urls } = isolatedDatabases();

/** The SQL that Prisma would write for schema.prisma in an empty database. */
async function scriptOf(service: Service): Promise<string> {
  const content = await readFile(new URL(`${service}/schema.prisma`, PRISMA_DIRECTORY), 'utf8');
  const { stdout } = await withSchemaEngine({ url: urls[service], schema: content }, async (engine) =>
    engine.diff({
      from: { tag: 'empty' },
      to: { tag: 'schemaDatamodel', files: [{ path: 'schema.prisma', content }] },
      script: true,
      exitCode: null,
      filters: { externalTables: [], externalEnums: [] },
    }),
  );
  return stdout ?? '';
}

/**
 * Columns, indexes (uniques among them) and foreign keys of a schema, as PostgreSQL spells them, one line each. Less
 * what schema.prisma has no words for: how a column is generated, when a foreign key is checked.
 */
async function shapeOf(client: Client, schema: string): Promise<string[]> {
  const { rows } = await client.query<{ line: string }>(
    `select format('column %s.%s %s%s default %s', c.relname, a.attname, replace(format_type(a.atttypid, a.atttypmod), '(6)', ''),
                   case when a.attnotnull then ' not null' else '' end,
                   case when a.attgenerated <> '' then 'none'
                        when a.attidentity <> '' or pg_get_expr(d.adbin, d.adrelid) like 'nextval%' then 'generated'
                        else replace(coalesce(pg_get_expr(d.adbin, d.adrelid), 'none'), 'CURRENT_TIMESTAMP', 'now()') end) as line
     from pg_attribute a join pg_class c on c.oid = a.attrelid
     left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
     where c.relnamespace = $1::regnamespace and c.relkind = 'r' and a.attnum > 0 and not a.attisdropped
       and c.relname <> '_prisma_migrations'
     union all
     select 'index ' || replace(pg_get_indexdef(i.indexrelid), $1 || '.', '')
     from pg_index i join pg_class c on c.oid = i.indrelid
     where c.relnamespace = $1::regnamespace and c.relname <> '_prisma_migrations'
     union all
     select format('foreign key %s %s %s', c.relname, f.conname, replace(replace(pg_get_constraintdef(f.oid), $1 || '.', ''), ' DEFERRABLE INITIALLY DEFERRED', ''))
     from pg_constraint f join pg_class c on c.oid = f.conrelid
     where c.relnamespace = $1::regnamespace and f.contype = 'f'
     order by line`,
    [schema],
  );
  return rows.map((row) => row.line);
}

test.each(SERVICES)(
  'schema.prisma of %s describes exactly the tables its migrations make',
  async (service) => {
    const script = (await scriptOf(service)).replaceAll('CREATE SCHEMA IF NOT EXISTS "public";', '');
    const client = new Client({ connectionString: urls[service] });
    await client.connect();
    try {
      await client.query('create schema from_prisma; set search_path to from_prisma');
      await client.query(script);
      const fromPrisma = await shapeOf(client, 'from_prisma');
      await client.query('set search_path to public');
      expect(fromPrisma.length).toBeGreaterThan(5);
      expect(await shapeOf(client, 'public')).toEqual(fromPrisma);
    } finally {
      await client.end();
    }
  },
);
