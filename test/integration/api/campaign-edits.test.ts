/** Changing a campaign: only what may change, never on what somebody else has changed meanwhile. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { isolatedDatabases } from '../database/isolated-databases.ts';
import { startGateway, type Gateway } from './gateway.ts';
import { json, problem, type Answer } from './http-client.ts';
import {
  ADA,
  ask,
  authenticate,
  inMs,
  letDeadlinePass,
  make,
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
const UNKNOWN = '11111111-1111-4111-8111-111111111111';

function edit(id: string, body: unknown, ifMatch?: string): Promise<Answer> {
  const headers = ifMatch === undefined ? [] : [['If-Match', ifMatch] as const];
  return ask(gateway, ADA, `PATCH /campaigns/${id}`, body, headers);
}
const read = async (id: string): Promise<CampaignAnswer> =>
  json(await ask(gateway, ADA, `GET /campaigns/${id}`)) as CampaignAnswer;
const versions = async (id: string): Promise<number[]> =>
  (await told(gateway.pools.campaigns, id)).map(({ version }) => version);

const CHANGES = {
  title: 'Deep wells',
  description: 'Deeper.',
  story: 'Longer.',
  coverUrl: 'https://example.org/b.jpg',
  goal: 200,
  deadline: inMs(2 * DAY_MS),
};

test('what is named changes, the rest stays, and one event tells the new version', async () => {
  for (const [field, value] of Object.entries(CHANGES)) {
    const before = await make(gateway, ADA, { goal: 100, story: 'Short.' });
    const answer = await edit(before.id, { [field]: value });
    expect(json(answer)).toEqual({ ...before, [field]: value, version: 2 });
    expect(answer.headers['etag']).toBe('"2"');
    expect(await read(before.id)).toEqual(json(answer));
    expect(await versions(before.id)).toEqual([1, 2]);
  }
});

test('everything at once is one version', async () => {
  const before = await make(gateway, ADA);
  expect(json(await edit(before.id, CHANGES))).toEqual({ ...before, ...CHANGES, version: 2 });
});

test('null takes a goal, a deadline and a cover away, and donations are told that there is no deadline', async () => {
  const before = await make(gateway, ADA, { goal: 1, deadline: inMs(DAY_MS), coverUrl: CHANGES.coverUrl });
  const none = { goal: null, deadline: null, coverUrl: null };
  expect(json(await edit(before.id, none))).toEqual({ ...before, ...none, version: 2 });
  expect((await told(gateway.pools.campaigns, before.id))[1]?.payload).not.toHaveProperty('deadline');
});

test('nothing, or what is so already, changes nothing: same version, no event', async () => {
  const before = await make(gateway, ADA, CHANGES);
  const same = { ...CHANGES, title: '  Deep wells ', deadline: CHANGES.deadline.replace('Z', '+00:00') };
  for (const body of [{}, { title: before.title }, same, { slug: before.slug }]) {
    const answer = await edit(before.id, body);
    expect([answer.status, json(answer)]).toEqual([200, before]);
  }
  expect(await versions(before.id)).toEqual([1]);
});

test.each([
  ['/currency', { currency: 'EUR' }],
  ['/currency', { currency: 'USD' }],
  ['/status', { status: 'closed' }],
  ['/ownerId', { ownerId: ADA.user.id }],
  ['/id', { id: UNKNOWN }],
  ['/version', { version: 9 }],
  ['/createdAt', { createdAt: '2020-01-01T00:00:00Z' }],
  ['/closedAt', { closedAt: null }],
  ['/title', { title: '' }],
  ['/title', { title: null }],
  ['/goal', { goal: -1 }],
  ['/goal', { goal: '100' }],
  ['/deadline', { deadline: inMs(-1_000) }],
  ['/deadline', { deadline: inMs(6 * 366 * DAY_MS) }],
  ['/coverUrl', { coverUrl: 'ftp://example.org/a.jpg' }],
  ['', []],
  ['', 'text'],
])('what is wrong at "%s" changes nothing of it: %j', async (pointer, body) => {
  const before = await make(gateway, ADA);
  // Beside a change that is right.
  const sent =
    Array.isArray(body) || typeof body === 'string' ? JSON.stringify(body) : { story: 'New.', ...body };
  const answer = await edit(before.id, sent);
  expect([answer.status, problem(answer).code]).toEqual([400, 'invalid_body']);
  expect(problem(answer).errors?.map((error) => error.pointer)).toContain(pointer);
  expect(await read(before.id)).toEqual(before);
});

test.each(['__proto__', 'constructor'])('a body with %s changes nothing', async (name) => {
  const before = await make(gateway, ADA);
  const answer = await edit(before.id, `{"${name}":{"title":"Polluted"}}`);
  expect([answer.status, problem(answer).code]).toEqual([400, 'invalid_body']);
  expect(await read(before.id)).toEqual(before);
});

test('of a campaign that is not there is 404', async () => {
  for (const id of [UNKNOWN, 'x', 'a-slug']) {
    const answer = await edit(id, { title: 'a' });
    expect([answer.status, problem(answer).code]).toEqual([404, 'campaign_not_found']);
  }
});

describe('If-Match', () => {
  test.each(['"1"', '*', '"7", "1"', ' "1" '])('%s lets a change of version 1 through', async (ifMatch) => {
    const { id } = await make(gateway, ADA);
    expect((await edit(id, { title: 'New' }, ifMatch)).status).toBe(200);
  });

  test.each(['"2"', '"01"', 'W/"1"', '""', '"1 "'])(
    '%s is 409 at version 1, and changes nothing',
    async (ifMatch) => {
      const before = await make(gateway, ADA);
      for (const body of [{ title: 'New' }, {}]) {
        const answer = await edit(before.id, body, ifMatch);
        expect([answer.status, problem(answer).code]).toEqual([409, 'campaign_conflict']);
      }
      expect(await read(before.id)).toEqual(before);
    },
  );

  test.each(['1', '"1', '', '"1" "2"', '"1",'])('%s is no list of ETags', async (ifMatch) => {
    const before = await make(gateway, ADA);
    const answer = await edit(before.id, { title: 'New' }, ifMatch);
    expect([answer.status, problem(answer).code]).toEqual([400, 'invalid_parameter']);
    expect(await read(before.id)).toEqual(before);
  });

  test('of twenty who have read the same version, one writes', async () => {
    const { id } = await make(gateway, ADA);
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, index) => edit(id, { title: `Title ${index}` }, '"1"')),
    );
    const written = answers.filter(({ status }) => status === 200);
    expect(written).toHaveLength(1);
    expect(answers.filter(({ status }) => status === 409)).toHaveLength(19);
    expect(await read(id)).toEqual(json(written[0] ?? answers[0] ?? (await edit(id, {}))));
    expect(await versions(id)).toEqual([1, 2]);
  });
});

test('twenty at once without If-Match are twenty versions, none of them lost', async () => {
  const { id } = await make(gateway, ADA);
  const fields = ['title', 'description', 'story', 'goal'];
  const answers = await Promise.all(
    Array.from({ length: 20 }, (_, index) => {
      const field = fields[index % 4] ?? '';
      return edit(id, { [field]: field === 'goal' ? index + 1 : `${field} ${index}` });
    }),
  );
  for (const { status } of answers) expect(status).toBe(200);
  expect(await versions(id)).toEqual(Array.from({ length: 21 }, (_, index) => index + 1));
  const now = await read(id);
  expect(now.version).toBe(21);
  for (const field of ['title', 'description', 'story'] as const) expect(now[field]).toMatch(/ \d+$/);
});

describe('the ETag of a campaign', () => {
  test('is its version: 304 while nothing changed, new afterwards', async () => {
    const { id, slug } = await make(gateway, ADA);
    const known = [['If-None-Match', '"1"']] as const;
    for (const name of [id, slug]) {
      const same = await ask(gateway, null, `GET /campaigns/${name}`, undefined, known);
      expect([same.status, same.text, same.headers['etag']]).toEqual([304, '', '"1"']);
    }
    await edit(id, { title: 'New' });
    const changed = await ask(gateway, null, `GET /campaigns/${id}`, undefined, known);
    expect([changed.status, changed.headers['etag']]).toEqual([200, '"2"']);
  });
});

describe('the slug', () => {
  test('of a draft may change, and leads there at once', async () => {
    const { id, slug } = await make(gateway, ADA, { status: 'draft' });
    expect(json(await edit(id, { slug: 'better-name' }))).toMatchObject({ slug: 'better-name', version: 2 });
    expect((await read('better-name')).id).toBe(id);
    expect((await ask(gateway, ADA, `GET /campaigns/${slug}`)).status).toBe(404);
  });

  test.each(['open', 'closed'])('of one that is %s is fixed', async (status) => {
    const { id } = await make(gateway, ADA);
    if (status === 'closed') await ask(gateway, ADA, `POST /campaigns/${id}/close`);
    const before = await read(id);
    const answer = await edit(id, { slug: 'too-late', title: 'New' });
    expect([answer.status, problem(answer).code]).toEqual([422, 'campaign_fixed']);
    expect(problem(answer).errors?.map(({ pointer }) => pointer)).toEqual(['/slug']);
    expect(await read(id)).toEqual(before);
  });

  test('that another campaign has is refused', async () => {
    await make(gateway, ADA, { slug: 'first-come' });
    const before = await make(gateway, ADA, { status: 'draft' });
    const answer = await edit(before.id, { slug: 'first-come', title: 'New' });
    expect([answer.status, problem(answer).code]).toEqual([409, 'slug_taken']);
    expect(await read(before.id)).toEqual(before);
  });
});

describe('a campaign that has ended', () => {
  test.each(['closed', 'past its deadline'])(
    'and is %s keeps goal and deadline; its words may change',
    async (how) => {
      const { id } = await make(gateway, ADA, { goal: 100, deadline: inMs(DAY_MS) });
      if (how === 'closed') await ask(gateway, ADA, `POST /campaigns/${id}/close`);
      else await letDeadlinePass(gateway.pools.campaigns, id);
      const before = await read(id);
      for (const [pointer, body] of [
        ['/goal', { goal: 50 }],
        ['/goal', { goal: null, story: 'New' }],
        ['/deadline', { deadline: inMs(3 * DAY_MS) }],
        ['/deadline', { deadline: null }],
      ] as const) {
        const answer = await edit(id, body);
        expect([answer.status, problem(answer).code]).toEqual([422, 'campaign_fixed']);
        expect(problem(answer).errors?.map((error) => error.pointer)).toEqual([pointer]);
      }
      expect(await read(id)).toEqual(before);
      const words = {
        title: 'Thank you',
        description: 'Done.',
        story: 'It flows.',
        coverUrl: CHANGES.coverUrl,
      };
      // The whole form sent back, with what is fixed as it is.
      const answer = await edit(id, {
        ...words,
        goal: before.goal,
        deadline: before.deadline,
        slug: before.slug,
      });
      expect(json(answer)).toEqual({ ...before, ...words, version: before.version + 1 });
    },
  );
});
