/** The API description against the API: no route without it, nothing in it without a route, and every answer as it says. */
import { createHmac, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { FAILURE_CODES, FAILURES } from '../../../domain/failures.ts';
import { apiDocument, conforms, operations } from '../../harness/api-document.ts';
import { mountedRoutes, type MountedRoute } from '../../harness/mounted-routes.ts';
import { isolatedDatabases } from '../database/isolated-databases.ts';
import { newPerson, startAuthGateway, type AuthGateway, type SessionAnswer } from './auth-gateway.ts';
import {
  closeCampaign,
  donate,
  donation,
  donationBody,
  getDonation,
  newCampaign,
  newKey,
  startGateway,
  WEBHOOK_SECRET,
  type Gateway,
} from './gateway.ts';
import { json, problem, type Answer, type Call } from './http-client.ts';
import { accepted, newPayment, OPERATOR, refund } from './refunding.ts';

const { urls } = isolatedDatabases(['donations', 'payments', 'campaigns', 'auth']);
let gateway: Gateway;
let auth: AuthGateway;
beforeAll(async () => {
  gateway = await startGateway({ urls });
  auth = await startAuthGateway({ url: urls.auth });
});
afterAll(async () => {
  await gateway[Symbol.asyncDispose]();
  await auth[Symbol.asyncDispose]();
});

/** Of all services; what every process has is there once. */
const mounted = (): MountedRoute[] => {
  const once = new Map<string, MountedRoute>();
  for (const route of [...mountedRoutes(gateway.app), ...mountedRoutes(auth.app)])
    once.set(`${route.methods.join()} ${route.path}`, route);
  return [...once.values()];
};

const JSON_TYPE = ['Content-Type', 'application/json'] as const;

const get = (path: string, headers: Call['headers'] = []): Promise<Answer> => gateway.send({ path, headers });

test('every mounted route is described, and everything that is described is mounted', () => {
  const found = mounted().flatMap(({ path, methods }) => methods.map((method) => `${method} ${path}`));
  expect(found.toSorted()).toEqual([...operations.keys()].toSorted());
});

test('every described path answers its other methods with 405 and the methods that are described', async () => {
  const caught = mounted().filter(({ methods }) => methods.length === 0);
  expect(caught.map(({ path }) => path).toSorted()).toEqual(Object.keys(apiDocument.paths).toSorted());
  for (const template of Object.keys(apiDocument.paths)) {
    const path = template.replaceAll(/\{\w+\}/g, randomUUID());
    const isOf = ({ app }: Pick<Gateway, 'app'>): boolean =>
      mountedRoutes(app).some((route) => route.path === template);
    const ask = (method: string): Promise<Answer> =>
      isOf(gateway) ? gateway.send({ method, path }) : auth.call(method, path);
    // The gateway's own check compares `Allow` with the description.
    expect((await ask('OPTIONS')).status, template).toBe(204);
    expect((await ask('DELETE')).status, template).toBe(405);
  }
});

test('the gateway serves the committed description', async () => {
  const answer = await get('/openapi.json');
  expect(answer.headers['content-type']).toBe('application/json; charset=utf-8');
  expect(json(answer)).toEqual(apiDocument);
});

test('the page of the description needs nothing from elsewhere, and its policy forbids it', async () => {
  const page = await get('/docs');
  expect(page.headers['content-security-policy']).toMatch(/^default-src 'none'; script-src 'self';/);
  const addresses = [...page.text.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, address = '']) => address);
  expect(addresses.filter((address) => address.startsWith('/docs/'))).toHaveLength(3);
  for (const address of addresses) {
    expect(address).toMatch(/^(?:[/]docs[/]|data:)/);
    if (!address.startsWith('data:')) expect((await get(address)).text.length).toBeGreaterThan(50);
  }
  expect((await get('/docs/package.json')).status).toBe(404);
});

test('each problem’s type leads to its explanation, for programs and for people', async () => {
  for (const code of FAILURE_CODES) {
    const answer = await get(`/problems/${code}`);
    expect(json(answer)).toEqual({ type: `/problems/${code}`, code, ...FAILURES[code] });
  }
  const page = await get('/problems/campaign_closed', [['Accept', 'text/html,*/*;q=0.8']]);
  expect(page.headers['content-type']).toBe('text/html; charset=utf-8');
  expect(page.text).toContain(FAILURES.campaign_closed.title);
  const unknown = problem(await get('/problems/constructor'));
  expect(unknown.code).toBe('not_found');
  expect(problem(await get(unknown.type.replace('not_found', 'no_such'))).status).toBe(404);
});

test('every operation gives each answer of success that is described, and typical errors, as described', async () => {
  const seen = new Set<string>();
  const call = async (
    template: string,
    params: readonly string[],
    more: Omit<Call, 'path'> = {},
    query = '',
  ) => {
    const values = [...params];
    const path = template.replaceAll(/\{\w+\}/g, () => values.shift() ?? '');
    const answer = await gateway.send({ ...more, path: `${path}${query}` });
    seen.add(`${more.method ?? 'GET'} ${template} ${answer.status}`);
    return answer;
  };
  const seenAs = (name: string, answer: Answer): Answer => {
    seen.add(`${name} ${answer.status}`);
    return answer;
  };
  const operator = { headers: [OPERATOR] };

  // Campaigns
  const campaignId = await newCampaign(gateway, { goal: 10_000 });
  seen.add('POST /campaigns 201');
  await newCampaign(gateway);
  await call('/campaigns', [], {}, '?limit=1');
  await call('/campaigns', [], {}, '?limit=0');
  await call('/campaigns/{id}', [campaignId]);
  await call('/campaigns/{id}', [campaignId], { headers: [['If-None-Match', '*']] });
  await call('/campaigns/{id}', ['no-such-campaign']);
  const edit = { ...operator, method: 'PATCH', headers: [OPERATOR, JSON_TYPE] };
  await call('/campaigns/{id}', [campaignId], { ...edit, body: '{"goal":20000}' });
  const stale = [...edit.headers, ['If-Match', '"0"']] as const;
  await call('/campaigns/{id}', [campaignId], { ...edit, headers: stale, body: '{"goal":30000}' });
  const unpublished = await newCampaign(gateway, { status: 'draft' });
  await call('/campaigns/{id}/publish', [unpublished], { ...operator, method: 'POST' });
  const totals = await call('/campaigns/{id}/total', [campaignId]);
  await call('/campaigns/{id}/total', [campaignId], {
    headers: [['If-None-Match', totals.headers['etag'] ?? '']],
  });

  // Donations
  const key = newKey();
  const given = donation(seenAs('POST /donate', await donate(gateway, key, donationBody(campaignId))));
  expect((await donate(gateway, key, donationBody(campaignId))).headers['idempotent-replayed']).toBe('true');
  expect((await donate(gateway, key, donationBody(campaignId, { amount: 1 }))).status).toBe(422);
  expect((await donate(gateway, 'short', donationBody(campaignId))).status).toBe(400);
  expect((await donate(gateway, newKey(), '{')).status).toBe(400);
  expect((await donate(gateway, newKey(), donationBody(randomUUID()))).status).toBe(404);
  expect((await donate(gateway, newKey(), donationBody(campaignId, { currency: 'EUR' }))).status).toBe(422);
  seenAs('GET /donations/{id}', await getDonation(gateway, given.id, given.donorToken));
  await call('/donations/{id}', [given.id]);
  const donor = { headers: [['Authorization', `Bearer ${given.donorToken}`]] as const };
  await call('/donations/{id}/cancel', [given.id], { ...donor, method: 'POST' });
  await decide(given.id);
  const waited = await gateway.send({
    method: 'POST',
    path: '/donate',
    headers: [
      ['Content-Type', 'application/json'],
      ['Idempotency-Key', key],
      ['Prefer', 'wait=5'],
    ],
    body: JSON.stringify(donationBody(campaignId)),
  });
  expect(seenAs('POST /donate', waited).headers['preference-applied']).toBe('wait=5');
  const events = await call('/donations/{id}/events', [given.id], donor);
  expect(events.text).toContain('"failure":{"code":"cancelled_by_donor"}');
  await call('/donations/{id}/events', [given.id], { headers: [...donor.headers, ['Last-Event-ID', '1']] });
  await call('/me/donations', [], operator, '?status=CAPTURED');
  await call('/campaigns/{id}/close', [campaignId], { ...operator, method: 'POST' });
  expect((await closeCampaign(gateway, randomUUID())).status).toBe(404);
  const draft = await newCampaign(gateway, { status: 'draft' });
  expect((await donate(gateway, newKey(), donationBody(draft))).status).toBe(422);

  // Refunds
  const paid = await newPayment(gateway.pools.payments);
  const refunded = accepted(
    seenAs('POST /donations/{id}/refunds', await refund(gateway, paid, newKey(), { reason: 'Twice' })),
  );
  expect((await refund(gateway, paid, newKey())).status).toBe(422);
  expect((await refund(gateway, paid, newKey(), {}, [])).status).toBe(401);
  await call('/donations/{id}/refunds', [paid], operator);
  await call('/donations/{id}/refunds/{refundId}', [paid, refunded.id], operator);
  await call('/donations/{id}/refunds/{refundId}', [paid, randomUUID()], operator);

  // Operators, the provider, the process
  await call('/admin/reconciliation', [], operator);
  await reconciled();
  await call('/admin/reconciliation', [], operator);
  await call('/admin/reconciliation', [], { headers: [OPERATOR, ['Accept', 'text/csv']] });
  await call('/admin/reviews', [], operator);
  await call('/webhooks/stripe', [], { method: 'POST', ...webhook() });
  await call('/webhooks/stripe', [], { method: 'POST', body: '{}' });
  await call('/livez', [], {}, '?verbose');
  await call('/readyz', []);
  for (const path of ['/openapi.json', '/docs', '/nowhere']) await call(path, []);
  await call('/docs/{file}', ['start.js']);
  await call('/problems/{code}', ['not_found']);

  // Accounts
  const ada = await newPerson(auth);
  const boss = await newPerson(auth, 'operator');
  for (const name of ['POST /auth/register 201', 'POST /auth/login 200']) seen.add(name);
  const asAccount = async (
    method: string,
    template: string,
    more: { body?: object; token?: string; path?: string },
  ) =>
    seenAs(
      `${method} ${template}`,
      await auth.call(method, more.path ?? template, more.body, more.token, randomUUID()),
    );
  await asAccount('POST', '/auth/login', { body: { email: ada.email, password: 'not the one' } });
  const token = ada.accessToken;
  await asAccount('GET', '/auth/me', { token });
  const next = json(await asAccount('POST', '/auth/refresh', { body: { refreshToken: ada.refreshToken } }));
  await asAccount('POST', '/auth/logout', { body: { refreshToken: (next as SessionAnswer).refreshToken } });
  const change = { currentPassword: ada.password, newPassword: `pass ${randomUUID()}` };
  await asAccount('POST', '/auth/password', { body: change, token });
  await asAccount('GET', '/.well-known/jwks.json', {});
  const path = `/admin/users?email=${encodeURIComponent(ada.email)}`;
  await asAccount('GET', '/admin/users', { path, token: boss.accessToken });
  const role = { path: `/admin/users/${ada.user.id}/role`, body: { role: 'organizer' } };
  await asAccount('PUT', '/admin/users/{id}/role', { ...role, token });
  await asAccount('PUT', '/admin/users/{id}/role', { ...role, token: boss.accessToken });

  const successes = [...operations].flatMap(([name, { responses }]) =>
    Object.keys(responses)
      .filter((status) => /^[23]/.test(status))
      .map((status) => `${name} ${status}`),
  );
  expect(successes.filter((success) => !seen.has(success))).toEqual([]);
});

test('an answer that is not as described is told apart', async () => {
  const answer = await get(`/campaigns/${await newCampaign(gateway)}`);
  const path = `/campaigns/${randomUUID()}`;
  const altered = (change: object): Answer => ({
    ...answer,
    text: JSON.stringify({ ...(json(answer) as object), ...change }),
  });
  expect(() => conforms('GET', path, answer)).not.toThrow();
  expect(() => conforms('GET', path, altered({ secret: 1 }))).toThrow('"additionalProperty":"secret"');
  expect(() => conforms('GET', path, altered({ createdAt: 'today' }))).toThrow(
    '/createdAt must match format',
  );
  expect(() => conforms('GET', path, altered({ title: undefined }))).toThrow('"missingProperty":"title"');
  expect(() => conforms('GET', path, { ...answer, status: 201 })).toThrow('its type is application/json');
  expect(() => conforms('PUT', path, answer)).toThrow('not 405');
  expect(() => conforms('GET', '/nowhere', answer)).toThrow('not 404');
  const waited = { ...answer, headers: { ...answer.headers, 'preference-applied': 'wait=5' } };
  expect(() => conforms('GET', path, waited)).toThrow('the header Preference-Applied is not described');
});

/** As the donations activities write it once the cancel has won. */
async function decide(id: string): Promise<void> {
  await gateway.pools.donations.query(
    `INSERT INTO pledges (id, campaign_id, amount, currency, status, version, idempotency_key, failure_code)
     SELECT id, campaign_id, amount, currency, 'FAILED', 1, idempotency_key, 'cancelled_by_donor'
     FROM donation_requests WHERE id = $1`,
    [id],
  );
}

async function reconciled(): Promise<void> {
  const runId = randomUUID();
  await gateway.pools.payments.query(
    `INSERT INTO reconciliation_runs (id, kind, lane, dry_run, window_from, finished_at, status, counts)
     VALUES ($1, 'full', 'books', false, now() - interval '1 day', now(), 'finished', '{"findings":1}')`,
    [runId],
  );
  await gateway.pools.payments.query(
    `INSERT INTO reconciliation_findings (run_id, class, subject, expected, found, action)
     VALUES ($1, 'MISSING_LOCAL', 'pi_1', 'null', '{"amount":1}', 'suspense')`,
    [runId],
  );
  await gateway.pools.payments.query(
    `INSERT INTO review_items (id, class, subject, expected, found, last_run_id) VALUES ($1, 'AMOUNT', 'pi_2', '1', '2', $2)`,
    [randomUUID(), runId],
  );
}

function webhook(): Pick<Call, 'headers' | 'body'> {
  const body = JSON.stringify({
    id: `evt_${randomUUID()}`,
    object: 'event',
    type: 'payment_intent.succeeded',
    created: Math.floor(Date.now() / 1_000),
    livemode: false,
    data: { object: { object: 'payment_intent', id: 'pi_1' } },
  });
  const at = Math.floor(Date.now() / 1_000);
  const v1 = createHmac('sha256', WEBHOOK_SECRET).update(`${at}.${body}`).digest('hex');
  return {
    body,
    headers: [
      ['Content-Type', 'application/json'],
      ['Stripe-Signature', `t=${at},v1=${v1}`],
    ],
  };
}
