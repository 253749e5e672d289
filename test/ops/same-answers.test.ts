/** One list of requests, to the gateway of one process and to the door before services apart: the answers are the same. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { chooseDoorPorts, startDoor, type Door } from '../harness/nginx.ts';
import { startStack, type Stack } from '../harness/stack.ts';
import { json, send } from '../integration/api/http-client.ts';
import {
  addressesOf,
  bearer,
  donateCall,
  firstAnswer,
  JSON_TYPE,
  newWorld,
  portOf,
  type Answer,
  type Call,
  type World,
} from './fronts.ts';

let together: Stack;
let apart: Stack;
let door: Door;
let gatewayWorld: World;
let doorWorld: World;
// Neither has a worker, so that nothing ever changes by itself.
beforeAll(async () => {
  const ports = await chooseDoorPorts();
  [together, apart] = await Promise.all([
    startStack({ apis: 1, workers: 0, backgrounds: 0 }),
    startStack({
      apis: { auth: 2, donations: 2, payments: 2, campaigns: 2 },
      workers: 0,
      backgrounds: 0,
      doorUrl: `http://127.0.0.1:${ports.public}`,
    }),
  ]);
  const { auth, donations, payments, campaigns } = apart.serviceUrls;
  door = await startDoor({
    directory: apart.directory,
    ports,
    upstreams: {
      auth: addressesOf(auth),
      donations: addressesOf(donations),
      payments: addressesOf(payments),
      campaigns: addressesOf(campaigns),
    },
  });
  [gatewayWorld, doorWorld] = await Promise.all([
    newWorld({ port: portOf(together.apiUrl), operatorToken: together.operatorToken }),
    newWorld({ port: door.ports.public, operatorToken: apart.operatorToken }),
  ]);
});
afterAll(async () => {
  await door.stop();
  await Promise.all([together.stop(), apart.stop()]);
});

const HEADERS = [
  'allow',
  'cache-control',
  'content-security-policy',
  'content-type',
  'cross-origin-resource-policy',
  'etag',
  'idempotent-replayed',
  'location',
  'preference-applied',
  'referrer-policy',
  'retry-after',
  'strict-transport-security',
  'vary',
  'www-authenticate',
  'x-content-type-options',
  'x-frame-options',
  'x-powered-by',
] as const;

/** What a client can tell two answers apart by; ids, times and the trace are each front's own. */
function gist({ status, headers, text }: Answer): unknown {
  const kept = HEADERS.map((name) => [name, headers[name]?.replaceAll(UUIDS, 'ID')] as const);
  const isJson = /^application\/(?:problem\+)?json/.test(headers['content-type'] ?? '');
  const body = !isJson || text === '' ? text : shapeOf(JSON.parse(text));
  return { status, headers: Object.fromEntries<string | undefined>(kept), body };
}

const UUIDS = /[0-9a-f]{8}-[0-9a-f-]{27}/g;
/** Of their own in each front: times, tokens, traces, and what is made of an id. */
const OWN = new Set(['asOf', 'nextCursor', 'slug', 'traceId']);

function shapeOf(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(shapeOf);
  if (typeof value === 'string') return value.replaceAll(UUIDS, 'ID');
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, item]) => [
      name,
      OWN.has(name) || /(?:At|Token)$/.test(name) ? 'its own' : shapeOf(item),
    ]),
  );
}

const EMAIL = `${randomUUID()}@example.org`;
const BIG = JSON.stringify({ campaignId: 'x'.repeat(17_000) });
const KEY: [string, string] = ['Idempotency-Key', randomUUID()];
const post = (path: string, body: string, ...headers: [string, string][]): Call => ({
  method: 'POST',
  path,
  headers: [JSON_TYPE, ...headers],
  body,
});

const REQUESTS: Readonly<Record<string, (world: World) => Call>> = {
  'a donation': ({ campaignId }) => donateCall(campaignId, randomUUID()),
  'the same donation again': ({ campaignId, key }) => donateCall(campaignId, key),
  'the same key for something else': ({ campaignId, key }) => donateCall(campaignId, key, { amount: 1 }),
  'a donation whose answer is waited for': ({ campaignId }) => {
    const call = donateCall(campaignId, randomUUID());
    return { ...call, headers: [...(call.headers ?? []), ['Prefer', 'wait=1']] };
  },
  'a donation to a draft': ({ draftId }) => donateCall(draftId, randomUUID()),
  'a donation to nobody': () => donateCall(randomUUID(), randomUUID()),
  'a donation in another currency': ({ campaignId }) =>
    donateCall(campaignId, randomUUID(), { currency: 'EUR' }),
  'a donation of a fraction': ({ campaignId }) => donateCall(campaignId, randomUUID(), { amount: 1.5 }),
  'a donation without a key': ({ campaignId }) => ({ ...donateCall(campaignId, ''), headers: [JSON_TYPE] }),
  'a donation with two keys': ({ campaignId }) => ({
    ...donateCall(campaignId, ''),
    headers: [JSON_TYPE, KEY, KEY],
  }),
  'a donation with a short key': ({ campaignId }) => donateCall(campaignId, 'short'),
  'a donation with a wrong access token': ({ campaignId }) => ({
    ...donateCall(campaignId, randomUUID()),
    headers: [JSON_TYPE, KEY, bearer('nobody')],
  }),
  'a donation that is no JSON': () => post('/donate', '{"campaignId":', KEY),
  'a donation that names a field twice': () => post('/donate', '{"amount":1,"amount":2}', KEY),
  'a donation as text': () => ({
    method: 'POST',
    path: '/donate',
    headers: [['Content-Type', 'text/plain'], KEY],
    body: '{}',
  }),
  'a donation of nothing': () => post('/donate', '', KEY),
  'a donation of 17 kB': () => post('/donate', BIG, KEY),
  'a look at /donate': () => ({ path: '/donate' }),
  'the methods of /donate': () => ({ method: 'OPTIONS', path: '/donate' }),
  'a PATCH of /donate': () => ({ method: 'PATCH', path: '/donate' }),
  'a donation with a slash at the end': ({ campaignId }) => ({
    ...donateCall(campaignId, randomUUID()),
    path: '/donate/',
  }),
  'a donation in capitals': ({ campaignId }) => ({
    ...donateCall(campaignId, randomUUID()),
    path: '/DONATE',
  }),
  'a look at a donation': ({ donationId, donorToken }) => ({
    path: `/donations/${donationId}`,
    headers: [bearer(donorToken)],
  }),
  'a donation’s head': ({ donationId, donorToken }) => ({
    method: 'HEAD',
    path: `/donations/${donationId}`,
    headers: [bearer(donorToken)],
  }),
  'a look at a donation by an operator': ({ donationId, operatorToken }) => ({
    path: `/donations/${donationId}`,
    headers: [bearer(operatorToken)],
  }),
  'a look at a donation by nobody': ({ donationId }) => ({ path: `/donations/${donationId}` }),
  'a donation that is not there': ({ donorToken }) => ({
    path: `/donations/${randomUUID()}`,
    headers: [bearer(donorToken)],
  }),
  'a donation whose id is none': () => ({ path: '/donations/one' }),
  'a DELETE of a donation': ({ donationId }) => ({ method: 'DELETE', path: `/donations/${donationId}` }),
  'the head of a stream': ({ donationId, donorToken }) => ({
    method: 'HEAD',
    path: `/donations/${donationId}/events`,
    headers: [bearer(donorToken)],
  }),
  'a stream of nobody': ({ donationId }) => ({ path: `/donations/${donationId}/events` }),
  'a cancel': ({ donationId, donorToken }) => ({
    method: 'POST',
    path: `/donations/${donationId}/cancel`,
    headers: [bearer(donorToken)],
  }),
  'a refund of nothing paid': ({ donationId, operatorToken }) =>
    post(`/donations/${donationId}/refunds`, '{}', KEY, bearer(operatorToken)),
  'a refund by nobody': ({ donationId }) => post(`/donations/${donationId}/refunds`, '{}', KEY),
  'the refunds of nothing paid': ({ donationId, operatorToken }) => ({
    path: `/donations/${donationId}/refunds`,
    headers: [bearer(operatorToken)],
  }),
  'the methods of refunds': ({ donationId }) => ({
    method: 'OPTIONS',
    path: `/donations/${donationId}/refunds`,
  }),
  'a list of campaigns': () => ({ path: '/campaigns' }),
  'a page of campaigns': () => ({ path: '/campaigns?limit=1' }),
  'a page of too many': () => ({ path: '/campaigns?limit=1000' }),
  'a campaign': ({ campaignId }) => ({ path: `/campaigns/${campaignId}` }),
  'a campaign in capitals': ({ campaignId }) => ({ path: `/CAMPAIGNS/${campaignId.toUpperCase()}` }),
  'a campaign that is not there': () => ({ path: `/campaigns/${randomUUID()}` }),
  'a campaign made by nobody': () => post('/campaigns', '{}'),
  'a campaign without a title': ({ operatorToken }) =>
    post('/campaigns', '{"currency":"USD"}', bearer(operatorToken), KEY),
  'a total': ({ campaignId }) => ({ path: `/campaigns/${campaignId}/total` }),
  'a total’s head': ({ campaignId }) => ({ method: 'HEAD', path: `/campaigns/${campaignId}/total` }),
  'a total of nothing': () => ({ path: `/campaigns/${randomUUID()}/total` }),
  'a POST of a total': ({ campaignId }) => ({ method: 'POST', path: `/campaigns/${campaignId}/total` }),
  'a new account': () => post('/auth/register', JSON.stringify({ email: EMAIL, password: randomUUID() })),
  'a new account without a password': () => post('/auth/register', '{}'),
  'a wrong password': () =>
    post('/auth/login', JSON.stringify({ email: 'nobody@example.org', password: randomUUID() })),
  'who I am': ({ operatorToken }) => ({ path: '/auth/me', headers: [bearer(operatorToken)] }),
  'who nobody is': () => ({ path: '/auth/me' }),
  'the methods of logging in': () => ({ method: 'OPTIONS', path: '/auth/login' }),
  'a donor’s history': ({ operatorToken }) => ({ path: '/me/donations', headers: [bearer(operatorToken)] }),
  'the history of nobody': () => ({ path: '/me/donations' }),
  'a webhook without a signature': () => post('/webhooks/stripe', '{}'),
  'a webhook with a wrong signature': () => post('/webhooks/stripe', '{}', ['Stripe-Signature', 't=1,v1=0']),
  'a webhook of 200 kB': () =>
    post('/webhooks/stripe', JSON.stringify({ it: 'x'.repeat(200_000) }), ['Stripe-Signature', 't=1,v1=0']),
  'a webhook of 300 kB': () =>
    post('/webhooks/stripe', JSON.stringify({ it: 'x'.repeat(300_000) }), ['Stripe-Signature', 't=1,v1=0']),
  'a look at the webhooks': () => ({ path: '/webhooks/stripe' }),
  'what is not there': () => ({ path: '/nothing' }),
  'a POST to what is not there': () => post('/nothing', '{}'),
  'the root': () => ({ path: '/' }),
  'a look at the inside': () => ({ path: `/internal/campaigns/${randomUUID()}` }),
  'the metrics': () => ({ path: '/metrics' }),
  'whether it lives': () => ({ path: '/livez' }),
  'whether it is ready': () => ({ path: '/readyz' }),
  'a POST to its health': () => ({ method: 'POST', path: '/readyz' }),
  'headers of 17 kB': () => ({ path: '/campaigns', headers: [['X-Large', 'x'.repeat(17_000)]] }),
  'headers of 40 kB': () => ({ path: '/campaigns', headers: [['X-Large', 'x'.repeat(40_000)]] }),
  'a path of 20 kB': () => ({ path: `/campaigns?${'x'.repeat(20_000)}` }),
};

describe('the gateway and the door answer the same to', () => {
  test.each(Object.entries(REQUESTS))('%s', async (_name, call) => {
    const [fromGateway, fromDoor] = await Promise.all([
      send(gatewayWorld.port, call(gatewayWorld)),
      send(doorWorld.port, call(doorWorld)),
    ]);
    expect(gist(fromDoor)).toEqual(gist(fromGateway));
  });
});

describe('the gateway and the door answer the same to bytes that no client library sends:', () => {
  test.each([
    ['HTTP/1.0 without a host', 'GET /livez HTTP/1.0\r\n\r\n', 200],
    ['HTTP/1.0 with one', 'GET /livez HTTP/1.0\r\nHost: here\r\n\r\n', 200],
    ['HTTP/1.1 without one', 'GET /livez HTTP/1.1\r\nConnection: close\r\n\r\n', 400],
    ['no HTTP at all', 'HELLO\r\n\r\n', 400],
  ])('%s', async (_name, bytes, status) => {
    const [fromGateway, fromDoor] = await Promise.all(
      [gatewayWorld, doorWorld].map(({ port }) => firstAnswer(port, bytes, { staysOpen: true })),
    );
    expect([fromGateway?.status, fromDoor?.status]).toEqual([status, status]);
  });
});

describe('operators are answered the same at their own listener, to', () => {
  test.each(['/admin/reviews', '/admin/reconciliation', '/ADMIN/reviews/', '/admin/users'])(
    '%s',
    async (path) => {
      for (const token of [null, 'operator'] as const) {
        const call = (world: World): Call => ({
          path,
          headers: token === null ? [] : [bearer(world.operatorToken)],
        });
        const [fromGateway, fromDoor] = await Promise.all([
          send(gatewayWorld.port, call(gatewayWorld)),
          send(door.ports.operators, call(doorWorld)),
        ]);
        expect(gist(fromDoor)).toEqual(gist(fromGateway));
        // So that two answers that are alike by both being wrong are noticed.
        expect(fromDoor.status === 401).toBe(token === null);
      }
    },
  );
});

test('a trace that the client has begun goes on through the door, and every answer names the trace it belongs to', async () => {
  const traceId = randomUUID().replaceAll('-', '');
  for (const path of ['/nothing', '/donations/one']) {
    const [own, begun] = [
      await send(door.ports.public, { path }),
      await send(door.ports.public, {
        path,
        headers: [['traceparent', `00-${traceId}-00f067aa0ba902b7-01`]],
      }),
    ];
    expect(json(begun)).toMatchObject({ traceId });
    expect((json(own) as { traceId: string }).traceId).toMatch(/^[0-9a-f]{32}$/);
    expect(door.log()).toContain(`"traceId":"${(json(own) as { traceId: string }).traceId}"`);
  }
});
