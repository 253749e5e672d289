/** Campaigns, their lists and totals, and who may read a donation. */
import { Buffer } from 'node:buffer';
import { randomUUID } from 'node:crypto';
import type { Pool } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { isolatedDatabases } from '../database/isolated-databases.ts';
import {
  closeCampaign,
  donate,
  donation,
  donationBody,
  getDonation,
  newCampaign,
  newKey,
  OPERATOR_TOKEN,
  startGateway,
  type Gateway,
} from './gateway.ts';
import { json, problem, type Answer } from './http-client.ts';

const { urls } = isolatedDatabases(['donations', 'payments', 'campaigns']);
let gateway: Gateway;
beforeAll(async () => {
  gateway = await startGateway({ urls });
});
afterAll(async () => {
  await gateway[Symbol.asyncDispose]();
});

const OPERATOR = ['Authorization', `Bearer ${OPERATOR_TOKEN}`] as const;
const UNKNOWN = '11111111-1111-4111-8111-111111111111';

type Campaign = { readonly id: string; readonly version: number; readonly status: string };
type Page = { readonly data: readonly Campaign[]; readonly nextCursor: string | null };

function get(path: string, headers: readonly (readonly [string, string])[] = []): Promise<Answer> {
  return gateway.send({ path, headers });
}

function create(
  fields: unknown,
  headers: readonly (readonly [string, string])[] = [OPERATOR],
): Promise<Answer> {
  return gateway.send({
    method: 'POST',
    path: '/campaigns',
    headers: [...headers, ['Content-Type', 'application/json']],
    body: JSON.stringify(fields),
  });
}

async function setTotals(pool: Pool, id: string, values: string): Promise<void> {
  await pool.query(`UPDATE campaign_totals SET ${values}, version = version + 1 WHERE campaign_id = $1`, [
    id,
  ]);
}

describe('a donation', () => {
  let id: string;
  let donorToken: string;
  beforeAll(async () => {
    ({ id, donorToken } = donation(
      await donate(gateway, newKey(), donationBody(await newCampaign(gateway))),
    ));
  });

  test('is shown to the guest who holds its token, whatever the case of the id', async () => {
    for (const spelling of [id, id.toUpperCase()]) {
      const answer = await getDonation(gateway, spelling, donorToken);
      expect(answer.status).toBe(200);
      expect(answer.headers['cache-control']).toBe('no-store');
      expect(json(answer)).toMatchObject({
        id,
        status: 'INITIATED',
        amount: 2500,
        currency: 'USD',
        version: 0,
      });
      // The token is given once, to whoever has the key.
      expect(json(answer)).not.toHaveProperty('donorToken');
    }
  });

  test('is shown to the operator', async () => {
    expect((await getDonation(gateway, id, OPERATOR_TOKEN)).status).toBe(200);
  });

  test('does not exist for anybody else, exactly as one that nobody made', async () => {
    const other = donation(await donate(gateway, newKey(), donationBody(await newCampaign(gateway))));
    const strangers = [
      null,
      'wrong',
      other.donorToken,
      donorToken.slice(0, -1),
      `${donorToken}A`,
      donorToken.toLowerCase(),
    ];
    const answers = await Promise.all(strangers.map((token) => getDonation(gateway, id, token)));
    const nobodys = await getDonation(gateway, UNKNOWN, donorToken);
    for (const answer of [...answers, nobodys]) {
      expect([answer.status, problem(answer).code]).toEqual([404, 'not_found']);
      expect({ ...problem(answer), traceId: null }).toEqual({ ...problem(nobodys), traceId: null });
    }
  });

  test.each(['x', '..%2f..%2fetc', '%00', `${UNKNOWN}0`, '%E0%A4%A'])('id "%s" is 404', async (wrong) => {
    expect((await getDonation(gateway, wrong, OPERATOR_TOKEN)).status).toBe(404);
  });

  test('with a failure shows its code', async () => {
    const key = newKey();
    const campaignId = await newCampaign(gateway);
    const made = donation(await donate(gateway, key, donationBody(campaignId)));
    await gateway.pools.donations.query(
      `INSERT INTO pledges (id, campaign_id, amount, currency, status, version, failure_code, idempotency_key, donor_email)
       VALUES ($1, $2, 2500, 'USD', 'FAILED', 2, 'card_declined', $3, 'ada@example.org')`,
      [made.id, campaignId, key],
    );
    const answer = await getDonation(gateway, made.id, made.donorToken);
    expect(json(answer)).toMatchObject({ status: 'FAILED', version: 2, failure: { code: 'card_declined' } });
    expect(answer.text).not.toContain('ada@example.org');
  });
});

describe('a campaign', () => {
  test('is created by the operator, open, with empty totals and an event in the same transaction', async () => {
    const answer = await create({ title: '  Wells  ', currency: 'JPY', goal: 5_000_000 });
    expect(answer.status).toBe(201);
    const campaign = json(answer) as Campaign;
    expect(answer.headers['location']).toBe(`/campaigns/${campaign.id}`);
    expect(campaign).toMatchObject({
      title: 'Wells',
      description: '',
      currency: 'JPY',
      goal: 5_000_000,
      status: 'open',
      version: 1,
    });
    expect(json(await get(`/campaigns/${campaign.id}`))).toEqual(campaign);
    expect(json(await get(`/campaigns/${campaign.id}/total`))).toMatchObject({
      raised: 0,
      donationCount: 0,
      version: 0,
    });
    const { rows } = await gateway.pools.campaigns.query(
      'SELECT type, version, payload FROM outbox_events WHERE aggregate_id = $1',
      [campaign.id],
    );
    expect(rows).toEqual([
      {
        type: 'campaign.changed.v1',
        version: 1,
        payload: { campaignId: campaign.id, currency: 'JPY', status: 'open', version: 1 },
      },
    ]);
  });

  test.each([
    ['nobody', []],
    ['another token', [['Authorization', 'Bearer something-else']]],
    ['another scheme', [['Authorization', `Basic ${OPERATOR_TOKEN}`]]],
    ['an empty one', [['Authorization', '']]],
  ] as const)('is not created or closed for %s', async (_name, headers) => {
    const before = (json(await get('/campaigns?limit=100')) as Page).data.length;
    expect((await create({ title: 'Mine', currency: 'USD' }, headers)).status).toBe(401);
    const id = await newCampaign(gateway);
    expect((await gateway.send({ method: 'POST', path: `/campaigns/${id}/close`, headers })).status).toBe(
      401,
    );
    expect(json(await get(`/campaigns/${id}`))).toMatchObject({ status: 'open' });
    expect((json(await get('/campaigns?limit=100')) as Page).data).toHaveLength(before + 1);
  });

  test.each([
    ['/title', { currency: 'USD' }],
    ['/title', { title: '  ', currency: 'USD' }],
    ['/title', { title: 'a'.repeat(141), currency: 'USD' }],
    ['/title', { title: 'a\u0000', currency: 'USD' }],
    ['/currency', { title: 'a', currency: 'usd' }],
    ['/goal', { title: 'a', currency: 'USD', goal: 0 }],
    ['/goal', { title: 'a', currency: 'USD', goal: 1.5 }],
    ['/goal', { title: 'a', currency: 'USD', goal: '100' }],
    ['/status', { title: 'a', currency: 'USD', status: 'closed' }],
    ['/id', { title: 'a', currency: 'USD', id: UNKNOWN }],
    ['/description', { title: 'a', currency: 'USD', description: 'a'.repeat(5_001) }],
    ['/description', { title: 'a', currency: 'USD', description: 1.5 }],
  ])('that is wrong at %s is refused', async (pointer, fields) => {
    const answer = await create(fields);
    expect(answer.status).toBe(400);
    expect(problem(answer).errors?.map((error) => error.pointer)).toContain(pointer);
  });

  test('is closed once: the version grows, one more event, and closing again changes nothing', async () => {
    const id = await newCampaign(gateway);
    const closed = await closeCampaign(gateway, id);
    expect(json(closed)).toMatchObject({ id, status: 'closed', version: 2 });
    expect(json(await closeCampaign(gateway, id))).toEqual(json(closed));
    const { rows } = await gateway.pools.campaigns.query(
      'SELECT version FROM outbox_events WHERE aggregate_id = $1 ORDER BY version',
      [id],
    );
    expect(rows).toEqual([{ version: 1 }, { version: 2 }]);
  });

  test('closed by twenty at once is closed once', async () => {
    const id = await newCampaign(gateway);
    const answers = await Promise.all(Array.from({ length: 20 }, () => closeCampaign(gateway, id)));
    for (const answer of answers) expect(json(answer)).toMatchObject({ status: 'closed', version: 2 });
  });

  test.each([`/campaigns/${UNKNOWN}`, `/campaigns/${UNKNOWN}/total`, '/campaigns/x', '/campaigns/x/total'])(
    'that is not there is 404: %s',
    async (path) => {
      const answer = await get(path);
      expect([answer.status, problem(answer).code]).toEqual([404, 'campaign_not_found']);
    },
  );

  test('that is not there cannot be closed', async () => {
    expect(problem(await closeCampaign(gateway, UNKNOWN)).code).toBe('campaign_not_found');
    expect(problem(await closeCampaign(gateway, 'x')).code).toBe('campaign_not_found');
  });
});

describe('the list of campaigns', () => {
  async function walk(limit: number): Promise<string[]> {
    const ids: string[] = [];
    let cursor: string | null = null;
    do {
      const answer = await get(`/campaigns?limit=${limit}${cursor === null ? '' : `&cursor=${cursor}`}`);
      expect(answer.status).toBe(200);
      const page = json(answer) as Page;
      expect(page.data.length).toBeLessThanOrEqual(limit);
      ids.push(...page.data.map(({ id }) => id));
      cursor = page.nextCursor;
    } while (cursor !== null);
    return ids;
  }

  test('gives every campaign once, newest first, whatever the size of the page, also those of the same moment', async () => {
    const { campaigns } = gateway.pools;
    // Within one millisecond, and several in the very same microsecond.
    const inserted = Array.from({ length: 23 }, (_, index) => ({
      id: randomUUID(),
      at: `2031-01-01T00:00:00.${String(100_000 + Math.floor(index / 3)).padStart(6, '0')}Z`,
    }));
    for (const { id, at } of inserted) {
      await campaigns.query(
        `INSERT INTO campaigns (id, title, currency, status, created_by, created_at) VALUES ($1, 'Same moment', 'USD', 'open', 'test', $2)`,
        [id, at],
      );
    }
    const all = await walk(100);
    expect(new Set(all).size).toBe(all.length);
    for (const { id } of inserted) expect(all).toContain(id);
    for (const limit of [1, 2, 3, 7]) expect(await walk(limit)).toEqual(all);
    const { rows } = await campaigns.query<{ count: number }>('SELECT count(*) AS count FROM campaigns');
    expect(all).toHaveLength(rows[0]?.count ?? -1);
  });

  test('takes 20 when not told, and ends with no cursor', async () => {
    const first = json(await get('/campaigns')) as Page;
    expect(first.data).toHaveLength(20);
    expect(first.nextCursor).not.toBeNull();
  });

  test.each(['0', '-1', '101', '1.5', '1e1', 'x', '', '%20', '10&limit=20'])(
    'limit=%s is refused',
    async (limit) => {
      const answer = await get(`/campaigns?limit=${limit}`);
      expect([answer.status, problem(answer).code]).toEqual([400, 'invalid_parameter']);
    },
  );

  const cursor = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const now = '2026-01-01T00:00:00.000000Z';
  test.each([
    ['empty', ''],
    ['no cursor', 'x'],
    ['other JSON', cursor({ a: 1 })],
    ['a word for a time', cursor(['yesterday', UNKNOWN])],
    ['a word for an id', cursor([now, 'x'])],
    ['a year that PostgreSQL does not have', cursor(['0000-01-01T00:00:00.000000Z', UNKNOWN])],
    ['a day that no calendar has', cursor(['2026-02-30T00:00:00.000000Z', UNKNOWN])],
    ['a time that is not exact', cursor(['2026-01-01T00:00:00.000Z', UNKNOWN])],
    ['a fraction without end', cursor([`2026-01-01T00:00:00.${'0'.repeat(300)}Z`, UNKNOWN])],
    ['a third part', cursor([now, UNKNOWN, 1])],
    ['SQL', cursor([`${now}'; DROP TABLE campaigns`, UNKNOWN])],
    ['twice', `${cursor([now, UNKNOWN])}&cursor=${cursor([now, UNKNOWN])}`],
  ])('a cursor that no list gave is refused: %s', async (_name, value) => {
    const answer = await get(`/campaigns?cursor=${value}`);
    expect([answer.status, problem(answer).code]).toEqual([400, 'invalid_parameter']);
  });
});

describe('the total of a campaign', () => {
  test('is captured less refunds and lost disputes', async () => {
    const id = await newCampaign(gateway, { goal: 10_000 });
    await setTotals(
      gateway.pools.campaigns,
      id,
      'total_pledged = 9000, total_captured = 7000, total_refunded = 1500, dispute_lost = 500, donation_count = 3',
    );
    const answer = await get(`/campaigns/${id}/total`);
    expect(json(answer)).toEqual({
      campaignId: id,
      currency: 'USD',
      raised: 5_000,
      totalPledged: 9_000,
      totalCaptured: 7_000,
      totalRefunded: 1_500,
      donationCount: 3,
      goal: 10_000,
      version: 1,
      asOf: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/) as string,
    });
  });

  test('has a strong ETag, is 304 while nothing changed and new afterwards', async () => {
    const id = await newCampaign(gateway);
    const first = await get(`/campaigns/${id}/total`);
    const etag = first.headers['etag'] ?? '';
    expect(etag).toMatch(/^"[^"]+"$/);
    for (const value of [etag, `W/${etag}`, `"x", ${etag}`, '*']) {
      const same = await get(`/campaigns/${id}/total`, [['If-None-Match', value]]);
      expect([same.status, same.text, same.headers['etag']]).toEqual([304, '', etag]);
    }
    await setTotals(gateway.pools.campaigns, id, 'total_pledged = 100');
    const changed = await get(`/campaigns/${id}/total`, [['If-None-Match', etag]]);
    expect(changed.status).toBe(200);
    expect(changed.headers['etag']).not.toBe(etag);
    for (const value of ['', '""', 'x', '"']) {
      expect((await get(`/campaigns/${id}/total`, [['If-None-Match', value]])).status).toBe(200);
    }
  });

  test('has another ETag once its goal is another', async () => {
    const id = await newCampaign(gateway, { goal: 10_000 });
    const { headers } = await get(`/campaigns/${id}/total`);
    await gateway.pools.campaigns.query(
      'UPDATE campaigns SET goal = 20000, version = version + 1 WHERE id = $1',
      [id],
    );
    const again = await get(`/campaigns/${id}/total`, [['If-None-Match', headers['etag'] ?? '']]);
    expect([again.status, (json(again) as { goal: number }).goal]).toEqual([200, 20_000]);
  });

  test('costs one statement that reads two rows by key and adds nothing up, however many ask', async () => {
    const id = await newCampaign(gateway);
    const statements: string[] = [];
    const { campaigns } = gateway.pools;
    const recorded = campaigns.query.bind(campaigns);
    type Query = (config: { text: string }) => unknown;
    campaigns.query = ((config: { text: string }) => {
      statements.push(config.text);
      return (recorded as unknown as Query)(config);
    }) as unknown as typeof campaigns.query;
    let connects = 0;
    const connected = (): void => {
      connects += 1;
    };
    campaigns.on('acquire', connected);
    try {
      await Promise.all(Array.from({ length: 50 }, () => get(`/campaigns/${id}/total`)));
    } finally {
      campaigns.query = recorded;
      campaigns.off('acquire', connected);
    }
    expect(statements).toHaveLength(50);
    // No statement took another way than `query`.
    expect(connects).toBe(50);
    expect(new Set(statements).size).toBe(1);
    const [statement = ''] = statements;
    expect(statement).not.toMatch(/\b(sum|count|avg|min|max|group\s+by|over|having|distinct)\b/i);
    expect(statement).not.toMatch(/applied_entries|outbox_events/);
    const { rows } = await campaigns.query<{ 'QUERY PLAN': unknown }>({
      text: `EXPLAIN (FORMAT JSON) ${statement.replace('$1', `'${id}'`)}`,
    });
    const plan = JSON.stringify(rows[0]?.['QUERY PLAN']);
    expect(plan).not.toMatch(/Aggregate|Sort|Hash/);
  });
});

describe('methods', () => {
  const id = UNKNOWN;
  test.each([
    ['PUT', '/donate', 'POST'],
    ['GET', '/donate', 'POST'],
    ['DELETE', `/donations/${id}`, 'GET, HEAD'],
    ['POST', `/donations/${id}`, 'GET, HEAD'],
    ['DELETE', '/campaigns', 'GET, HEAD, POST'],
    ['PUT', `/campaigns/${id}`, 'GET, HEAD, PATCH'],
    ['GET', `/campaigns/${id}/publish`, 'POST'],
    ['GET', `/campaigns/${id}/close`, 'POST'],
    ['POST', `/campaigns/${id}/total`, 'GET, HEAD'],
    ['GET', '/webhooks/stripe', 'POST'],
    ['POST', '/livez', 'GET, HEAD'],
    ['DELETE', '/readyz', 'GET, HEAD'],
  ])('%s %s is 405 and says what is allowed: %s', async (method, path, allowed) => {
    const answer = await gateway.send({ method, path });
    expect([answer.status, problem(answer).code]).toEqual([405, 'method_not_allowed']);
    expect(answer.headers['allow']).toBe(allowed);
  });

  test.each([
    ['/donate', 'POST'],
    ['/campaigns', 'GET, HEAD, POST'],
    [`/campaigns/${id}/total`, 'GET, HEAD'],
    ['/webhooks/stripe', 'POST'],
  ])('OPTIONS %s says what is allowed: %s', async (path, allowed) => {
    const answer = await gateway.send({ method: 'OPTIONS', path });
    expect([answer.status, answer.headers['allow'], answer.text]).toEqual([204, allowed, '']);
  });

  test('HEAD answers as GET does, without the body', async () => {
    const campaign = await newCampaign(gateway);
    for (const path of [
      '/campaigns',
      `/campaigns/${campaign}`,
      `/campaigns/${campaign}/total`,
      '/livez',
      '/readyz',
      '/nowhere',
    ]) {
      const [whole, head] = [await get(path), await gateway.send({ method: 'HEAD', path })];
      expect([head.status, head.text]).toEqual([whole.status, '']);
      for (const name of ['content-type', 'content-length', 'etag'])
        expect(head.headers[name]).toBe(whole.headers[name]);
    }
  });

  test.each(['/', '/nowhere', '/donations', '/Donate/x', '/campaigns/x/y/z', '/metrics', '/admin'])(
    'an unknown address is 404: %s',
    async (path) => {
      const answer = await get(path);
      expect([answer.status, problem(answer).code]).toEqual([404, 'not_found']);
    },
  );

  test('no answer names the framework', async () => {
    for (const path of ['/campaigns', '/nowhere'])
      expect((await get(path)).headers['x-powered-by']).toBeUndefined();
  });
});
