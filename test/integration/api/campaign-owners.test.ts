/** Whose a campaign is decides who may change it, and who knows of it before it is published. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ownerOf } from '../../../api/campaigns/store.ts';
import { isolatedDatabases } from '../database/isolated-databases.ts';
import { startGateway, type Gateway } from './gateway.ts';
import { json, problem } from './http-client.ts';
import {
  ADA,
  ANYBODY,
  ask,
  authenticate,
  BOB,
  campaignCount,
  DORA,
  make,
  OPERATOR,
  told,
} from './organizing.ts';

const { urls } = isolatedDatabases(['donations', 'payments', 'campaigns']);
let gateway: Gateway;
beforeAll(async () => {
  gateway = await startGateway({ urls, authenticate });
});
afterAll(async () => {
  await gateway[Symbol.asyncDispose]();
});

const UNKNOWN = '11111111-1111-4111-8111-111111111111';
const strangers = [
  ['anybody', ANYBODY, 401, 'unauthorized'],
  ['a donor', DORA, 403, 'forbidden'],
  ['another organizer', BOB, 403, 'forbidden'],
] as const;

test('a campaign belongs to the organizer who makes it, and an operator’s is the platform’s own', async () => {
  const { campaigns } = gateway.pools;
  expect(await ownerOf(campaigns, (await make(gateway, ADA)).id)).toBe(ADA.user.id);
  expect(await ownerOf(campaigns, (await make(gateway, OPERATOR)).id)).toBeNull();
  expect(await ownerOf(campaigns, UNKNOWN)).toBeNull();
  const { rows } = await campaigns.query('SELECT DISTINCT created_by FROM campaigns ORDER BY created_by');
  expect(rows).toEqual([ADA, OPERATOR].map(({ user }) => ({ created_by: `user:${user.id}` })));
});

test.each([
  ['anybody', ANYBODY, 401],
  ['a donor', DORA, 403],
] as const)('%s cannot make one', async (_name, who, status) => {
  const before = await campaignCount(gateway.pools.campaigns);
  const answer = await ask(gateway, who, 'POST /campaigns', { title: 'Mine', currency: 'USD' });
  expect(answer.status).toBe(status);
  expect(await campaignCount(gateway.pools.campaigns)).toBe(before);
});

describe('an open campaign', () => {
  test.each(strangers)('is not changed by %s', async (_name, who, status, code) => {
    const campaign = await make(gateway, ADA);
    for (const [call, body] of [
      [`PATCH /campaigns/${campaign.id}`, { title: 'Theirs' }],
      [`POST /campaigns/${campaign.id}/publish`],
      [`POST /campaigns/${campaign.id}/close`],
    ] as const) {
      const answer = await ask(gateway, who, call, body);
      expect([answer.status, problem(answer).code]).toEqual([status, code]);
    }
    expect(json(await ask(gateway, who, `GET /campaigns/${campaign.id}`))).toEqual(campaign);
    expect(await told(gateway.pools.campaigns, campaign.id)).toHaveLength(1);
  });

  test.each([
    ['its owner', ADA, 'owner'],
    ['an operator', OPERATOR, 'operator'],
  ] as const)('is changed and closed by %s', async (_name, who, reason) => {
    const { id } = await make(gateway, ADA);
    const edited = await ask(gateway, who, `PATCH /campaigns/${id}`, { title: 'Deep wells' });
    expect(json(edited)).toMatchObject({ id, title: 'Deep wells', version: 2, status: 'open' });
    const closed = await ask(gateway, who, `POST /campaigns/${id}/close`);
    expect(json(closed)).toMatchObject({ id, version: 3, status: 'closed' });
    const { rows } = await gateway.pools.campaigns.query(
      'SELECT closed_reason FROM campaigns WHERE id = $1',
      [id],
    );
    expect(rows).toEqual([{ closed_reason: reason }]);
  });

  test('of the platform is not an organizer’s to change', async () => {
    const { id } = await make(gateway, OPERATOR);
    const answer = await ask(gateway, ADA, `PATCH /campaigns/${id}`, { title: 'Mine' });
    expect([answer.status, problem(answer).code]).toEqual([403, 'forbidden']);
  });
});

describe('a draft', () => {
  const readers = strangers.map(([name, who]) => [name, who] as const);

  test.each(readers)('does not exist for %s, exactly as one that nobody made', async (_name, who) => {
    const { id, slug } = await make(gateway, ADA, { status: 'draft' });
    for (const [mine, nobodys] of [
      [`GET /campaigns/${id}`, `GET /campaigns/${UNKNOWN}`],
      [`GET /campaigns/${slug}`, 'GET /campaigns/nobodys'],
      [`GET /campaigns/${id}/total`, `GET /campaigns/${UNKNOWN}/total`],
    ] as const) {
      const [seen, unseen] = [await ask(gateway, who, mine), await ask(gateway, who, nobodys)];
      expect(seen.status).toBe(404);
      expect({ ...problem(seen), traceId: null }).toEqual({ ...problem(unseen), traceId: null });
      expect(seen.headers['etag']).toBeUndefined();
    }
    const list = json(await ask(gateway, who, 'GET /campaigns?limit=100')) as { data: { id: string }[] };
    expect(list.data.map((it) => it.id)).not.toContain(id);
    expect((await ask(gateway, who, `GET /campaigns?q=${slug}`)).text).not.toContain(id);
  });

  test('of somebody else cannot be told from none by an organizer who tries to change it', async () => {
    const { id } = await make(gateway, ADA, { status: 'draft' });
    for (const call of ['PATCH /campaigns/:id', 'POST /campaigns/:id/publish', 'POST /campaigns/:id/close']) {
      const body = call.startsWith('PATCH') ? { title: 'Theirs' } : undefined;
      const [seen, unseen] = await Promise.all(
        [id, UNKNOWN].map((it) => ask(gateway, BOB, call.replace(':id', it), body)),
      );
      if (seen === undefined || unseen === undefined) throw new Error('no answer');
      expect([seen.status, problem(seen).code]).toEqual([404, 'campaign_not_found']);
      expect({ ...problem(seen), traceId: null }).toEqual({ ...problem(unseen), traceId: null });
    }
    expect(await told(gateway.pools.campaigns, id)).toHaveLength(1);
  });

  test.each([
    ['its owner', ADA],
    ['an operator', OPERATOR],
  ] as const)('is shown to %s, and kept by no cache', async (_name, who) => {
    const draft = await make(gateway, ADA, { status: 'draft' });
    const answer = await ask(gateway, who, `GET /campaigns/${draft.id}`);
    expect(json(answer)).toEqual(draft);
    expect(draft).toMatchObject({ status: 'draft', publishedAt: null, closedAt: null });
    expect(answer.headers['cache-control']).toBe('private, no-store');
  });

  test('that is closed was never published: it stays its owner’s, and is closed for good', async () => {
    const { id } = await make(gateway, ADA, { status: 'draft' });
    const closed = json(await ask(gateway, ADA, `POST /campaigns/${id}/close`));
    expect(closed).toMatchObject({ status: 'closed', publishedAt: null });
    expect((await ask(gateway, ANYBODY, `GET /campaigns/${id}`)).status).toBe(404);
    expect((await ask(gateway, ADA, `GET /campaigns/${id}`)).status).toBe(200);
    const answer = await ask(gateway, ADA, `POST /campaigns/${id}/publish`);
    expect([answer.status, problem(answer).code]).toEqual([422, 'campaign_closed']);
  });

  test('is published once: public from then on, one event, and again changes nothing', async () => {
    const { id, slug } = await make(gateway, ADA, { status: 'draft' });
    const answers = await Promise.all(
      Array.from({ length: 10 }, () => ask(gateway, ADA, `POST /campaigns/${id}/publish`)),
    );
    for (const answer of answers) expect(json(answer)).toEqual(json(answers[0] ?? answer));
    expect(json(await ask(gateway, ANYBODY, `GET /campaigns/${slug}`))).toMatchObject({
      id,
      status: 'open',
      version: 2,
      publishedAt: expect.stringMatching(/^\d{4}-/) as string,
    });
    expect((await told(gateway.pools.campaigns, id)).map(({ version }) => version)).toEqual([1, 2]);
  });
});

describe('one’s own campaigns', () => {
  const mine = async (who: typeof ADA | null, more = ''): Promise<string[]> => {
    const answer = await ask(gateway, who, `GET /campaigns?owner=me&limit=100${more}`);
    expect(answer.status).toBe(200);
    expect(answer.headers['cache-control']).toBe('private, no-store');
    return (json(answer) as { data: { id: string }[] }).data.map(({ id }) => id);
  };

  test('are listed for their owner alone, drafts included', async () => {
    const [draft, open] = [await make(gateway, ADA, { status: 'draft' }), await make(gateway, ADA)];
    const [bobs, platforms] = [await make(gateway, BOB), await make(gateway, OPERATOR, { status: 'draft' })];
    expect((await mine(ADA)).slice(0, 2)).toEqual([open.id, draft.id]);
    expect((await mine(ADA, '&status=draft'))[0]).toBe(draft.id);
    expect(await mine(ADA)).not.toContain(bobs.id);
    expect(await mine(BOB)).not.toContain(draft.id);
    expect((await mine(OPERATOR))[0]).toBe(platforms.id);
    expect(await mine(OPERATOR)).not.toContain(open.id);
    expect(await mine(DORA)).toEqual([]);
  });

  test('are nobody’s without an account', async () => {
    const answer = await ask(gateway, ANYBODY, 'GET /campaigns?owner=me');
    expect([answer.status, problem(answer).code]).toEqual([401, 'unauthorized']);
  });

  test.each([ADA.user.id, '', 'you', 'me&owner=me'])('owner=%s is refused', async (owner) => {
    const answer = await ask(gateway, ADA, `GET /campaigns?owner=${owner}`);
    expect([answer.status, problem(answer).code]).toEqual([400, 'invalid_parameter']);
  });
});

test.each(['GET /campaigns', `GET /campaigns/${UNKNOWN}`])(
  'a token that does not count is told so, never read as nobody’s: %s',
  async (call) => {
    const answer = await ask(gateway, null, call, undefined, [['Authorization', 'Bearer expired']]);
    expect([answer.status, problem(answer).code]).toEqual([401, 'unauthorized']);
  },
);

test('no answer says whose a campaign is', async () => {
  const { id } = await make(gateway, ADA);
  for (const call of [`GET /campaigns/${id}`, 'GET /campaigns', `GET /campaigns/${id}/total`])
    expect((await ask(gateway, ANYBODY, call)).text).not.toContain(ADA.user.id);
});
