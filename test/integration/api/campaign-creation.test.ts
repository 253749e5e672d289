/** Making a campaign: what it may hold, its slug, and one key for one campaign. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { MAX_STORY_LENGTH } from '../../../domain/limits.ts';
import { isolatedDatabases } from '../database/isolated-databases.ts';
import { newKey, startGateway, type Gateway } from './gateway.ts';
import { json, problem, type Answer } from './http-client.ts';
import {
  ADA,
  ask,
  authenticate,
  BOB,
  campaignCount,
  inMs,
  letDeadlinePass,
  make,
  OPERATOR,
  told,
  type CampaignAnswer,
} from './organizing.ts';

const { urls } = isolatedDatabases(['donations', 'payments', 'campaigns']);
let gateway: Gateway;
beforeAll(async () => {
  gateway = await startGateway({ urls, authenticate });
});
afterAll(async () => {
  await gateway[Symbol.asyncDispose]();
});

const DAY_MS = 86_400_000;

test('a campaign keeps all that was said about it, and tells donations until when it takes them', async () => {
  const said = {
    title: 'Clean water',
    description: 'Twelve deep wells.',
    story: '# Why\n\nপানি is life. 🚰',
    slug: 'clean-water',
    coverUrl: 'https://images.example.org/wells.jpg?w=1200',
    currency: 'BHD',
    goal: 5_000_000,
    deadline: inMs(30 * DAY_MS),
    status: 'draft',
  };
  const made = await make(gateway, ADA, said);
  expect(made).toEqual({
    ...said,
    id: made.id,
    version: 1,
    createdAt: made.createdAt,
    publishedAt: null,
    closedAt: null,
  });
  expect(await told(gateway.pools.campaigns, made.id)).toEqual([
    {
      version: 1,
      payload: {
        campaignId: made.id,
        currency: 'BHD',
        status: 'draft',
        version: 1,
        deadline: said.deadline,
      },
    },
  ]);
});

test('an answer carries the version as ETag', async () => {
  const answer = await ask(gateway, ADA, 'POST /campaigns', { title: 'Wells', currency: 'USD' });
  expect([answer.headers['etag'], answer.headers['cache-control']]).toEqual(['"1"', 'no-cache']);
});

test.each([
  ['/slug', { slug: 'ab' }],
  ['/slug', { slug: 'Deep-Wells' }],
  ['/slug', { slug: 'deep--wells' }],
  ['/slug', { slug: '11111111-1111-4111-8111-111111111111' }],
  ['/slug', { slug: 'a'.repeat(81) }],
  ['/story', { story: 's'.repeat(MAX_STORY_LENGTH + 1) }],
  ['/story', { story: null }],
  ['/story', { story: 'a\u0000' }],
  ['/coverUrl', { coverUrl: 'http://example.org/a.jpg' }],
  ['/coverUrl', { coverUrl: 'http://localhost/a.jpg' }],
  ['/coverUrl', { coverUrl: '//example.org/a.jpg' }],
  ['/coverUrl', { coverUrl: 'javascript:alert(1)//https://example.org' }],
  ['/coverUrl', { coverUrl: 'https://ada:secret@example.org/a.jpg' }],
  ['/coverUrl', { coverUrl: 'https://ada@example.org/a.jpg' }],
  ['/coverUrl', { coverUrl: 'https://' }],
  ['/coverUrl', { coverUrl: `https://example.org/${'a'.repeat(2_048)}` }],
  // Each becomes three bytes more when it is written as every browser reads it.
  ['/coverUrl', { coverUrl: `https://example.org/${'é'.repeat(1_000)}` }],
  ['/deadline', { deadline: inMs(-1_000) }],
  ['/deadline', { deadline: inMs(6 * 366 * DAY_MS) }],
  ['/deadline', { deadline: '2030-01-31' }],
  ['/deadline', { deadline: '2030-01-31T12:00Z' }],
  ['/deadline', { deadline: '2030-01-31T12:00:00' }],
  ['/deadline', { deadline: '2029-02-30T12:00:00Z' }],
  ['/deadline', { deadline: '0000-01-01T00:00:00+14:00' }],
  ['/deadline', { deadline: 1_900_000_000_000 }],
  ['/ownerId', { ownerId: BOB.user.id }],
  ['/version', { version: 7 }],
  ['/publishedAt', { publishedAt: '2020-01-01T00:00:00Z' }],
])('one that is wrong at %s is refused: %j', async (pointer, fields) => {
  const before = await campaignCount(gateway.pools.campaigns);
  const answer = await ask(gateway, ADA, 'POST /campaigns', { title: 'Wells', currency: 'USD', ...fields });
  expect([answer.status, problem(answer).code]).toEqual([400, 'invalid_body']);
  expect(problem(answer).errors?.map((error) => error.pointer)).toContain(pointer);
  expect(await campaignCount(gateway.pools.campaigns)).toBe(before);
});

test('a deadline that passes while the campaign is made is refused as one that has passed', async () => {
  const answers: Answer[] = [];
  for (let ms = 0; ms < 12; ms += 1) answers.push(await post(null, { deadline: inMs(ms) }));
  for (const answer of answers.filter(({ status }) => status !== 201)) {
    expect([answer.status, problem(answer).code]).toEqual([400, 'invalid_body']);
    expect(problem(answer).errors).toEqual([{ pointer: '/deadline', detail: 'is not in the future' }]);
  }
  expect(answers[0]?.status).toBe(400);
});

test.each(['__proto__', 'constructor', 'prototype'])(
  'a body with %s changes nothing but its answer',
  async (name) => {
    const body = `{"title":"Wells","currency":"USD","${name}":{"status":"closed","goal":1}}`;
    const answer = await ask(gateway, ADA, 'POST /campaigns', body);
    expect([answer.status, problem(answer).code]).toEqual([400, 'invalid_body']);
    expect(({} as Record<string, unknown>)['goal']).toBeUndefined();
  },
);

test.each([
  ['https://Example.ORG', 'https://example.org/'],
  ['https://example.org/a b.jpg', 'https://example.org/a%20b.jpg'],
  [' https://example.org/a\n.jpg', 'https://example.org/a.jpg'],
  ['https://example.org:443/"><script>', 'https://example.org/%22%3E%3Cscript%3E'],
])('the cover %j is kept as every browser reads it', async (sent, kept) => {
  expect((await make(gateway, ADA, { coverUrl: sent })).coverUrl).toBe(kept);
});

test('the longest story in any script is taken, and a body beyond the limit is not read', async () => {
  const story = 'পা'.repeat(MAX_STORY_LENGTH / 2);
  const made = await make(gateway, ADA, { story });
  expect(json(await ask(gateway, ADA, `GET /campaigns/${made.id}`))).toMatchObject({ story });
  const body = { title: 'Wells', currency: 'USD', story: 's'.repeat(300_000) };
  const answer = await ask(gateway, ADA, 'POST /campaigns', body);
  expect([answer.status, problem(answer).code]).toEqual([413, 'body_too_large']);
});

describe('the slug', () => {
  test('comes from the title; a second campaign of that title gets the end of its id with it', async () => {
    const title = 'École sur l’eau — 2030!';
    const [first, second] = [await make(gateway, ADA, { title }), await make(gateway, BOB, { title })];
    expect(first.slug).toBe('ecole-sur-l-eau-2030');
    expect(second.slug).toBe(`ecole-sur-l-eau-2030-${second.id.slice(-12)}`);
  });

  test.each(['রংপুরের জন্য পানি', '!!', '👍👍👍👍', 'ab'])('is made up for the title "%s"', async (title) => {
    const { id, slug } = await make(gateway, ADA, { title });
    expect(slug).toBe(`campaign-${id.slice(-12)}`);
  });

  test('leads to the campaign, in any case, as its id does', async () => {
    const made = await make(gateway, ADA, { slug: 'one-way-in' });
    for (const name of ['one-way-in', 'One-Way-In', made.id, made.id.toUpperCase()])
      expect(json(await ask(gateway, null, `GET /campaigns/${name}`))).toEqual(made);
    for (const name of ['one-way', 'one_way_in', '..', '%00', 'a'.repeat(5_000)])
      expect((await ask(gateway, null, `GET /campaigns/${name}`)).status).toBe(404);
  });

  test('that another campaign has is refused, and the same key works with another one', async () => {
    await make(gateway, BOB, { slug: 'taken', status: 'draft' });
    const key = newKey();
    const answer = await post(key, { slug: 'taken' });
    expect([answer.status, problem(answer).code]).toEqual([409, 'slug_taken']);
    expect(problem(answer).errors?.map(({ pointer }) => pointer)).toEqual(['/slug']);
    expect((await post(key, { slug: 'free' })).status).toBe(201);
  });

  test('asked for by twenty at once is given once', async () => {
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => post(newKey(), { slug: 'contested' })),
    );
    expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([
      201,
      ...Array<number>(19).fill(409),
    ]);
  });
});

const post = (key: string | null, fields: object = {}, who = ADA): Promise<Answer> =>
  ask(
    gateway,
    who,
    'POST /campaigns',
    { title: 'Wells', currency: 'USD', ...fields },
    key === null ? [] : [['Idempotency-Key', key]],
  );
const idOf = (answer: Answer): string => (json(answer) as CampaignAnswer).id;

describe('an Idempotency-Key', () => {
  test('sent fifty times at once over two processes makes one campaign', async () => {
    await using other = await startGateway({ urls, authenticate });
    const before = await campaignCount(gateway.pools.campaigns);
    const key = newKey();
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, index) =>
        ask(
          index % 2 === 0 ? gateway : other,
          ADA,
          'POST /campaigns',
          { title: 'Once', currency: 'USD', slug: 'once' },
          [['Idempotency-Key', key]],
        ),
      ),
    );
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([201]));
    expect(new Set(answers.map(idOf)).size).toBe(1);
    expect(answers.filter(({ headers }) => headers['idempotent-replayed'] === undefined)).toHaveLength(1);
    expect(await campaignCount(gateway.pools.campaigns)).toBe(before + 1);
    expect(await told(gateway.pools.campaigns, idOf(answers[0] ?? (await post(key))))).toHaveLength(1);
  });

  test('answers the same campaign as it is now, whatever the spelling of the body', async () => {
    const key = newKey();
    const first = await post(key, { goal: 100 });
    await ask(gateway, ADA, `POST /campaigns/${idOf(first)}/close`);
    const body = `{ "goal":100, "story":"", "currency":"USD","title":" Wells ", "coverUrl":null}`;
    const again = await ask(gateway, ADA, 'POST /campaigns', body, [['Idempotency-Key', `"${key}"`]]);
    expect([again.status, again.headers['idempotent-replayed']]).toEqual([201, 'true']);
    expect(again.headers['location']).toBe(`/campaigns/${idOf(first)}`);
    expect(json(again)).toMatchObject({ id: idOf(first), status: 'closed', version: 2 });
  });

  test('used for another campaign is refused with nothing of the first', async () => {
    const key = newKey();
    const first = await post(key, { title: 'Canary' });
    for (const fields of [
      { title: 'Other' },
      { title: 'Canary', goal: 1 },
      { title: 'Canary', status: 'draft' },
    ]) {
      const answer = await post(key, fields);
      expect([answer.status, problem(answer).code]).toEqual([422, 'idempotency_key_reused']);
      expect(answer.text).not.toMatch(new RegExp(`Canary|${idOf(first)}`));
    }
  });

  test('of two people makes two campaigns', async () => {
    const key = newKey();
    const ids = [await post(key), await post(key, {}, BOB), await post(key, {}, OPERATOR)].map(idOf);
    expect(new Set(ids).size).toBe(3);
  });

  test('works after a body that was refused', async () => {
    const key = newKey();
    expect((await post(key, { goal: 0 })).status).toBe(400);
    expect((await post(key, { deadline: inMs(-1_000) })).status).toBe(400);
    const made = await post(key, { goal: 1 });
    expect([made.status, made.headers['idempotent-replayed']]).toEqual([201, undefined]);
  });

  test('still answers when the deadline that was asked for has passed', async () => {
    const [key, deadline] = [newKey(), inMs(1_500)];
    const made = await post(key, { deadline });
    expect(made.status).toBe(201);
    await new Promise((resolve) => {
      setTimeout(resolve, Date.parse(deadline) - Date.now() + 50);
    });
    const again = await post(key, { deadline });
    expect([again.status, idOf(again)]).toEqual([201, idOf(made)]);
    expect((await post(newKey(), { deadline })).status).toBe(400);
  });

  test.each([
    ['', 'idempotency_key_missing'],
    ['short', 'idempotency_key_invalid'],
    ['k'.repeat(256), 'idempotency_key_invalid'],
  ])('"%s" is refused: %s', async (key, code) => {
    const answer = await post(key);
    expect([answer.status, problem(answer).code]).toEqual([400, code]);
  });

  test('twice is refused', async () => {
    const headers = [newKey(), newKey()].map((key) => ['Idempotency-Key', key] as const);
    const answer = await ask(gateway, ADA, 'POST /campaigns', { title: 'Wells', currency: 'USD' }, headers);
    expect([answer.status, problem(answer).code]).toEqual([400, 'idempotency_key_repeated']);
  });

  test('is not needed: without one every request makes a campaign', async () => {
    expect(idOf(await post(null))).not.toBe(idOf(await post(null)));
  });
});

test('a draft whose deadline has passed is not published before it gets another one', async () => {
  const { id } = await make(gateway, ADA, { status: 'draft', deadline: inMs(DAY_MS) });
  await letDeadlinePass(gateway.pools.campaigns, id);
  const answer = await ask(gateway, ADA, `POST /campaigns/${id}/publish`);
  expect([answer.status, problem(answer).code]).toEqual([422, 'campaign_closed']);
  expect(problem(answer).errors).toEqual([
    { pointer: '/deadline', detail: 'has passed: set another one first' },
  ]);
  expect((await ask(gateway, ADA, `PATCH /campaigns/${id}`, { deadline: inMs(DAY_MS) })).status).toBe(200);
  expect((await ask(gateway, ADA, `POST /campaigns/${id}/publish`)).status).toBe(200);
});
