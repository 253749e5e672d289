/** How a donor learns the outcome without asking again and again: `Prefer: wait` and the event stream. */
import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { send } from '../integration/api/http-client.ts';
import { startStack, type Stack } from '../harness/stack.ts';
import { expectBooksToBalance } from './books.ts';
import {
  createCampaign,
  DECLINED_CARD,
  give,
  post,
  type Answer,
  type DonationBody,
  type Given,
} from './giving.ts';

let stack: Stack;
let campaignId: string;
const given: Given[] = [];
beforeAll(async () => {
  stack = await startStack({ apis: 2 });
  campaignId = await createCampaign(stack);
});
afterEach(() => stack.simulator.reset());
afterAll(() => stack.stop());

const waiting = async (
  prefer: string,
  change: { key?: string; paymentMethod?: string; api?: number } = {},
): Promise<Answer> => {
  const gift = { campaignId, amount: 700, key: randomUUID(), ...change };
  const answer = await post(stack.apiUrls[change.api ?? 0] ?? '', gift, { prefer });
  const { id, donorToken = '' } = answer.body;
  if (!given.some((known) => known.id === id)) given.push({ ...gift, id, donorToken });
  return answer;
};

/** Seconds for which every answer of the provider is held back. */
const slowProvider = (seconds: number): Promise<void> =>
  stack.simulator.turn({ latencyMs: { min: seconds * 1_000, max: seconds * 1_000 } });

describe('Prefer: wait', () => {
  test('answers 201 with the outcome as soon as the payment is decided', async () => {
    const answer = await waiting('wait=10');
    expect(answer.status).toBe(201);
    expect(['AUTHORIZED', 'CAPTURED']).toContain(answer.body.status);
    expect(answer.headers.get('preference-applied')).toBe('wait=10');
    expect(answer.headers.get('location')).toBe(`/donations/${answer.body.id}`);
    expect(answer.headers.has('idempotent-replayed')).toBe(false);
  });

  test('answers 201 for a decline, too, and says why', async () => {
    const { status, body } = await waiting('wait=10', { paymentMethod: DECLINED_CARD });
    expect({ status, donation: body.status, failure: body.failure }).toEqual({
      status: 201,
      donation: 'FAILED',
      failure: { code: 'generic_decline' },
    });
  });

  test('in two headers is read as in one', async () => {
    const body = JSON.stringify({ campaignId, amount: 700, currency: 'USD', paymentMethod: 'pm_card_visa' });
    const { port } = new URL(stack.apiUrl);
    const key = randomUUID();
    const answer = await send(Number(port), {
      method: 'POST',
      path: '/donate',
      headers: [
        ['Content-Type', 'application/json'],
        ['Idempotency-Key', key],
        ['Prefer', 'respond-async'],
        ['Prefer', 'wait=9'],
      ],
      body,
    });
    expect([answer.status, answer.headers['preference-applied']]).toEqual([201, 'wait=9']);
    const { id, donorToken = '' } = JSON.parse(answer.text) as DonationBody;
    given.push({ campaignId, amount: 700, key, id, donorToken });
  });

  test('a replay that waits tells of a decline with 201, as the first answer did; another body is 422', async () => {
    const key = randomUUID();
    const first = await waiting('wait=10', { key, paymentMethod: DECLINED_CARD });
    const again = await waiting('wait=10', { key, paymentMethod: DECLINED_CARD, api: 1 });
    expect([again.status, again.body]).toEqual([201, first.body]);
    const other = await post(stack.apiUrl, { campaignId, amount: 700, key }, { prefer: 'wait=10' });
    expect([other.status, other.headers.get('preference-applied')]).toEqual([422, null]);
  });

  test('thirty posts of one key that wait, at once over two processes, get one outcome of one charge', async () => {
    const key = randomUUID();
    const answers = await Promise.all(
      Array.from({ length: 30 }, (_, index) => waiting('wait=10', { key, api: index % 2 })),
    );
    expect(new Set(answers.map(({ status, body }) => `${status} ${body.id}`)).size).toBe(1);
    expect(answers[0]?.status).toBe(201);
    expect(answers.filter(({ headers }) => !headers.has('idempotent-replayed'))).toHaveLength(1);
  });

  test('a replay that waits gets the same donation with 201, at either process; one that does not, 202', async () => {
    const key = randomUUID();
    const first = await waiting('wait=10', { key });
    const again = await waiting('wait=10', { key, api: 1 });
    expect([again.status, again.body.id]).toEqual([201, first.body.id]);
    expect(again.headers.get('idempotent-replayed')).toBe('true');
    const plain = await post(stack.apiUrl, { campaignId, amount: 700, key });
    expect([plain.status, plain.body.id, plain.headers.get('preference-applied')]).toEqual([
      202,
      first.body.id,
      null,
    ]);
  });

  test('answers 202 when the time is over before the payment is decided, and the donation goes on', async () => {
    await slowProvider(3);
    const { status, body, headers } = await waiting('wait=1');
    expect([status, body.status, headers.get('preference-applied')]).toEqual([202, 'INITIATED', 'wait=1']);
  });

  test.each([
    ['wait=99', 'wait=10'],
    ['wait=99999999999999999999', 'wait=10'],
    ['wait=2, wait=9', 'wait=2'],
    ['respond-async, wait="2"', 'wait=2'],
    ['wait=3; foo=bar', 'wait=3'],
    ['WAIT = 4', 'wait=4'],
    ['wait=soon', null],
    ['wait=-1', null],
    ['wait=0', null],
    ['handling=lenient', null],
  ])('%s is applied as %s', async (prefer, applied) => {
    const answer = await waiting(prefer);
    expect(answer.headers.get('preference-applied')).toBe(applied);
    expect(answer.status).toBe(applied === null ? 202 : 201);
  });
});

describe('GET /donations/:id/events', () => {
  const open = (gift: Given, headers: Record<string, string> = {}): Promise<Response> =>
    fetch(`${stack.apiUrl}/donations/${gift.id}/events`, {
      headers: { authorization: `Bearer ${gift.donorToken}`, ...headers },
      signal: AbortSignal.timeout(20_000),
    });

  test('streams each state of the donation in order, once, and ends with the outcome', async () => {
    await stack.simulator.turn({ latencyMs: { min: 300, max: 300 } });
    const gift = await give(stack, { campaignId, amount: 900 });
    given.push(gift);
    const response = await open(gift);
    expect(response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
    const events = readEvents(await response.text());
    const versions = events.map(({ data }) => data.version);
    expect(versions).toEqual([...new Set(versions)].toSorted((a, b) => a - b));
    expect(events.map(({ id, data }) => id === String(data.version))).not.toContain(false);
    expect(events[0]?.data.status).toBe('INITIATED');
    expect(events.at(-1)?.data).toMatchObject({ id: gift.id, status: 'CAPTURED', amount: 900 });
    // Whoever has seen the last event is told not to come back; whoever has not gets it.
    expect((await open(gift, { 'last-event-id': String(versions.at(-1)) })).status).toBe(204);
    const late = readEvents(await (await open(gift, { 'last-event-id': '0' })).text());
    expect(late.map(({ data }) => data.status)).toEqual(['CAPTURED']);
  });

  test('does not exist for anybody but the donor', async () => {
    const [mine, theirs] = [
      await give(stack, { campaignId, amount: 901 }),
      await give(stack, { campaignId, amount: 902 }),
    ];
    given.push(mine, theirs);
    expect((await open({ ...mine, donorToken: theirs.donorToken })).status).toBe(404);
    expect((await fetch(`${stack.apiUrl}/donations/${mine.id}/events`)).status).toBe(404);
  });
});

test('in the end each of these donations was made once', async () => {
  await expectBooksToBalance(stack, campaignId, given);
});

function readEvents(text: string): { id: string; data: DonationBody }[] {
  return text
    .split('\n\n')
    .filter((block) => block.includes('data: '))
    .map((block) => {
      const field = (name: string): string =>
        block
          .split('\n')
          .find((line) => line.startsWith(`${name}: `))
          ?.slice(name.length + 2) ?? '';
      expect(field('event')).toBe('donation');
      return { id: field('id'), data: JSON.parse(field('data')) as DonationBody };
    });
}
