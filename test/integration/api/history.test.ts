/** `GET /me/donations`: all that an account gave, each once, and nothing of anybody else; read by an index. */
import { createHash, randomUUID } from 'node:crypto';
import type { Pool } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createDonationHistory, type Wanted } from '../../../api/donations/history.ts';
import { readCursor } from '../../../api/http/pages.ts';
import { createPool } from '../../../platform/postgres.ts';
import { isolatedDatabases } from '../database/isolated-databases.ts';
import { createAccounts, type Account } from './accounts.ts';
import {
  donate,
  donation,
  donationBody,
  newCampaign,
  newKey,
  startGateway,
  type Gateway,
} from './gateway.ts';
import { json, problem, type Answer } from './http-client.ts';

const { urls } = isolatedDatabases(['donations', 'payments', 'campaigns']);
const accounts = createAccounts();
let gateway: Gateway;
beforeAll(async () => {
  gateway = await startGateway({ urls, authenticate: accounts.authenticate });
});
afterAll(async () => {
  await gateway[Symbol.asyncDispose]();
});

type Given = { readonly id: string; readonly status: string; readonly createdAt: string };
type Page = { readonly data: readonly Given[]; readonly nextCursor: string | null };

function history(account: Account, query = ''): Promise<Answer> {
  return gateway.send({ path: `/me/donations${query}`, headers: [account.header] });
}

async function page(account: Account, query = ''): Promise<Page> {
  const answer = await history(account, query);
  expect([answer.status, answer.headers['cache-control']]).toEqual([200, 'no-store']);
  return json(answer) as Page;
}

async function walk(account: Account, limit: number, filter = ''): Promise<string[]> {
  const ids: string[] = [];
  let cursor: string | null = null;
  do {
    const more: string = cursor === null ? '' : `&cursor=${cursor}`;
    const next: Page = await page(account, `?limit=${limit}${filter}${more}`);
    expect(next.data.length).toBeLessThanOrEqual(limit);
    ids.push(...next.data.map(({ id }) => id));
    cursor = next.nextCursor;
  } while (cursor !== null);
  return ids;
}

/** Requests as they were accepted at these moments; oldest first. */
async function acceptedAt(pool: Pool, scope: string, times: readonly string[]): Promise<string[]> {
  const ids = times.map(() => randomUUID());
  await pool.query(
    `INSERT INTO donation_requests (id, scope, idempotency_key, fingerprint, campaign_id, amount, currency, payment_method, body, accepted_at)
     SELECT id, $2, 'key-of-' || id, $3, gen_random_uuid(), 2500, 'USD', 'pm_card_visa', '{}', at FROM unnest($1::uuid[], $4::timestamptz[]) AS t(id, at)`,
    [ids, scope, createHash('sha256').digest(), times],
  );
  return ids;
}

async function pledged(pool: Pool, id: string, status: string): Promise<void> {
  await pool.query(
    `INSERT INTO pledges (id, campaign_id, amount, currency, status, version, idempotency_key)
     SELECT id, campaign_id, amount, currency, $2, 1, idempotency_key FROM donation_requests WHERE id = $1`,
    [id, status],
  );
}

describe('a history', () => {
  test('holds what its account gave, as each donation is shown, newest first; nobody else’s', async () => {
    const [ada, bob] = [accounts.add('donor'), accounts.add('donor')];
    const campaignId = await newCampaign(gateway);
    const give = async (account: Account | null): Promise<string> => {
      const headers = account === null ? [] : [account.header];
      const body = donationBody(campaignId, { donor: { email: 'ada@example.org' } });
      return donation(await donate(gateway, newKey(), body, headers)).id;
    };
    const [first, bobs] = [await give(ada), await give(bob)];
    await give(null);
    const second = await give(ada);
    await pledged(gateway.pools.donations, first, 'CAPTURED');

    const { data, nextCursor } = await page(ada);
    expect([data.map(({ id }) => id), nextCursor]).toEqual([[second, first], null]);
    for (const shown of data) {
      const answer = await gateway.send({ path: `/donations/${shown.id}`, headers: [ada.header] });
      expect(shown).toEqual(json(answer));
    }
    expect(data.map(({ status }) => status)).toEqual(['INITIATED', 'CAPTURED']);
    expect((await page(bob)).data.map(({ id }) => id)).toEqual([bobs]);
    expect(await page(accounts.add('operator'))).toEqual({ data: [], nextCursor: null });
  });

  test('gives each donation once, whatever the size of the page, also those of the same moment', async () => {
    const ada = accounts.add('donor');
    // Within one millisecond, and several in the very same microsecond.
    const times = Array.from(
      { length: 23 },
      (_, index) => `2031-01-01T00:00:00.${String(100_000 + Math.floor(index / 3)).padStart(6, '0')}Z`,
    );
    const ids = await acceptedAt(gateway.pools.donations, `user:${ada.user.id}`, times);
    const newestFirst = ids
      .map((id, index) => ({ id, time: times[index] ?? '' }))
      .toSorted((a, b) => (`${a.time} ${a.id}` < `${b.time} ${b.id}` ? 1 : -1))
      .map(({ id }) => id);
    for (const limit of [1, 2, 3, 7, 23, 100]) expect(await walk(ada, limit)).toEqual(newestFirst);
  });

  test('goes on where it was when something is given between two pages', async () => {
    const ada = accounts.add('donor');
    const scope = `user:${ada.user.id}`;
    const [oldest, older] = await acceptedAt(gateway.pools.donations, scope, [
      '2026-01-01T00:00:00Z',
      '2026-01-02T00:00:00Z',
    ]);
    const first = await page(ada, '?limit=1');
    const [newest] = await acceptedAt(gateway.pools.donations, scope, ['2026-01-03T00:00:00Z']);
    const second = await page(ada, `?limit=1&cursor=${String(first.nextCursor)}`);
    expect([first.data, second.data].map(([row]) => row?.id)).toEqual([older, oldest]);
    expect(second.nextCursor).toBeNull();
    expect((await page(ada, '?limit=1')).data[0]?.id).toBe(newest);
  });

  test('takes 20 when not told', async () => {
    const ada = accounts.add('donor');
    const times = Array.from(
      { length: 21 },
      (_, day) => `2026-01-${String(day + 1).padStart(2, '0')}T00:00Z`,
    );
    await acceptedAt(gateway.pools.donations, `user:${ada.user.id}`, times);
    const first = await page(ada);
    expect(first.data).toHaveLength(20);
    expect((await page(ada, `?cursor=${String(first.nextCursor)}`)).data).toHaveLength(1);
  });

  test('of one status holds those alone, page by page; what is not pledged yet is INITIATED', async () => {
    const ada = accounts.add('donor');
    const times = Array.from({ length: 9 }, (_, day) => `2026-01-0${day + 1}T00:00:00Z`);
    const ids = await acceptedAt(gateway.pools.donations, `user:${ada.user.id}`, times);
    const statuses = [
      'CAPTURED',
      'FAILED',
      null,
      'CAPTURED',
      'REFUNDED',
      'CAPTURED',
      'INITIATED',
      null,
      'CAPTURED',
    ];
    for (const [index, status] of statuses.entries())
      if (status !== null) await pledged(gateway.pools.donations, ids[index] ?? '', status);
    for (const status of [
      'INITIATED',
      'AUTHORIZED',
      'FAILED',
      'EXPIRED',
      'CAPTURED',
      'PARTIALLY_REFUNDED',
      'REFUNDED',
    ]) {
      const expected = ids.filter((_, index) => (statuses[index] ?? 'INITIATED') === status).toReversed();
      for (const limit of [1, 2, 100]) expect(await walk(ada, limit, `&status=${status}`)).toEqual(expected);
    }
  });
});

describe('is refused:', () => {
  test.each(['0', '101', '1.5', 'x', '', '10&limit=20'])('limit=%s', async (limit) => {
    const answer = await history(accounts.add('donor'), `?limit=${limit}`);
    expect([answer.status, problem(answer).code]).toEqual([400, 'invalid_parameter']);
  });

  test.each(['', 'x', 'W10', 'null', 'eyJhIjoxfQ&cursor=x'])('cursor=%s', async (cursor) => {
    const answer = await history(accounts.add('donor'), `?cursor=${cursor}`);
    expect([answer.status, problem(answer).code]).toEqual([400, 'invalid_parameter']);
  });

  test.each(['', 'captured', 'PAID', 'constructor', '__proto__', 'CAPTURED&status=FAILED'])(
    'status=%s',
    async (status) => {
      const answer = await history(accounts.add('donor'), `?status=${status}`);
      expect([answer.status, problem(answer).code]).toEqual([400, 'invalid_parameter']);
    },
  );

  test('to guests, to whoever shows a donation’s token, and to an expired access token: 401', async () => {
    const { donorToken } = donation(
      await donate(gateway, newKey(), donationBody(await newCampaign(gateway))),
    );
    const ada = accounts.add('donor');
    accounts.expire(ada);
    for (const headers of [[], [['Authorization', `Bearer ${donorToken}`] as const], [ada.header]])
      for (const method of ['GET', 'HEAD']) {
        const answer = await gateway.send({ method, path: '/me/donations', headers });
        expect([answer.status, answer.headers['www-authenticate']]).toEqual([401, 'Bearer']);
      }
  });

  test('every other method', async () => {
    for (const method of ['POST', 'PUT', 'PATCH', 'DELETE']) {
      const answer = await gateway.send({
        method,
        path: '/me/donations',
        headers: [accounts.add('donor').header],
      });
      expect([answer.status, answer.headers['allow']]).toEqual([405, 'GET, HEAD']);
    }
  });
});

test('a cursor of another account’s history shows nothing of it', async () => {
  const [ada, bob] = [accounts.add('donor'), accounts.add('donor')];
  const times = ['2026-01-01T00:00:00Z', '2026-01-02T00:00:00Z', '2026-01-03T00:00:00Z'];
  await acceptedAt(gateway.pools.donations, `user:${ada.user.id}`, times);
  const [own] = await acceptedAt(gateway.pools.donations, `user:${bob.user.id}`, ['2025-01-01T00:00:00Z']);
  const { nextCursor } = await page(ada, '?limit=1');
  expect((await page(bob, `?cursor=${String(nextCursor)}`)).data.map(({ id }) => id)).toEqual([own]);
});

describe('among many donations', () => {
  const busy = accounts.add('donor');
  const scope = `user:${busy.user.id}` as const;
  let pool: Pool;
  beforeAll(async () => {
    pool = createPool({ url: urls.donations, max: 2, name: 'test-many', statementTimeoutMs: 60_000 });
    // 10,000 of guests, 6,700 of 200 accounts, 3,300 of one, all among each other.
    await pool.query(
      `INSERT INTO donation_requests (id, scope, idempotency_key, fingerprint, campaign_id, amount, currency, payment_method, body, accepted_at)
       SELECT gen_random_uuid(), CASE WHEN n % 2 = 0 THEN 'guest' WHEN n % 6 = 1 THEN $1
           ELSE 'user:00000000-0000-4000-8000-' || lpad((n % 200)::text, 12, '0') END,
         'key-number-' || lpad(n::text, 12, '0'), sha256('x'), gen_random_uuid(), 2500, 'USD', 'pm_card_visa', '{}', now() - n * interval '1 s'
       FROM generate_series(1, 20000) AS n`,
      [scope],
    );
    await pool.query(
      `INSERT INTO pledges (id, campaign_id, amount, currency, status, version, idempotency_key)
       SELECT id, campaign_id, amount, currency, 'CAPTURED', 2, idempotency_key FROM donation_requests
       WHERE idempotency_key LIKE 'key-number-%'`,
    );
    await pool.query('ANALYZE donation_requests, pledges');
  }, 60_000);
  afterAll(() => pool.end());

  test.each<[name: string, changes: Partial<Wanted>]>([
    ['the first page', {}],
    ['a page in the middle', { after: { time: '2020-01-01T00:00:00.000000Z', id: randomUUID() } }],
    ['the largest page', { limit: 100 }],
  ])(
    '%s is read in order from an index, without a sort and without a table read whole',
    async (_name, changes) => {
      const wanted: Wanted = { limit: 20, after: readCursor(undefined), status: null, ...changes };
      for (const plan of await plansOf(pool, (asked) => createDonationHistory(asked).of(scope, wanted))) {
        expect(plan).toContain('donation_requests_history_idx');
        // Which donation came first of those that look alike is sorted out of a minute's.
        expect(plan).not.toMatch(/Seq Scan|Sort Key: r\.|Bitmap|Hash|Materialize/);
      }
    },
  );

  test.each(['CAPTURED', 'EXPIRED'] as const)(
    'those that are %s are looked for among the account’s own, never in a table read whole',
    async (status) => {
      const wanted: Wanted = { limit: 20, after: readCursor(undefined), status };
      for (const plan of await plansOf(pool, (asked) => createDonationHistory(asked).of(scope, wanted)))
        expect(plan).not.toMatch(/Seq Scan|Hash/);
    },
  );

  test('a page of the busiest account reads no more than its rows', async () => {
    const wanted: Wanted = { limit: 20, after: readCursor(undefined), status: null };
    const rows = await createDonationHistory(pool).of(scope, wanted);
    expect(rows).toHaveLength(21);
    const [plan = ''] = await plansOf(pool, (asked) => createDonationHistory(asked).of(scope, wanted));
    // A request and its pledge are a handful of pages each; the table has thousands.
    expect(Number(/Buffers: shared hit=(\d+)/.exec(plan)?.[1])).toBeLessThan(300);
  });
});

/** How PostgreSQL runs what `work` asks: planned for these values, and as it plans a statement that it has prepared. */
async function plansOf(pool: Pool, work: (pool: Pool) => Promise<unknown>): Promise<string[]> {
  const asked: { text: string; values: unknown[] }[] = [];
  const query = (statement: { text: string; values: unknown[] }): Promise<unknown> => {
    asked.push(statement);
    return pool.query(statement);
  };
  await work({ query } as unknown as Pool);
  const [statement] = asked;
  if (statement === undefined || asked.length > 1) throw new Error('one statement is expected');
  const client = await pool.connect();
  try {
    const explain = 'EXPLAIN (ANALYZE, BUFFERS)';
    const literals = statement.values.map((value) => client.escapeLiteral(String(value))).join(', ');
    const custom = await client.query<{ 'QUERY PLAN': string }>({
      text: `${explain} ${statement.text}`,
      values: statement.values,
    });
    await client.query(`SET plan_cache_mode = force_generic_plan; PREPARE asked AS ${statement.text}`);
    const generic = await client.query<{ 'QUERY PLAN': string }>(`${explain} EXECUTE asked (${literals})`);
    return [custom, generic].map(({ rows }) => rows.map((row) => row['QUERY PLAN']).join('\n'));
  } finally {
    client.release(true);
  }
}
