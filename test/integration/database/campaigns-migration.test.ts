/** Campaigns of an older release, after the migration: everything that they could have had, and nothing changed. */
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Client } from 'pg';
import { expect, test } from 'vitest';
import { isSlug } from '../../../domain/slug.ts';
import { migrate } from '../../../platform/migrate.ts';
import { PRISMA_DIRECTORY } from '../../../platform/migrations.ts';
import { isolatedDatabases } from './isolated-databases.ts';

const { urls } = isolatedDatabases(['campaigns']);
const FIRST = 'campaigns/migrations/0001_init/';

test('campaigns made before there were slugs get one each, keep their version, and are found', async () => {
  const client = new Client({ connectionString: urls.campaigns });
  await client.connect();
  const folder = await mkdtemp(join(tmpdir(), 'cfa-migrations-'));
  try {
    await client.query('drop owned by current_user cascade; create schema if not exists public');
    const directory = pathToFileURL(`${folder}/`);
    await cp(new URL(FIRST, PRISMA_DIRECTORY), new URL(FIRST, directory), { recursive: true });
    await migrate({ url: urls.campaigns, service: 'campaigns', directory });
    const titles = ['Clean water', 'Clean water', 'পানি', '--', 'A'.repeat(140), 'École 2030!'];
    for (const [index, title] of titles.entries()) {
      await client.query(
        `insert into campaigns (id, title, currency, status, version, created_by, created_at, updated_at)
         values (gen_random_uuid(), $1, 'USD', $2, 4, 'operator', $3, $3::timestamptz + interval '1 day')`,
        [title, ['open', 'closed', 'draft'][index % 3], `2026-01-0${index + 1}`],
      );
    }
    await migrate({ url: urls.campaigns, service: 'campaigns' });

    const { rows } = await client.query<{ slug: string; title: string; tail: string }>(
      `select slug, title, right(id::text, 12) as tail from campaigns order by created_at`,
    );
    expect(rows.every(({ slug }) => isSlug(slug))).toBe(true);
    expect(rows.map(({ slug, tail }) => slug.replace(tail, '…'))).toEqual([
      'clean-water-…',
      'clean-water-…',
      '…',
      '…',
      `${'a'.repeat(60)}-…`,
      'cole-2030-…',
    ]);
    const { rows: others } = await client.query(
      `select status, version, published_at = created_at as published, closed_at = updated_at as closed, closed_reason as reason,
         owner_id as owner from campaigns order by created_at limit 3`,
    );
    const same = { version: 4, reason: null, owner: null };
    expect(others).toEqual([
      { ...same, status: 'open', published: true, closed: null },
      { ...same, status: 'closed', published: true, closed: true },
      { ...same, status: 'draft', published: null, closed: null },
    ]);
    const { rows: found } = await client.query(
      `select count(*)::int as count from campaigns where search @@ to_tsquery('simple', 'clean & wat:*')`,
    );
    expect(found).toEqual([{ count: 2 }]);
  } finally {
    await client.end();
    await rm(folder, { recursive: true });
  }
});

test('a writer that knows no slugs, owners or deadlines may go on writing', async () => {
  const client = new Client({ connectionString: urls.campaigns });
  await client.connect();
  try {
    const { rows } = await client.query<{ slug: string; published: boolean }>(
      `insert into campaigns (id, title, currency, status, created_by) values (gen_random_uuid(), 'Wells', 'USD', 'open', 'operator')
       returning slug, published_at is not null as published`,
    );
    expect(rows).toEqual([
      { slug: expect.stringMatching(/^campaign-[0-9a-f-]{36}$/) as string, published: true },
    ]);
  } finally {
    await client.end();
  }
});
