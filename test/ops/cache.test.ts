/** The totals' cache of the door, with campaigns behind it that count how often they are asked. */
import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { testComponents } from '../harness/components.ts';
import { startDoor, type Door } from '../harness/nginx.ts';
import { json, problem, send, type Answer } from '../integration/api/http-client.ts';
import { bearer } from './fronts.ts';
import { startListening, type ListeningService } from './listening-service.ts';

let campaigns: ListeningService;
let door: Door;
/** What each campaign's total is at the moment. */
const versions = new Map<string, number>();
let away = false;

beforeAll(async () => {
  campaigns = await startListening('campaigns');
  campaigns.answer = (response, { url, headers }) => {
    const id = url.split('/')[2]?.split('?')[0] ?? '';
    if (away) {
      response.destroy();
      return;
    }
    const version = versions.get(id) ?? 1;
    // As long as a look in a database may take.
    setTimeout(() => {
      response.setHeader('ETag', `"${version}"`).setHeader('Cache-Control', 'no-cache');
      response.setHeader('Content-Type', 'application/json; charset=utf-8');
      response.setHeader('RateLimit-Limit', '12000').setHeader('RateLimit-Remaining', '11999');
      response.end(JSON.stringify({ campaignId: id, version, seenBy: headers.authorization ?? 'nobody' }));
    }, 50);
  };
  door = await startDoor({
    directory: testComponents().runDirectory,
    upstreams: { campaigns: [campaigns.address] },
  });
});
afterAll(async () => {
  await door.stop();
  await campaigns[Symbol.asyncDispose]();
});
afterEach(() => {
  campaigns.seen.length = 0;
  away = false;
});

type Headers = readonly (readonly [string, string])[];

function total(id: string, headers: Headers = [], query = ''): Promise<Answer> {
  return send(door.ports.public, { path: `/campaigns/${id}/total${query}`, headers });
}

test('whose request the service counted is nobody else’s business', async () => {
  const id = randomUUID();
  for (const answer of [await total(id), await total(id)]) {
    expect(answer.status).toBe(200);
    expect(Object.keys(answer.headers).filter((name) => name.startsWith('ratelimit'))).toEqual([]);
  }
});

test('a thousand looks at two campaigns at once are a handful for the service, and each gets its own campaign', async () => {
  const ids = [randomUUID(), randomUUID()];
  const startedAt = Date.now();
  const answers = await Promise.all(
    Array.from({ length: 1_000 }, async (_, index) => {
      const id = ids[index % 2] ?? '';
      return { id, answer: await total(id, [], `?${index}`) };
    }),
  );
  const seconds = Math.ceil((Date.now() - startedAt) / 1_000);
  for (const { id, answer } of answers) {
    expect(answer.status).toBe(200);
    expect(json(answer)).toMatchObject({ campaignId: id });
  }
  expect(campaigns.seen.length).toBeGreaterThanOrEqual(2);
  // Two campaigns, one look a second each.
  expect(campaigns.seen.length).toBeLessThanOrEqual(2 * (seconds + 1));
});

test('a total that has changed is told at the first look after a second, also when nobody has looked for a while', async () => {
  const id = randomUUID();
  expect(json(await total(id))).toMatchObject({ version: 1 });
  versions.set(id, 2);
  await new Promise((resolve) => setTimeout(resolve, 2_100));
  expect(json(await total(id))).toMatchObject({ version: 2 });
});

test('a browser that has the total is told so, with the ETag that the service gave', async () => {
  const id = randomUUID();
  versions.set(id, 7);
  const first = await total(id);
  expect([first.headers['etag'], first.headers['cache-control']]).toEqual(['"7"', 'no-cache']);
  for (const condition of ['"7"', 'W/"7"', '"1", "7"', '*']) {
    const again = await total(id, [['If-None-Match', condition]]);
    expect([again.status, again.text, again.headers['etag']]).toEqual([304, '', '"7"']);
  }
  expect((await total(id, [['If-None-Match', '"6"']])).status).toBe(200);
});

test('HEAD is answered from the same look, without a body', async () => {
  const id = randomUUID();
  const head = await send(door.ports.public, { method: 'HEAD', path: `/campaigns/${id}/total` });
  expect([head.status, head.text, head.headers['etag']]).toEqual([200, '', '"1"']);
  expect(json(await total(id))).toMatchObject({ campaignId: id });
});

describe('who says who they are', () => {
  test.each([
    ['Authorization', bearer('one')],
    ['Cookie', ['Cookie', 'session=one'] as const],
  ])('is answered by the service each time, and leaves nothing for others: %s', async (_name, header) => {
    const id = randomUUID();
    const own: Headers = [header];
    await total(id, own);
    await total(id, own);
    expect(campaigns.seen).toHaveLength(2);
    const stranger = await total(id);
    expect(json(stranger)).toMatchObject({ seenBy: 'nobody' });
    expect(campaigns.seen).toHaveLength(3);
    await total(id, own);
    expect(campaigns.seen).toHaveLength(4);
    expect(json(await total(id, [bearer('two')]))).toMatchObject({ seenBy: 'Bearer two' });
  });
});

test('other methods than GET and HEAD reach the service each time', async () => {
  const id = randomUUID();
  await total(id);
  for (const method of ['POST', 'OPTIONS', 'DELETE'])
    await send(door.ports.public, { method, path: `/campaigns/${id}/total` });
  expect(campaigns.seen.map(({ method }) => method)).toEqual(['GET', 'POST', 'OPTIONS', 'DELETE']);
});

test('while campaigns is away the last total is told, and a total that nobody has looked at is 502', async () => {
  const id = randomUUID();
  expect(json(await total(id))).toMatchObject({ version: 1 });
  away = true;
  // Until the cached one is too old, and the door would like a new one.
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  for (let looks = 0; looks < 3; looks += 1) {
    const old = await total(id);
    expect([old.status, json(old)]).toMatchObject([200, { campaignId: id, version: 1 }]);
  }
  const unknown = await total(randomUUID());
  expect([unknown.status, problem(unknown).code]).toEqual([502, 'service_unreachable']);
});
