/** A crowd that presses "refresh" costs the database one row by its key each time, however many have given. */
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { testComponents } from '../harness/components.ts';
import { eventually } from '../harness/eventually.ts';
import { startStack, type Stack } from '../harness/stack.ts';
import { expectBooksToBalance } from './books.ts';
import { createCampaign, giveMany, readTotals, type Totals } from './giving.ts';

let stack: Stack;
let statements: string;
beforeAll(async () => {
  statements = join(testComponents().runDirectory, `statements-${process.pid}`);
  mkdirSync(statements, { recursive: true });
  const recorder = new URL('record-statements.ts', import.meta.url);
  recorder.searchParams.set('to', statements);
  stack = await startStack({ env: { NODE_OPTIONS: `--import ${recorder.href}` } });
});
afterAll(() => stack.stop());

const READS = 300;

test('three hundred reads of the totals during a storm of donations are answered right, without one aggregate', async () => {
  const campaignId = await createCampaign(stack);
  const [given, totals] = await Promise.all([
    giveMany(stack, campaignId, 30, 10),
    readMany(campaignId, READS),
  ]);
  await expectBooksToBalance(stack, campaignId, given);
  const last = await readTotals(stack.apiUrl, campaignId);
  for (const { totalCaptured, donationCount, version } of totals) {
    expect(version).toBeLessThanOrEqual(last.version);
    expect(totalCaptured).toBeLessThanOrEqual(last.totalCaptured);
    expect(donationCount).toBeLessThanOrEqual(last.donationCount);
  }

  const sent = statementsOfApis();
  const reads = sent.filter((text) => text.includes('campaign_totals') && /^\s*select/i.test(text));
  expect(reads.length).toBeGreaterThanOrEqual(READS);
  expect(new Set(reads).size).toBe(1);
  expect(reads[0]).toMatch(/WHERE t\.campaign_id = \$1 AND c\.published_at IS NOT NULL$/);
  const money = /campaign_totals|applied_entries|pledges|payment_transitions|ledger_entries/;
  const aggregate = /\b(?:sum|count|avg|min|max|array_agg)\s*\(|\bgroup\s+by\b/i;
  expect([...new Set(sent.filter((text) => money.test(text) && aggregate.test(text)))]).toEqual([]);
});

test('a reader who has the newest totals is told so, and gets the new ones as soon as there are any', async () => {
  const campaignId = await createCampaign(stack);
  const gifts = await giveMany(stack, campaignId, 10);
  const statuses: number[] = [];
  let [etag, seen]: [string | null, Totals | null] = [null, null];
  await eventually(
    'the reader has seen all ten',
    async () => {
      const read = await readIfNew(campaignId, etag);
      etag = read.etag;
      if (read.status === 200) seen = JSON.parse(read.text) as Totals;
      statuses.push(read.status);
      expect(seen?.donationCount).toBe(10);
    },
    { withinMs: 60_000, everyMs: 5 },
  );
  expect(statuses.filter((status) => status === 200).length).toBeGreaterThan(1);
  expect(new Set(statuses)).toEqual(new Set([200, 304]));
  await expectBooksToBalance(stack, campaignId, gifts);
  const newest = await readIfNew(campaignId, null);
  expect(await readIfNew(campaignId, newest.etag)).toMatchObject({
    status: 304,
    text: '',
    etag: newest.etag,
  });
});

async function readMany(campaignId: string, reads: number): Promise<Totals[]> {
  return await Promise.all(
    Array.from({ length: reads }, (_, index) =>
      readTotals(stack.apiUrls[index % stack.apiUrls.length] ?? stack.apiUrl, campaignId),
    ),
  );
}

async function readIfNew(
  campaignId: string,
  etag: string | null,
): Promise<{ status: number; etag: string | null; text: string }> {
  const answer = await fetch(`${stack.apiUrl}/campaigns/${campaignId}/total`, {
    headers: etag === null ? {} : { 'if-none-match': etag },
  });
  return { status: answer.status, etag: answer.headers.get('etag'), text: await answer.text() };
}

function statementsOfApis(): string[] {
  return readdirSync(statements)
    .filter((name) => name.startsWith('main.ts-'))
    .flatMap((name) => readFileSync(join(statements, name), 'utf8').trim().split('\n'))
    .map((line) => JSON.parse(line) as string);
}
