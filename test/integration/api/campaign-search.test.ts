/** The lists of campaigns: by status, by words, in pages that stay what they are. */
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { isolatedDatabases } from '../database/isolated-databases.ts';
import { startGateway, type Gateway } from './gateway.ts';
import { json, problem } from './http-client.ts';
import { ADA, ask, authenticate, make, type CampaignAnswer } from './organizing.ts';

const { urls } = isolatedDatabases(['donations', 'payments', 'campaigns']);
let gateway: Gateway;
beforeAll(async () => {
  gateway = await startGateway({ urls, authenticate });
});
afterAll(async () => {
  await gateway[Symbol.asyncDispose]();
});

type Page = { readonly data: readonly CampaignAnswer[]; readonly nextCursor: string | null };

async function page(query: Readonly<Record<string, string>>): Promise<Page> {
  const answer = await ask(gateway, null, `GET /campaigns?${new URLSearchParams(query).toString()}`);
  if (answer.status !== 200) throw new Error(`no page: ${answer.text}`);
  return json(answer) as Page;
}
const found = async (q: string): Promise<string[]> =>
  (await page({ q, limit: '100' })).data.map(({ id }) => id);

describe('the search', () => {
  let wells: CampaignAnswer;
  let blankets: CampaignAnswer;
  beforeAll(async () => {
    wells = await make(gateway, ADA, {
      title: 'Tubewells for Rangpur',
      description: 'Twelve of them, arsenic-free.',
      story: 'পরিষ্কার পানি — write to us at help@wells.example, or see https://wells.example/why. Élan vital.',
    });
    blankets = await make(gateway, ADA, {
      title: 'Blankets for Rangpur',
      story: 'It’s cold; 12.5 below zero.',
    });
  });

  test.each([
    ['a word of the title', 'Tubewells'],
    ['a word of the description', 'twelve'],
    ['a word of the story', 'write'],
    ['any case', 'tUBEwELLS rANGPUR'],
    ['the beginning of the last word', 'rangpur tubew'],
    ['one letter', 't'],
    ['words in any order and place', 'arsenic rangpur vital'],
    ['another script', 'পানি'],
    ['the beginning of a word in it', 'পরিষ্কার পা'],
    ['accents, in any case', 'ÉLAN'],
    ['their small letters', 'él'],
    ['a hyphenated word', 'arsenic-free'],
    ['half a hyphenated word', 'arsenic'],
    ['the beginning of one', 'arsenic-fr'],
    ['an address', 'help@wells.example'],
    ['white space around', '  tubewells\t\n '],
  ])('finds by %s: "%s"', async (_name, q) => {
    expect(await found(q)).toEqual([wells.id]);
  });

  test.each([
    ['a word that is not there', 'tubewells nowhere'],
    ['the end of a word', 'wells rangp for ubewells'],
    ['the beginning of a word that is not the last', 'tubew rangpur'],
    ['punctuation alone', '!!! & | ( ) :*'],
  ])('does not find by %s: "%s"', async (_name, q) => {
    expect(await found(q)).toEqual([]);
  });

  test('finds all that fit, newest first', async () => {
    expect(await found('rangpur')).toEqual([blankets.id, wells.id]);
  });

  test.each(['12.5', 'it’s cold', '12.5 below'])(
    'finds numbers and quotes as they were written: %s',
    async (q) => {
      expect(await found(q)).toEqual([blankets.id]);
    },
  );

  test('finds what an edit has written, and no longer what it has removed', async () => {
    const { id } = await make(gateway, ADA, { title: 'Beforehand' });
    await ask(gateway, ADA, `PATCH /campaigns/${id}`, { title: 'Afterwards' });
    expect([await found('beforehand'), await found('afterwards')]).toEqual([[], [id]]);
  });

  test('takes the quoting of no language for its own', async () => {
    for (const q of [
      `'`,
      `''`,
      `\\`,
      `\\'`,
      `qq'b`,
      `'qq' | 'b'`,
      `!qq`,
      `qq:*b`,
      `qq <-> b`,
      `qq$1`,
      `';--`,
      '%',
      '*',
    ])
      expect(await found(q), q).toEqual([]);
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: 'binary', minLength: 1, maxLength: 40 }), async (q) => {
        const query = new URLSearchParams({ q }).toString();
        const answer = await ask(gateway, null, `GET /campaigns?${query}`);
        const refused = q.trim() === '' || q.includes('\0');
        expect(answer.status).toBe(refused ? 400 : 200);
      }),
      { seed: 20_260_101, numRuns: 200 },
    );
  });

  test.each(['', '%20', 'a'.repeat(101), 'a%00', 'a&q=b', '%00'])('q=%s is refused', async (q) => {
    const answer = await ask(gateway, null, `GET /campaigns?q=${q}`);
    expect([answer.status, problem(answer).code]).toEqual([400, 'invalid_parameter']);
  });

  test('reads the index, not the campaigns', async () => {
    const client = await gateway.pools.campaigns.connect();
    try {
      await client.query('BEGIN; SET LOCAL enable_seqscan = off');
      const { rows } = await client.query(
        `EXPLAIN (FORMAT JSON) SELECT id FROM campaigns WHERE search @@ to_tsquery('simple', '''wells'':*')`,
      );
      expect(JSON.stringify(rows)).toContain('campaigns_search_idx');
    } finally {
      await client.query('ROLLBACK');
      client.release();
    }
  });
});

describe('the list', () => {
  test('by status holds those alone, and no drafts for the public', async () => {
    const [open, closed, draft] = [
      await make(gateway, ADA),
      await make(gateway, ADA),
      await make(gateway, ADA, { status: 'draft' }),
    ];
    await ask(gateway, ADA, `POST /campaigns/${closed.id}/close`);
    for (const [status, there] of [
      ['open', open.id],
      ['closed', closed.id],
    ] as const) {
      const { data } = await page({ status, limit: '100' });
      expect(new Set(data.map((it) => it.status))).toEqual(new Set([status]));
      expect(data[0]?.id).toBe(there);
    }
    expect((await page({ status: 'draft' })).data).toEqual([]);
    const all = (await page({ limit: '100' })).data.map(({ id }) => id);
    expect(all.slice(0, 2)).toEqual([closed.id, open.id]);
    expect(all).not.toContain(draft.id);
  });

  test.each(['Open', '', 'gone', 'open&status=closed', '__proto__'])(
    'status=%s is refused',
    async (status) => {
      const answer = await ask(gateway, null, `GET /campaigns?status=${status}`);
      expect([answer.status, problem(answer).code]).toEqual([400, 'invalid_parameter']);
    },
  );

  test('leaves the stories out: they are in the campaign', async () => {
    const { id } = await make(gateway, ADA, { story: 'Long.' });
    const listed = (await page({ limit: '1' })).data[0];
    expect(listed).toEqual(
      Object.fromEntries(
        Object.entries(json(await ask(gateway, null, `GET /campaigns/${id}`)) as CampaignAnswer).filter(
          ([name]) => name !== 'story',
        ),
      ),
    );
  });

  test('in pages shows each campaign once, also while others are made, opened, edited and closed', async () => {
    const ids: string[] = [];
    for (let index = 0; index < 9; index += 1)
      ids.unshift((await make(gateway, ADA, { title: `Stable ${index}` })).id);
    const walked: string[] = [];
    let cursor: string | null = null;
    do {
      const query = { q: 'stable', limit: '2', ...(cursor === null ? {} : { cursor }) };
      const next: Page = await page(query);
      walked.push(...next.data.map(({ id }) => id));
      cursor = next.nextCursor;
      await make(gateway, ADA, { title: 'Stable newcomer' });
      await ask(gateway, ADA, `PATCH /campaigns/${ids.at(-1) ?? ''}`, { story: `stable ${walked.length}` });
      await ask(gateway, ADA, `POST /campaigns/${ids.at(-2) ?? ''}/close`);
    } while (cursor !== null);
    expect(walked).toEqual(ids);
  });

  test('of another filter goes on at the same place with a cursor of this one', async () => {
    const older = await make(gateway, ADA, { title: 'Filtered' });
    await make(gateway, ADA, { title: 'Boundary' });
    const newer = await make(gateway, ADA, { title: 'Filtered' });
    const last = await make(gateway, ADA, { title: 'Newest' });
    const first = await page({ limit: '3' });
    expect(first.data.map(({ id }) => id).slice(0, 2)).toEqual([last.id, newer.id]);
    const cursor = first.nextCursor ?? '';
    expect((await page({ q: 'filtered', cursor })).data.map(({ id }) => id)).toEqual([older.id]);
    expect((await page({ status: 'closed', cursor })).data.every((it) => it.status === 'closed')).toBe(true);
    const own = json(await ask(gateway, ADA, `GET /campaigns?owner=me&limit=1&cursor=${cursor}`)) as Page;
    expect(own.data[0]?.id).toBe(older.id);
  });
});
