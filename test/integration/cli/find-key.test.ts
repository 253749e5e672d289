/** `careforall find` by an idempotency key: a donor who quotes one may have given as a guest or as an account. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openDatabases, type Databases } from '../../../cli/audit/load/databases.ts';
import { lookUp, type Matches } from '../../../cli/find/look-up.ts';
import { createAccounts } from '../api/accounts.ts';
import {
  donate,
  donation,
  donationBody,
  newCampaign,
  newKey,
  startGateway,
  type Gateway,
} from '../api/gateway.ts';
import { isolatedDatabases } from '../database/isolated-databases.ts';

const { urls } = isolatedDatabases();
const accounts = createAccounts();
let gateway: Gateway;
let databases: Databases;
beforeAll(async () => {
  gateway = await startGateway({ urls, authenticate: accounts.authenticate });
  databases = openDatabases(urls);
});
afterAll(async () => {
  await databases.close();
  await gateway[Symbol.asyncDispose]();
});

async function find(text: string): Promise<Matches> {
  const snapshot = await databases.snapshot();
  try {
    return await lookUp(snapshot, text);
  } finally {
    await snapshot.close();
  }
}

/** Not a UUID: that could be a donation's id as well. */
const anyKey = (): string => `key-of-${randomUUID()}`;

test('a key finds the donations of the guest and of the accounts that used it', async () => {
  const key = anyKey();
  const body = donationBody(await newCampaign(gateway));
  const ids = [];
  for (const headers of [[], [accounts.add('donor').header], [accounts.add('organizer').header]])
    ids.push(donation(await donate(gateway, key, body, headers)).id);
  donation(await donate(gateway, newKey(), body, [accounts.add('donor').header]));
  const { matches, notes } = await find(key);
  expect(matches.map(({ id }) => id).toSorted()).toEqual(ids.toSorted());
  expect(new Set(matches.map(({ by }) => by))).toEqual(new Set(['idempotency key']));
  expect(notes).toEqual([]);
});

test('a key of an account under another secret is found by its row, and the difference is told', async () => {
  const [key, id] = [anyKey(), randomUUID()];
  await gateway.pools.donations.query(
    `INSERT INTO donation_requests (id, scope, idempotency_key, fingerprint, campaign_id, amount, currency, payment_method, body)
     VALUES ($1, 'user:' || gen_random_uuid(), $2, sha256('x'), gen_random_uuid(), 2500, 'USD', 'pm_card_visa', '{}')`,
    [id, key],
  );
  const { matches, notes } = await find(key);
  expect(matches[0]).toEqual({ id, by: 'idempotency key' });
  expect(notes).toHaveLength(1);
  expect(notes[0]).toContain('the secret was another one then');
});
