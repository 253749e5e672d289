/** Donations of accounts: whose a key is, and who may see, follow and cancel what was given. */
import { randomUUID } from 'node:crypto';
import type { Pool } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createDonationActivities } from '../../../activities/donations/index.ts';
import { isolatedDatabases } from '../database/isolated-databases.ts';
import { accessToken, createAccounts, type Account } from './accounts.ts';
import {
  closeCampaign,
  donate,
  donation,
  donationBody,
  getDonation,
  newCampaign,
  newKey,
  OPERATOR_TOKEN,
  rowsOf,
  startGateway,
  type Gateway,
} from './gateway.ts';
import { json, problem, type Answer } from './http-client.ts';

const { urls } = isolatedDatabases(['donations', 'payments', 'campaigns']);
const accounts = createAccounts();
let gateway: Gateway;
let campaignId: string;
beforeAll(async () => {
  gateway = await startGateway({
    urls,
    authenticate: accounts.authenticate,
    provider: { retrieveClientSecret: () => Promise.resolve({ kind: 'yes', clientSecret: 'pi_1_secret_2' }) },
  });
  campaignId = await newCampaign(gateway);
});
afterAll(async () => {
  await gateway[Symbol.asyncDispose]();
});

const give = (account: Account | null, key: string, fields: Readonly<Record<string, unknown>> = {}) =>
  donate(gateway, key, donationBody(campaignId, fields), account === null ? [] : [account.header]);

type Row = { readonly id: string; readonly scope: string; readonly fingerprint: string };

async function stored(pool: Pool, key: string): Promise<Row[]> {
  const { rows } = await pool.query<Row>(
    `SELECT id, scope, encode(fingerprint, 'hex') AS fingerprint FROM donation_requests WHERE idempotency_key = $1 ORDER BY scope`,
    [key],
  );
  return rows;
}

function saga() {
  return createDonationActivities({
    pool: gateway.pools.donations,
    failpoint: () => undefined,
    outboxWritten: () => undefined,
  });
}

const notFound = async (answer: Promise<Answer>): Promise<void> => {
  const { status, text } = await answer;
  expect([status, (JSON.parse(text) as { code: string }).code]).toEqual([404, 'not_found']);
};

describe('one key', () => {
  test('of a guest and of two accounts is three donations that never see each other', async () => {
    const [ada, bob] = [accounts.add('donor'), accounts.add('donor')];
    const key = newKey();
    const answers = [await give(null, key), await give(ada, key), await give(bob, key)];
    const [guests, adas, bobs] = answers.map(donation);
    for (const { headers } of answers) expect(headers['idempotent-replayed']).toBeUndefined();
    expect(new Set([guests?.id, adas?.id, bobs?.id]).size).toBe(3);
    const rows = await stored(gateway.pools.donations, key);
    expect(rows.map(({ scope }) => scope).toSorted()).toEqual(
      ['guest', `user:${ada.user.id}`, `user:${bob.user.id}`].toSorted(),
    );
    // What was asked for is the same, whoever asks.
    expect(new Set(rows.map(({ fingerprint }) => fingerprint)).size).toBe(1);

    const readers: readonly (readonly [string, string | undefined])[] = [
      [guests?.donorToken ?? '', guests?.id],
      [ada.token, adas?.id],
      [bob.token, bobs?.id],
    ];
    for (const [token, own] of readers)
      for (const id of [guests?.id, adas?.id, bobs?.id])
        expect((await getDonation(gateway, id ?? '', token)).status).toBe(id === own ? 200 : 404);
  });

  test('with another body is refused for the account that used it, and free for the next', async () => {
    const [ada, bob] = [accounts.add('donor'), accounts.add('donor')];
    const key = newKey();
    const { id } = donation(await give(ada, key));
    const refused = await give(ada, key, { amount: 2_600 });
    expect([refused.status, problem(refused).code]).toEqual([422, 'idempotency_key_reused']);
    expect(refused.text).not.toContain(id);
    expect(donation(await give(bob, key, { amount: 2_600 }))).toMatchObject({ amount: 2_600 });
    expect(await rowsOf(gateway.pools.donations, key)).toBe(2);
  });

  test('of the same account again is its donation, with every token that it has, also once the campaign is closed', async () => {
    const ada = accounts.add('donor');
    const key = newKey();
    const closing = await newCampaign(gateway);
    const send = () => donate(gateway, key, donationBody(closing), [ada.header]);
    const first = await send();
    const again = await send();
    expect((await closeCampaign(gateway, closing)).status).toBe(200);
    const later = await send();
    for (const answer of [again, later]) {
      expect([answer.status, answer.headers['idempotent-replayed']]).toEqual([202, 'true']);
      expect(answer.headers['location']).toBe(first.headers['location']);
      expect(json(answer)).toEqual(json(first));
    }
    expect(await rowsOf(gateway.pools.donations, key)).toBe(1);
  });

  test('of fifty accounts at once, each three times, is fifty donations', async () => {
    const key = newKey();
    const givers = Array.from({ length: 50 }, () => accounts.add('donor'));
    const answers = await Promise.all([...givers, ...givers, ...givers].map((account) => give(account, key)));
    expect(answers.filter(({ headers }) => headers['idempotent-replayed'] === undefined)).toHaveLength(50);
    const rows = await stored(gateway.pools.donations, key);
    const scopes = new Map(rows.map(({ id, scope }) => [id, scope]));
    expect(rows).toHaveLength(50);
    expect(answers.map((answer) => scopes.get(donation(answer).id))).toEqual(
      [...givers, ...givers, ...givers].map(({ user }) => `user:${user.id}`),
    );
  });
});

test('an account gets no donor token: its access token is enough', async () => {
  const ada = accounts.add('donor');
  const [first, again] = [
    await give(ada, 'key-of-ada-without-token'),
    await give(ada, 'key-of-ada-without-token'),
  ];
  for (const answer of [first, again]) {
    expect(answer.status).toBe(202);
    expect(json(answer)).not.toHaveProperty('donorToken');
  }
  expect(json(await give(null, newKey()))).toHaveProperty('donorToken');
});

test.each(['donor', 'organizer', 'operator'] as const)('an %s gives as an account', async (role) => {
  const account = accounts.add(role);
  const { id } = donation(await give(account, newKey()));
  await saga().persistPledge(id);
  const { rows } = await gateway.pools.donations.query(
    'SELECT p.donor_id, r.scope FROM pledges p JOIN donation_requests r USING (id) WHERE id = $1',
    [id],
  );
  expect(rows).toEqual([{ donor_id: account.user.id, scope: `user:${account.user.id}` }]);
});

test('a second click of an account is flagged to it with the first, with the same card or another', async () => {
  const ada = accounts.add('donor');
  const [first, second] = [
    donation(await give(ada, newKey(), { donor: { email: 'ada@example.org' } })),
    donation(await give(ada, newKey(), { paymentMethod: 'pm_card_mastercard' })),
  ];
  for (const { id } of [first, second]) await saga().persistPledge(id);
  expect(json(await getDonation(gateway, second.id, ada.token))).toMatchObject({
    possibleDuplicateOf: first.id,
  });
});

describe('a token that does not count is 401, never a guest, and the key stays free:', () => {
  test.each<
    [name: string, lines: (ada: Account, donorToken: string) => readonly (readonly [string, string])[]]
  >([
    ['an empty header', () => [['Authorization', '']]],
    ['no token', () => [['Authorization', 'Bearer ']]],
    ['of nobody', () => [['Authorization', 'Bearer wrong']]],
    ['of nobody, in the shape of an access token', () => [['Authorization', `Bearer ${accessToken()}`]]],
    ['under another scheme', ({ token }) => [['Authorization', `Basic ${token}`]]],
    ['twice', ({ header }) => [header, header]],
    ['beside another', ({ header }) => [header, ['Authorization', `Bearer ${OPERATOR_TOKEN}`]]],
    ['with something behind it', ({ token }) => [['Authorization', `Bearer ${token} x`]]],
    ['of a donation', (_ada, donorToken) => [['Authorization', `Bearer ${donorToken}`]]],
  ])('%s', async (_name, lines) => {
    const ada = accounts.add('donor');
    const { donorToken } = donation(await give(null, newKey()));
    const key = newKey();
    const answer = await donate(gateway, key, donationBody(campaignId), lines(ada, donorToken));
    expect([answer.status, problem(answer).code]).toEqual([401, 'unauthorized']);
    expect(answer.headers['www-authenticate']).toBe('Bearer');
    expect(await rowsOf(gateway.pools.donations, key)).toBe(0);
    const made = await give(ada, key);
    expect([made.status, made.headers['idempotent-replayed']]).toEqual([202, undefined]);
  });

  test('expired between two tries: no second donation, and the new token finds the first', async () => {
    const ada = accounts.add('donor');
    const key = newKey();
    const { id } = donation(await give(ada, key));
    accounts.expire(ada);
    expect((await give(ada, key)).status).toBe(401);
    expect(await rowsOf(gateway.pools.donations, key)).toBe(1);
    const renewed = accounts.renew(ada);
    const again = await give(renewed, key);
    expect([donation(again).id, again.headers['idempotent-replayed']]).toEqual([id, 'true']);
  });
});

describe('a donation of an account', () => {
  const events = (id: string, token: string | null): Promise<Answer> =>
    gateway.send({
      path: `/donations/${id}/events`,
      headers: token === null ? [] : [['Authorization', `Bearer ${token}`]],
    });
  const cancel = (id: string, token: string | null): Promise<Answer> =>
    gateway.send({
      method: 'POST',
      path: `/donations/${id}/cancel`,
      headers: token === null ? [] : [['Authorization', `Bearer ${token}`]],
    });
  const cancelled = async (id: string): Promise<boolean> => {
    const { rowCount } = await gateway.pools.donations.query(
      'SELECT FROM donation_requests WHERE id = $1 AND cancel_requested_at IS NOT NULL',
      [id],
    );
    return rowCount === 1;
  };

  test('is read, followed and cancelled by it', async () => {
    const ada = accounts.add('donor');
    const { id } = donation(await give(ada, newKey()));
    for (const spelling of [id, id.toUpperCase()]) {
      const answer = await getDonation(gateway, spelling, ada.token);
      expect([answer.status, answer.headers['cache-control']]).toEqual([200, 'no-store']);
      expect(json(answer)).toMatchObject({ id, status: 'INITIATED' });
    }
    expect((await cancel(id, ada.token)).status).toBe(202);
    expect(await cancelled(id)).toBe(true);
    await saga().persistPledge(id);
    await saga().recordOutcome({
      donationId: id,
      status: 'FAILED',
      version: 1,
      failureCode: 'cancelled_by_donor',
    });
    const followed = await events(id, ada.token);
    expect([followed.status, followed.headers['content-type']]).toEqual([
      200,
      'text/event-stream; charset=utf-8',
    ]);
    expect(followed.text).toContain('event: donation\nid: 1\n');
    expect(followed.text).toContain('"code":"cancelled_by_donor"');
  });

  test('does not exist for guests, other accounts and organizers, exactly as one that nobody made', async () => {
    const ada = accounts.add('donor');
    const { id } = donation(await give(ada, newKey()));
    const guests = donation(await give(null, newKey()));
    for (const token of [
      null,
      guests.donorToken,
      accounts.add('donor').token,
      accounts.add('organizer').token,
    ])
      for (const ask of [getDonation.bind(null, gateway), events, cancel]) {
        await notFound(ask(id, token));
        const [theirs, nobodys] = [await ask(id, token), await ask(randomUUID(), token)];
        expect({ ...problem(theirs), traceId: null }).toEqual({ ...problem(nobodys), traceId: null });
      }
    expect(await cancelled(id)).toBe(false);
    // Nor may an account with the guest's e-mail see what a guest gave.
    await notFound(getDonation(gateway, guests.id, ada.token));
  });

  test('is read and cancelled by operators, who get no client secret', async () => {
    const ada = accounts.add('donor');
    const { id } = donation(await give(ada, newKey()));
    await waitsForItsDonor(id);
    expect(json(await getDonation(gateway, id, ada.token))).toMatchObject({ clientSecret: 'pi_1_secret_2' });
    for (const token of [OPERATOR_TOKEN, accounts.add('operator').token]) {
      const answer = await getDonation(gateway, id, token);
      expect([answer.status, answer.text.includes('ecret')]).toEqual([200, false]);
    }
    expect((await cancel(id, accounts.add('operator').token)).status).toBe(202);
    expect(await cancelled(id)).toBe(true);
  });

  test('an operator’s own is the operator’s as a donor, client secret included', async () => {
    const operator = accounts.add('operator');
    const { id } = donation(await give(operator, newKey()));
    await waitsForItsDonor(id);
    expect(json(await getDonation(gateway, id, operator.token))).toHaveProperty('clientSecret');
  });

  test('is 401 for an access token that has expired, and 404 for what is none', async () => {
    const ada = accounts.add('donor');
    const { id } = donation(await give(ada, newKey()));
    accounts.expire(ada);
    for (const ask of [getDonation.bind(null, gateway), events, cancel])
      for (const of of [id, randomUUID()]) {
        const answer = await ask(of, ada.token);
        expect([answer.status, problem(answer).code]).toEqual([401, 'unauthorized']);
        await notFound(ask(of, ada.token.replaceAll('.', '')));
      }
    expect(await cancelled(id)).toBe(false);
  });
});

/** As when the provider asks for 3-D Secure. */
async function waitsForItsDonor(id: string): Promise<void> {
  await gateway.pools.payments.query(
    `INSERT INTO payments (id, donation_id, campaign_id, provider, provider_payment_id, payment_method, amount, currency, state, waiting_for)
     VALUES ($1, $1, $2, 'stripe', $3, 'pm_card_authenticationRequired', 2500, 'USD', 'INITIATED', 'action')`,
    [id, campaignId, `pi_${id}`],
  );
}
