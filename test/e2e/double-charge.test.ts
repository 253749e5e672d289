/** A retry storm of one key is one donation and one charge. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { testComponents } from '../harness/components.ts';
import { eventually } from '../harness/eventually.ts';
import { startPrivateRedis, type PrivateServer } from '../harness/private-servers.ts';
import { startStack, type Stack } from '../harness/stack.ts';
import { expectBooksToBalance, untilAtRest, untilEnded } from './books.ts';
import { createCampaign, post, type Answer, type Given } from './giving.ts';

let redis: PrivateServer;
let stack: Stack;
beforeAll(async () => {
  redis = await startPrivateRedis(testComponents().runDirectory);
  stack = await startStack({ redisUrl: redis.url });
});
afterAll(async () => {
  await stack.stop();
  await redis.stop();
});

test('a hundred posts of one key at once get one answer and cost one charge, also without the cache and after the end', async () => {
  const campaignId = await createCampaign(stack);
  const gift = { campaignId, amount: 2_500, key: randomUUID() };

  const first = await storm(gift, 100);
  expect(first.filter(({ headers }) => headers.get('idempotent-replayed') === null)).toHaveLength(1);
  const answer = sameAnswer(first);
  const given: Given = { ...gift, id: answer.body.id, donorToken: answer.body.donorToken ?? '' };

  await redis.restart();
  const afterFlush = await storm(gift, 100);
  expect(sameAnswer(afterFlush).essence).toEqual(answer.essence);

  await untilEnded(stack, [given]);
  await untilAtRest(stack);
  const afterEnd = await storm(gift, 100);
  expect(sameAnswer(afterEnd).essence).toEqual(answer.essence);
  expect(new Set(afterEnd.map(({ body }) => body.status))).toEqual(new Set(['CAPTURED']));
  for (const { headers } of [...afterFlush, ...afterEnd])
    expect(headers.get('idempotent-replayed')).toBe('true');

  await expectRuns(`donation/${given.id}`, 1);
  await expectBooksToBalance(stack, campaignId, [given]);
});

test('fifty keys posted three times each, all at once, are fifty donations and fifty charges', async () => {
  const campaignId = await createCampaign(stack);
  const gifts = Array.from({ length: 50 }, (_, index) => ({
    campaignId,
    amount: 100 + index,
    key: randomUUID(),
  }));
  const posts = [...gifts, ...gifts.toReversed(), ...gifts];
  const answers = await Promise.all(posts.map((gift, index) => post(apiOf(index), gift)));
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([202]));

  const ids = new Map(gifts.map(({ key }) => [key, new Set<string>()]));
  for (const [index, { key }] of posts.entries()) ids.get(key)?.add(answers[index]?.body.id ?? 'no id');
  expect([...ids.values()].map((set) => set.size)).toEqual(gifts.map(() => 1));
  const given = gifts.map((gift): Given => ({
    ...gift,
    id: [...(ids.get(gift.key) ?? [])][0] ?? '',
    donorToken: '',
  }));
  expect(new Set(given.map(({ id }) => id)).size).toBe(50);
  await expectBooksToBalance(stack, campaignId, given);
});

test('one key with two bodies at once is one of them, charged once, and the other is refused', async () => {
  const campaignId = await createCampaign(stack);
  const key = randomUUID();
  const answers = await Promise.all(
    Array.from({ length: 40 }, (_, index) =>
      post(apiOf(index), { campaignId, key, amount: index % 3 === 0 ? 700 : 900 }),
    ),
  );
  const accepted = answers.filter(({ status }) => status === 202);
  const refused = answers.filter(({ status }) => status !== 202);
  const amounts = new Set(accepted.map(({ body }) => body.amount));
  expect(amounts.size).toBe(1);
  expect(new Set(accepted.map(({ body }) => body.id)).size).toBe(1);
  expect(new Set(refused.map(({ status }) => status))).toEqual(new Set([422]));
  const [won] = accepted;
  if (won === undefined) throw new Error('nobody was accepted');
  // The refusal says nothing of the donation that has the key.
  for (const { body } of refused) expect(JSON.stringify(body)).not.toContain(won.body.id);
  const given = {
    campaignId,
    key,
    amount: won.body.amount,
    id: won.body.id,
    donorToken: won.body.donorToken ?? '',
  };
  await expectBooksToBalance(stack, campaignId, [given]);
});

function apiOf(index: number): string {
  return stack.apiUrls[index % stack.apiUrls.length] ?? stack.apiUrl;
}

function storm(gift: { campaignId: string; amount: number; key: string }, times: number): Promise<Answer[]> {
  return Promise.all(Array.from({ length: times }, (_, index) => post(apiOf(index), gift)));
}

/** All answers but for the state, which moves on meanwhile; fails when they are not one. */
function sameAnswer(answers: readonly Answer[]): { body: Answer['body']; essence: unknown } {
  const essences = answers.map(({ status, headers, body }) => {
    const { status: _state, version: _version, ...fixed } = body;
    return { status, location: headers.get('location'), ...fixed };
  });
  const [essence] = essences;
  const body = answers[0]?.body;
  if (essence === undefined || body === undefined) throw new Error('no answer');
  expect(new Set(essences.map((it) => JSON.stringify(it))).size).toBe(1);
  expect(essence.status).toBe(202);
  return { body, essence };
}

async function expectRuns(workflowId: string, runs: number): Promise<void> {
  await eventually(`Temporal shows ${runs} run of ${workflowId}`, async () => {
    const { count } = await stack.temporal.workflow.count(`WorkflowId = '${workflowId}'`);
    expect(count).toBe(runs);
  });
}
