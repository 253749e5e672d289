/** What people and partners entrust to the platform is found where it belongs, and nowhere else: also when things go wrong. */
import { randomBytes, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually } from '../harness/eventually.ts';
import { startStack, type Stack } from '../harness/stack.ts';
import { createCampaign, DECLINED_CARD } from './giving.ts';
import { askRefund } from './asking.ts';
import {
  cached,
  findIn,
  histories,
  logs,
  startListening,
  startSpanReceiver,
  tables,
  type Place,
} from './places.ts';

const ASKS_THE_DONOR = 'pm_card_authenticationRequired';

let stack: Stack;
let spans: Awaited<ReturnType<typeof startSpanReceiver>>;
let heard: Awaited<ReturnType<typeof startListening>>;
/** Everything but tables, once all was done. */
let places: Place[] = [];
let kept: Place[] = [];
const errors: Place[] = [];
const donationIds: string[] = [];

/** By what it is; the value is what nobody else may ever read. */
const canaries = new Map<string, string[]>();
/** Unlike anything else there is, and allowed where a name is. */
function canary(what: string, value = `canary${randomBytes(9).toString('hex')}`): string {
  canaries.set(what, [...(canaries.get(what) ?? []), value]);
  return value;
}

type Init = { readonly headers?: Readonly<Record<string, string>>; readonly body?: unknown };
type Fields = Readonly<Record<string, string>>;

/** An answer that is an error is a place, too. */
async function call(
  method: string,
  path: string,
  { headers = {}, body }: Init = {},
): Promise<{ status: number; fields: Fields }> {
  const answer = await fetch(`${stack.apiUrl}${path}`, {
    method,
    headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    signal: AbortSignal.timeout(30_000),
  });
  const text = await answer.text();
  if (answer.status >= 400)
    errors.push({
      name: `error ${answer.status} ${method} ${path.split('/')[1] ?? ''}`,
      text: `${text} ${JSON.stringify([...answer.headers])}`,
    });
  return { status: answer.status, fields: (text.startsWith('{') ? JSON.parse(text) : {}) as Fields };
}

const bearer = (token = ''): Record<string, string> => ({ authorization: `Bearer ${token}` });

function gift(campaignId: string, more: object = {}): Record<string, unknown> {
  const donor = { name: canary('donor name'), email: `${canary('donor e-mail')}@example.org` };
  return {
    campaignId,
    amount: 1_500,
    currency: 'USD',
    paymentMethod: 'pm_card_visa',
    donor,
    message: canary('message'),
    ...more,
  };
}

async function giveAs(
  headers: Record<string, string>,
  body: unknown,
): Promise<{ status: number; fields: Fields }> {
  const key = canary('idempotency key', randomUUID());
  const given = await call('POST', '/donate', { headers: { ...headers, 'idempotency-key': key }, body });
  if (given.fields['donorToken'] !== undefined) canary('donor token', given.fields['donorToken']);
  if (given.status === 202) donationIds.push(given.fields['id'] ?? '');
  return given;
}

async function untilStatus(id: string | undefined, token: string | undefined, wanted: string): Promise<void> {
  await eventually(
    `the donation is ${wanted}`,
    async () => {
      const { fields } = await call('GET', `/donations/${id ?? ''}`, { headers: bearer(token) });
      expect(fields['status']).toBe(wanted);
    },
    { withinMs: 60_000, everyMs: 200 },
  );
}

beforeAll(async () => {
  spans = await startSpanReceiver();
  stack = await startStack({
    apis: 1,
    env: { OTEL_EXPORTER_OTLP_ENDPOINT: spans.url, LOG_LEVEL: 'trace' },
    policy: { quietAfterOperationMs: 100, retryInitialMs: 200, resolvePausesMs: [500] },
  });
  const { environment } = stack;
  heard = await startListening(environment['RABBITMQ_URL'] ?? '', stack.prefix);
  for (const name of ['STRIPE_SECRET_KEY', 'STRIPE_WEBHOOK_SECRETS', 'AUTH_SECRET'])
    canary(name, environment[name] ?? '');
  for (const [name, value] of Object.entries(environment))
    if (name.endsWith('_DATABASE_URL'))
      canary('database password', decodeURIComponent(new URL(value).password));
  const campaignId = await createCampaign(stack);
  const account = await accountActs();
  await donorActs(campaignId, account);
  await wrongRequests(campaignId, account);
  await brokenParts(campaignId, account);
  canary('access token', stack.operatorToken);
  await eventually('the last event is published', async () => {
    for (const service of ['donations', 'payments', 'campaigns'] as const) {
      const { rowCount } = await stack.pools[service].query(
        'SELECT 1 FROM outbox_events WHERE NOT processed',
      );
      if (rowCount !== 0) throw new Error(`${service} has not published all of its events`);
    }
  });
  // Spans are sent at the latest when a process ends.
  for (const role of ['api', 'workers', 'background'] as const) await stack.stopProcess(role);
  places = [
    ...logs(stack),
    ...(await histories(stack)),
    ...heard.places(),
    ...spans.places(),
    ...errors,
    ...(await cached(environment['REDIS_URL'] ?? '', stack.prefix)),
  ];
  kept = await tables(stack);
});
afterAll(async () => {
  await heard[Symbol.asyncDispose]();
  await stack.stop();
  await spans[Symbol.asyncDispose]();
});

type Account = { readonly email: string; readonly password: string; readonly token: string };

function session({ fields }: { fields: Fields }): string {
  canary('access token', fields['accessToken']);
  canary('refresh token', fields['refreshToken']);
  canary('device token', fields['deviceToken']);
  return fields['accessToken'] ?? '';
}

async function accountActs(): Promise<Account> {
  const email = `${canary('account e-mail')}@example.org`;
  const [password, next] = [canary('password'), canary('password')];
  const name = canary('account name');
  session(await call('POST', '/auth/register', { body: { email, password, name } }));
  await call('POST', '/auth/register', { body: { email, password, name } });
  const login = await call('POST', '/auth/login', { body: { email, password } });
  const token = session(login);
  const { refreshToken, deviceToken } = login.fields;
  await call('POST', '/auth/login', { body: { email, password: canary('password'), deviceToken } });
  session(await call('POST', '/auth/refresh', { body: { refreshToken } }));
  // Used twice: its family ends.
  await call('POST', '/auth/refresh', { body: { refreshToken } });
  await call('POST', '/auth/refresh', { body: { refreshToken: canary('refresh token') } });
  await call('POST', '/auth/logout', { body: { refreshToken: canary('refresh token') } });
  const change = { currentPassword: password, newPassword: next };
  session(await call('POST', '/auth/password', { headers: bearer(token), body: change }));
  await call('POST', '/auth/password', { headers: bearer(token), body: change });
  await call('GET', '/auth/me', { headers: bearer(`${token.slice(0, -3)}xxx`) });
  await call('GET', `/auth/me?access_token=${token}`);
  await call('GET', `/admin/users?email=${encodeURIComponent(email)}`, { headers: bearer(token) });
  await call('GET', `/admin/users?email=${encodeURIComponent(email)}`, {
    headers: bearer(stack.operatorToken),
  });
  return { email, password: next, token };
}

async function donorActs(campaignId: string, { token }: Account): Promise<void> {
  const guest = await giveAs({}, gift(campaignId));
  const own = await giveAs(bearer(token), gift(campaignId));
  const declined = await giveAs({}, gift(campaignId, { paymentMethod: DECLINED_CARD }));
  const asked = await giveAs({}, gift(campaignId, { paymentMethod: ASKS_THE_DONOR }));
  await eventually(
    'the donor is asked to act',
    async () => {
      const { fields } = await call('GET', `/donations/${asked.fields['id'] ?? ''}`, {
        headers: bearer(asked.fields['donorToken']),
      });
      expect(fields['clientSecret']).toBeDefined();
      canary('client secret', fields['clientSecret']);
    },
    { withinMs: 60_000 },
  );
  await untilStatus(guest.fields['id'], guest.fields['donorToken'], 'CAPTURED');
  await untilStatus(own.fields['id'], token, 'CAPTURED');
  await untilStatus(declined.fields['id'], declined.fields['donorToken'], 'FAILED');
  await call('POST', `/donations/${asked.fields['id'] ?? ''}/cancel`, {
    headers: bearer(asked.fields['donorToken']),
  });
  await untilStatus(asked.fields['id'], asked.fields['donorToken'], 'FAILED');
  await call('POST', `/donations/${guest.fields['id'] ?? ''}/cancel`, {
    headers: bearer(guest.fields['donorToken']),
  });
  const refund = { id: guest.fields['id'] ?? '', donorToken: '', campaignId, amount: 1_500 };
  await askRefund(stack, refund, { amount: 500, key: canary('idempotency key', randomUUID()) });
  await untilStatus(guest.fields['id'], guest.fields['donorToken'], 'PARTIALLY_REFUNDED');
}

async function wrongRequests(campaignId: string, { token }: Account): Promise<void> {
  const donor = { email: `${canary('donor e-mail')}@@example.org` };
  await giveAs({}, gift(campaignId, { donor }));
  await giveAs({}, gift(campaignId, { donor: { name: canary('donor name').repeat(9) } }));
  await giveAs({}, gift(campaignId, { message: canary('message').repeat(99) }));
  await giveAs({}, gift(campaignId, { currency: canary('message') }));
  await giveAs({}, gift(campaignId, { amount: canary('message') }));
  await giveAs({}, gift(campaignId, { campaignId: randomUUID() }));
  // A key used for something else: nothing of either request is told.
  const key = canary('idempotency key', randomUUID());
  for (const amount of [1_600, 1_700])
    await call('POST', '/donate', {
      headers: { 'idempotency-key': key },
      body: gift(campaignId, { amount }),
    });
  await call('POST', '/donate', {
    headers: { 'idempotency-key': canary('idempotency key', `"${randomUUID()} ${randomUUID()}`) },
    body: gift(campaignId),
  });
  await giveAs({}, `${canary('message')} {"message":"${canary('message')}"`);
  await giveAs({}, `{"message":${canary('message')}}`);
  await giveAs(bearer(canary('access token')), gift(campaignId));
  await giveAs({ authorization: `Basic ${canary('access token')}` }, gift(campaignId));
  await call('POST', '/auth/register', {
    body: { email: `${canary('account e-mail')}@`, password: canary('password'), name: 'x' },
  });
  await call('POST', '/auth/login', { body: `{"email":"a@example.org","password":"${canary('password')}` });
  await call('GET', `/donations/${donationIds[0] ?? ''}`, { headers: bearer(canary('donor token')) });
  await call('GET', `/donations/${donationIds[0] ?? ''}?token=${canary('donor token')}`);
  await call('GET', `/me/donations?cursor=${canary('donor token')}`, { headers: bearer(token) });
  const signature = `t=${Math.floor(Date.now() / 1_000)},v1=${canary('webhook signature', randomBytes(32).toString('hex'))}`;
  await call('POST', '/webhooks/stripe', {
    headers: { 'stripe-signature': signature },
    body: { id: 'evt_1', data: canary('message') },
  });
  // What the platform does say back, so that this place is seen to be looked at.
  await giveAs({}, gift(campaignId, { [`field${donationIds[0] ?? ''}`]: 1 }));
}

/** The worst moments: the database refuses a row that holds everything, and the provider fails. */
async function brokenParts(campaignId: string, { token }: Account): Promise<void> {
  const { donations, auth } = stack.pools;
  await donations.query(
    `ALTER TABLE donation_requests ADD CONSTRAINT test_refuses CHECK (amount <> 6666) NOT VALID`,
  );
  await auth.query(`ALTER TABLE users ADD CONSTRAINT test_refuses CHECK (name <> 'refused') NOT VALID`);
  expect((await giveAs({}, gift(campaignId, { amount: 6_666 }))).status).toBe(500);
  const account = { email: `${canary('account e-mail')}@example.org`, password: canary('password') };
  expect((await call('POST', '/auth/register', { body: { ...account, name: 'refused' } })).status).toBe(500);
  // In the saga, over and over, until it is mended.
  await donations.query(`ALTER TABLE pledges ADD CONSTRAINT test_refuses CHECK (amount <> 7777) NOT VALID`);
  const refused = await giveAs({}, gift(campaignId, { amount: 7_777 }));
  const { id = '', donorToken } = refused.fields;
  await donations.query(
    `ALTER TABLE donation_requests ADD CONSTRAINT test_goes_on CHECK (id <> '${id}' OR cancel_requested_at IS NULL)`,
  );
  const cancel = await call('POST', `/donations/${id}/cancel`, { headers: bearer(donorToken) });
  expect(cancel.status).toBe(500);
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  await donations.query(`ALTER TABLE pledges DROP CONSTRAINT test_refuses`);
  await untilStatus(refused.fields['id'], refused.fields['donorToken'], 'CAPTURED');
  await stack.simulator.turn({ error500Before: 0.5, malformed: 0.3 });
  const troubled = await giveAs(bearer(token), gift(campaignId));
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  await stack.simulator.reset();
  await untilStatus(troubled.fields['id'], token, 'CAPTURED');
}

const LOOKED_AT = ['log api', 'log workers', 'history', 'message', 'spans', 'error 400', 'redis'];

test.each(LOOKED_AT)('%s: the id of a donation is found there, so what is looked for would be', (kind) => {
  const found = donationIds.flatMap((id) => findIn(places, id));
  expect(found.filter((name) => name.startsWith(kind)).length).toBeGreaterThan(0);
});

test('each spelling that carries text elsewhere is found', () => {
  const secret = 'canary0123456789';
  for (const text of [
    secret,
    secret.toUpperCase(),
    Buffer.from(secret).toString('hex'),
    ...['', 'a', 'ab'].map((before) => Buffer.from(`${before}${secret}!`).toString('base64')),
  ])
    expect(findIn([{ name: 'here', text: `{"x":"${text}"}` }], secret), text).toEqual(['here']);
  expect(findIn([{ name: 'here', text: 'canary012345678' }], secret)).toEqual([]);
});

test('no log, history, message, span, error or cache holds what was entrusted', () => {
  const leaks = [...canaries].flatMap(([what, values]) =>
    values.flatMap((value) => findIn(places, value).map((name) => `${what} in ${name}`)),
  );
  expect([...new Set(leaks)].toSorted()).toEqual([]);
  expect(canaries.size).toBeGreaterThan(14);
});

/** The tables where each may stand. */
const BELONGS: Readonly<Record<string, readonly string[]>> = {
  'donor name': ['donations.donation_requests', 'donations.pledges'],
  'donor e-mail': ['donations.donation_requests', 'donations.pledges'],
  message: ['donations.donation_requests', 'donations.pledges'],
  'account e-mail': ['auth.users'],
  'account name': ['auth.users'],
  'idempotency key': ['donations.donation_requests', 'donations.pledges', 'payments.refunds'],
};

test('each stands in the tables where it belongs alone; tokens, passwords and secrets in none', () => {
  const found = new Map<string, Set<string>>();
  for (const [what, values] of canaries)
    for (const value of values)
      for (const name of findIn(kept, value)) {
        found.set(what, (found.get(what) ?? new Set()).add(name.replace('table ', '')));
      }
  const where = Object.fromEntries([...found].map(([what, names]) => [what, [...names].toSorted()]));
  expect(where).toEqual(BELONGS);
});
