/** Every body: a field that is not in its contract is refused by name, above all those that would give rights or alter objects. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { isolatedDatabases } from '../database/isolated-databases.ts';
import { newPerson, startAuthGateway, type AuthGateway, type Person } from './auth-gateway.ts';
import { donationBody, newCampaign, newKey, OPERATOR_TOKEN, startGateway, type Gateway } from './gateway.ts';
import { problem, type Answer } from './http-client.ts';
import { newPayment } from './refunding.ts';

const { urls } = isolatedDatabases(['donations', 'payments', 'campaigns', 'auth']);
let gateway: Gateway;
let auth: AuthGateway;
let campaignId: string;
let paymentId: string;
let donor: Person;
let operator: Person;
beforeAll(async () => {
  gateway = await startGateway({ urls });
  auth = await startAuthGateway({ url: urls.auth });
  campaignId = await newCampaign(gateway);
  paymentId = await newPayment(gateway.pools.payments);
  donor = await newPerson(auth);
  operator = await newPerson(auth, 'operator');
});
afterAll(async () => {
  await gateway[Symbol.asyncDispose]();
  await auth[Symbol.asyncDispose]();
});

/** What would be somebody else's to say: who one is, whose it is, what has happened, how much it came to. */
const RIGHTS = [
  'id',
  'role',
  'roles',
  'isAdmin',
  'scope',
  'userId',
  'donorId',
  'ownerId',
  'owner_id',
  'status',
  'state',
  'version',
  'createdAt',
  'publishedAt',
  'closedAt',
  'captured',
  'totalCaptured',
  'feeMinor',
  'idempotencyKey',
  'requestedBy',
  'passwordHash',
  'tokenVersion',
];
const OBJECTS = ['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty', 'toJSON', 'then'];

type Body = {
  readonly fields: () => Record<string, unknown>;
  readonly send: (text: string) => Promise<Answer>;
  /** Of RIGHTS, those that this body takes. */
  readonly takes?: readonly string[];
};

function toGateway(method: string, path: () => string, headers: readonly [string, string][] = []) {
  return (text: string): Promise<Answer> =>
    gateway.send({
      method,
      path: path(),
      headers: [['Content-Type', 'application/json'], ['Idempotency-Key', newKey()], ...headers],
      body: text,
    });
}

/** As text, because an object cannot hold a field `__proto__` the way JSON can. */
function toAuth(method: string, path: () => string, token: () => string | undefined = () => undefined) {
  return async (text: string): Promise<Answer> => {
    const { port } = auth;
    const bearer = token();
    const answer = await fetch(`http://127.0.0.1:${port}${path()}`, {
      method,
      headers: {
        'Content-Type': 'application/json',
        'X-From': randomUUID(),
        ...(bearer === undefined ? {} : { Authorization: `Bearer ${bearer}` }),
      },
      body: text,
    });
    return {
      status: answer.status,
      headers: Object.fromEntries(answer.headers),
      text: await answer.text(),
    };
  };
}

const AS_OPERATOR: [string, string][] = [['Authorization', `Bearer ${OPERATOR_TOKEN}`]];
const bodies: Readonly<Record<string, Body>> = {
  'POST /donate': { fields: () => donationBody(campaignId), send: toGateway('POST', () => '/donate') },
  'POST /campaigns': {
    fields: () => ({ title: 'Wells', currency: 'USD' }),
    send: toGateway('POST', () => '/campaigns', AS_OPERATOR),
    takes: ['status'],
  },
  'PATCH /campaigns/:id': {
    fields: () => ({ title: 'More wells' }),
    send: toGateway('PATCH', () => `/campaigns/${campaignId}`, AS_OPERATOR),
  },
  'POST /donations/:id/refunds': {
    fields: () => ({ amount: 1, currency: 'USD' }),
    send: toGateway('POST', () => `/donations/${paymentId}/refunds`, AS_OPERATOR),
  },
  'POST /auth/register': {
    fields: () => ({ email: `${randomUUID()}@example.org`, password: `pass ${randomUUID()}` }),
    send: toAuth('POST', () => '/auth/register'),
  },
  'POST /auth/login': {
    fields: () => ({ email: donor.email, password: donor.password }),
    send: toAuth('POST', () => '/auth/login'),
  },
  'POST /auth/refresh': {
    fields: () => ({ refreshToken: donor.refreshToken }),
    send: toAuth('POST', () => '/auth/refresh'),
  },
  'POST /auth/logout': {
    fields: () => ({ refreshToken: donor.refreshToken }),
    send: toAuth('POST', () => '/auth/logout'),
  },
  'POST /auth/password': {
    fields: () => ({ currentPassword: donor.password, newPassword: `pass ${randomUUID()}` }),
    send: toAuth(
      'POST',
      () => '/auth/password',
      () => donor.accessToken,
    ),
  },
  'PUT /admin/users/:id/role': {
    fields: () => ({ role: 'donor' }),
    send: toAuth(
      'PUT',
      () => `/admin/users/${donor.user.id}/role`,
      () => operator.accessToken,
    ),
    takes: ['role'],
  },
};

describe.each(Object.entries(bodies))('%s', (_name, { fields, send, takes = [] }) => {
  /** The right body, and this field besides. */
  const withField = (name: string, value: string): string =>
    `${JSON.stringify(fields()).slice(0, -1)},${JSON.stringify(name)}:${value}}`;

  test.each(RIGHTS.filter((name) => !takes.includes(name)))('takes no %s', async (name) => {
    for (const value of ['"operator"', 'true']) {
      const answer = await send(withField(name, value));
      expect([answer.status, problem(answer).code]).toEqual([400, 'invalid_body']);
      expect(problem(answer).errors).toContainEqual({ pointer: `/${name}`, detail: 'is not a known field' });
    }
  });

  test.each(OBJECTS)('takes no %s, and no object is any different for it', async (name) => {
    const answer = await send(withField(name, '{"polluted":true,"prototype":{"polluted":true}}'));
    expect([answer.status, problem(answer).code]).toEqual([400, 'invalid_body']);
    expect(problem(answer).errors).toContainEqual({ pointer: `/${name}`, detail: 'is not a known field' });
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
    expect(Object.keys(Object.prototype)).toEqual([]);
  });

  test('takes no list and nothing but an object', async () => {
    for (const text of [`[${JSON.stringify(fields())}]`, 'null', '1', '"x"', 'true'])
      expect((await send(text)).status).toBe(400);
  });

  test('is right without all that', async () => {
    expect((await send(JSON.stringify(fields()))).status).toBeLessThan(300);
  });
});
