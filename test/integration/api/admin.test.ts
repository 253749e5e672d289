/** What is for operators alone: 401 to whom nobody knows, 403 to everybody else. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { isolatedDatabases } from '../database/isolated-databases.ts';
import { accessToken, createAccounts } from './accounts.ts';
import {
  donate,
  donation,
  donationBody,
  newCampaign,
  newKey,
  startGateway,
  type Gateway,
} from './gateway.ts';
import { problem } from './http-client.ts';

const { urls } = isolatedDatabases(['donations', 'payments', 'campaigns']);
const accounts = createAccounts();
let gateway: Gateway;
beforeAll(async () => {
  gateway = await startGateway({ urls, authenticate: accounts.authenticate });
});
afterAll(async () => {
  await gateway[Symbol.asyncDispose]();
});

describe.each([
  // Nothing was ever compared: there is no report.
  ['/admin/reconciliation', 404],
  ['/admin/reviews', 200],
] as const)('%s', (path, forOperators) => {
  test('is for operators', async () => {
    const { header } = accounts.add('operator');
    const answer = await gateway.send({ path, headers: [header] });
    expect([answer.status, answer.headers['cache-control']]).toEqual([forOperators, 'no-store']);
  });

  test.each(['donor', 'organizer'] as const)('is 403 for an %s', async (role) => {
    const { header } = accounts.add(role);
    const answer = await gateway.send({ path, headers: [header] });
    expect([answer.status, problem(answer).code]).toEqual([403, 'forbidden']);
  });

  test('is 401 for guests, donation tokens, and access tokens of nobody', async () => {
    const made = await donate(gateway, newKey(), donationBody(await newCampaign(gateway)));
    for (const token of [null, donation(made).donorToken, accessToken()]) {
      const headers = token === null ? [] : [['Authorization', `Bearer ${token}`] as const];
      const answer = await gateway.send({ path, headers });
      expect([answer.status, problem(answer).code]).toEqual([401, 'unauthorized']);
      expect(answer.headers['www-authenticate']).toBe('Bearer');
    }
  });
});
