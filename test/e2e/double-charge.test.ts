/** A retry storm of one key is one donation and one charge. */
import { randomUUID } from 'node:crypto';
import { WorkflowNotFoundError } from '@temporalio/client';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { testComponents } from '../harness/components.ts';
import { eventually } from '../harness/eventually.ts';
import { startPrivateRedis, type PrivateServer } from '../harness/private-servers.ts';
import { startStack, type Stack } from '../harness/stack.ts';
import { expectBooksToBalance, expectChargedOnce, untilAtRest, untilEnded } from './books.ts';
import { createCampaign, post, readTotals, type Answer, type Given } from './giving.ts';

let redis: PrivateServer;
let stack: Stack;
beforeAll(async () => {
  redis = await startPrivateRedis(testComponents().runDirectory);
  stack = await startStack({ redisUrl: redis.url, policy: { missingWorkflowAfterMs: 2_000 } });
});
afterAll(async () => {
  await stack.stop();
  await redis.stop();
});

test('a hundred posts of one key at once get one answer and cost one charge, also without the cache and after the end', async () => {
  const campaignId = await createCampaign(stack);
  const gift = { campaignId, amount: 2_500, key: randomUUID() };

  const atFirst = await storm(gift, 100);
  expect(atFirst.filter(({ headers }) => headers.get('idempotent-replayed') === null)).toHaveLength(1);
  const answer = sameAnswer(atFirst);
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

test('of workflows that Temporal forgot, the one that had ended is not started again, the other is, each key is charged once', async () => {
  const campaignId = await createCampaign(stack);
  const [ended, open] = [3_100, 3_200].map((amount) => ({ campaignId, amount, key: randomUUID() }));
  if (ended === undefined || open === undefined) throw new Error('two gifts');
  const endedGift = await first(ended);
  await untilEnded(stack, [endedGift]);
  await untilAtRest(stack);

  await stack.simulator.turn({ error503: 1 });
  const openGift = await first(open);
  await eventually('it is pledged', async () => {
    const { rows } = await stack.pools.donations.query('SELECT FROM pledges WHERE id = $1', [openGift.id]);
    expect(rows).toHaveLength(1);
  });
  await Promise.all([forget(endedGift), forget(openGift), redis.restart()]);

  const again = sameAnswer(await storm(ended, 20));
  expect([again.body.id, again.body.status]).toEqual([endedGift.id, 'CAPTURED']);
  expect(sameAnswer(await storm(open, 20)).body).toMatchObject({ id: openGift.id, status: 'INITIATED' });
  expect((await post(apiOf(1), { ...ended, amount: 3_101 })).status).toBe(422);
  await stack.simulator.reset();
  // By the one look for missing workflows that passes over the other.
  await untilEnded(stack, [openGift]);
  await stack.temporal.workflow.getHandle(`donation/${openGift.id}`).result();
  await expectForgotten(endedGift);
  await expectChargedOnce(stack, [endedGift, openGift]);
  expect(await readTotals(stack.apiUrl, campaignId)).toMatchObject({ raised: 6_300, donationCount: 2 });
});

async function first(gift: { campaignId: string; amount: number; key: string }): Promise<Given> {
  const { body } = await post(stack.apiUrl, gift);
  return { ...gift, id: body.id, donorToken: body.donorToken ?? '' };
}

/** As after its retention, or with a new Temporal. */
async function forget({ id }: Given): Promise<void> {
  await stack.temporal.workflowService.deleteWorkflowExecution({
    namespace: stack.temporal.options.namespace,
    workflowExecution: { workflowId: `donation/${id}` },
  });
  // Temporal deletes in its own time: its other tasks of that workflow come first.
  await eventually('Temporal has forgotten it', () => expectForgotten({ id }), { withinMs: 120_000 });
}

async function expectForgotten({ id }: Pick<Given, 'id'>): Promise<void> {
  await expect(stack.temporal.workflow.getHandle(`donation/${id}`).describe()).rejects.toBeInstanceOf(
    WorkflowNotFoundError,
  );
}

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
