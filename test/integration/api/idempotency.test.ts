/** One key is one donation, whoever asks how often, in whatever spelling, at whichever process. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually } from '../../harness/eventually.ts';
import { isolatedDatabases } from '../database/isolated-databases.ts';
import {
  allRows,
  closeCampaign,
  donate,
  donation,
  donationBody,
  newCampaign,
  newKey,
  rowsOf,
  startGateway,
  type Gateway,
} from './gateway.ts';
import { problem, send, type Answer } from './http-client.ts';

const { urls } = isolatedDatabases(['donations', 'payments', 'campaigns']);
let gateway: Gateway;
let second: Gateway;
let campaignId: string;
beforeAll(async () => {
  gateway = await startGateway({ urls });
  second = await startGateway({ urls });
  campaignId = await newCampaign(gateway);
});
afterAll(async () => {
  await gateway[Symbol.asyncDispose]();
  await second[Symbol.asyncDispose]();
});

/** All of an answer that a client may rely on. */
function essence({ status, headers, text }: Answer): unknown {
  return { status, location: headers['location'], retryAfter: headers['retry-after'], text };
}

test('a hundred posts of one key at once over two processes are one row and get one answer', async () => {
  const key = newKey();
  const body = donationBody(campaignId, { donor: { name: 'Ada' } });
  const answers = await Promise.all(
    Array.from({ length: 100 }, (_, index) => donate(index % 2 === 0 ? gateway : second, key, body)),
  );
  expect(new Set(answers.map((answer) => JSON.stringify(essence(answer)))).size).toBe(1);
  expect(answers[0]?.status).toBe(202);
  // Exactly one of them made it.
  expect(answers.filter(({ headers }) => headers['idempotent-replayed'] === undefined)).toHaveLength(1);
  expect(await rowsOf(gateway.pools.donations, key)).toBe(1);
});

test('many keys at once, each posted five times to both processes, neither mix nor deadlock', async () => {
  const keys = Array.from({ length: 40 }, newKey);
  const before = await allRows(gateway.pools.donations);
  const posts = keys.flatMap((key, index) =>
    Array.from({ length: 5 }, (_, turn) => ({
      key,
      amount: index + 1,
      to: turn % 2 === 0 ? gateway : second,
    })),
  );
  // Interleaved, so that every batch holds many keys in another order.
  const answers = await Promise.all(
    posts
      .toSorted((a, b) => (a.key.slice(-4) < b.key.slice(-4) ? -1 : 1))
      .map(async ({ key, amount, to }) => {
        const answer = donation(await donate(to, key, donationBody(campaignId, { amount })));
        expect(answer.amount).toBe(amount);
        return answer.id;
      }),
  );
  expect(new Set(answers).size).toBe(keys.length);
  expect(await allRows(gateway.pools.donations)).toBe(before + keys.length);
});

test('a first post answers 202 with a location, a token and no mark of a replay', async () => {
  const first = await donate(gateway, newKey(), donationBody(campaignId));
  const { id, donorToken, status } = donation(first);
  expect(first.headers).toMatchObject({ location: `/donations/${id}`, 'retry-after': '1' });
  expect(first.headers['idempotent-replayed']).toBeUndefined();
  expect(first.headers['cache-control']).toBe('no-store');
  expect(status).toBe('INITIATED');
  expect(donorToken).toMatch(/^[\w-]{43}$/);
});

describe('the same request in another spelling is a replay', () => {
  const original = (): string =>
    `{"campaignId":"${campaignId}","amount":2500,"currency":"USD","paymentMethod":"pm_card_visa"}`;
  const spellings: readonly (readonly [string, () => string])[] = [
    [
      'other key order',
      () => `{"paymentMethod":"pm_card_visa","currency":"USD","amount":2500,"campaignId":"${campaignId}"}`,
    ],
    [
      'white space',
      () =>
        `\r\n{ "campaignId" :\t"${campaignId}", "amount": 2500 ,\n "currency":"USD","paymentMethod":"pm_card_visa" }\n`,
    ],
    ['an empty donor', () => original().replace('{', '{"donor":{},')],
    ['the default written out', () => original().replace('{', '{"donor":{"anonymous":false},')],
    ['upper-case campaign id', () => original().replace(campaignId, campaignId.toUpperCase())],
    ['escaped characters', () => original().replace('"USD"', String.raw`"\u0055SD"`)],
  ];
  test.each(spellings)('%s', async (_name, spelling) => {
    const key = newKey();
    const first = await donate(gateway, key, original());
    const again = await donate(second, key, spelling());
    expect(essence(again)).toEqual(essence(first));
    expect(again.headers['idempotent-replayed']).toBe('true');
    expect(await rowsOf(gateway.pools.donations, key)).toBe(1);
  });
});

describe('a key that was used for another request is refused', () => {
  const others: readonly (readonly [string, Record<string, unknown>])[] = [
    ['amount', { amount: 2501 }],
    ['payment method', { paymentMethod: 'pm_card_mastercard' }],
    ['donor', { donor: { name: 'Eve' } }],
    ['anonymity', { donor: { name: 'Ada', anonymous: true } }],
    ['message', { message: 'hello' }],
  ];
  test.each(others)('another %s', async (_name, other) => {
    const key = newKey();
    const secret = donationBody(campaignId, { donor: { name: 'Ada' }, amount: 2500 });
    const first = donation(await donate(gateway, key, secret));
    const refused = await donate(second, key, { ...secret, ...other });
    expect(refused.status).toBe(422);
    expect(problem(refused).code).toBe('idempotency_key_reused');
    // Whoever guesses a key learns nothing of the donation behind it.
    expect(Object.keys(problem(refused)).toSorted()).toEqual(['code', 'status', 'title', 'traceId', 'type']);
    for (const told of [first.id, first.donorToken, 'Ada', '2500'])
      expect(JSON.stringify(refused)).not.toContain(told);
    expect(refused.headers['location']).toBeUndefined();
    // And the first request stands.
    expect(donation(await donate(gateway, key, secret)).id).toBe(first.id);
    expect(await rowsOf(gateway.pools.donations, key)).toBe(1);
  });
});

test('of different requests with one key at the same moment one wins and the others get 422', async () => {
  for (let round = 0; round < 5; round += 1) {
    const key = newKey();
    const answers = await Promise.all(
      Array.from({ length: 12 }, (_, index) =>
        donate(index % 3 === 0 ? second : gateway, key, donationBody(campaignId, { amount: 100 + index })),
      ),
    );
    const accepted = answers.filter(({ status }) => status === 202);
    expect(accepted).toHaveLength(1);
    expect(answers.filter(({ status }) => status === 422)).toHaveLength(11);
    const { rows } = await gateway.pools.donations.query<{ amount: number }>(
      'SELECT amount FROM donation_requests WHERE idempotency_key = $1',
      [key],
    );
    expect(rows).toEqual([{ amount: accepted.map((answer) => donation(answer).amount)[0] }]);
  }
});

describe('a key that is in use answers for its donation', () => {
  test('and not for a campaign or a currency that a second request names, whatever becomes of those', async () => {
    const key = newKey();
    const first = await donate(gateway, key, donationBody(campaignId));
    const closed = await newCampaign(gateway);
    await closeCampaign(gateway, closed);
    const others = [
      { campaignId: await newCampaign(gateway) },
      { campaignId: closed },
      { campaignId: '11111111-1111-4111-8111-111111111111' },
      { currency: 'EUR' },
    ];
    for (const other of others) {
      const refused = await donate(second, key, donationBody(campaignId, other));
      expect([refused.status, problem(refused).code]).toEqual([422, 'idempotency_key_reused']);
    }
    expect(essence(await donate(second, key, donationBody(campaignId)))).toEqual(essence(first));
    expect(await rowsOf(gateway.pools.donations, key)).toBe(1);
  });

  test('and a request that is no request stays one, without touching it', async () => {
    const key = newKey();
    const first = await donate(gateway, key, donationBody(campaignId));
    expect(problem(await donate(second, key, donationBody(campaignId, { amount: 0 }))).code).toBe(
      'invalid_body',
    );
    expect(problem(await donate(second, key, '{')).code).toBe('malformed_json');
    expect(essence(await donate(second, key, donationBody(campaignId)))).toEqual(essence(first));
  });

  test('while its campaign cannot be looked up', async () => {
    const key = newKey();
    const first = await donate(gateway, key, donationBody(campaignId));
    await gateway.pools.donations.query('DELETE FROM campaign_snapshots WHERE id = $1', [campaignId]);
    await using cutOff = await startGateway({ urls, lookup: () => Promise.reject(new Error('away')) });
    expect(essence(await donate(cutOff, key, donationBody(campaignId)))).toEqual(essence(first));
    expect(problem(await donate(cutOff, newKey(), donationBody(campaignId))).code).toBe(
      'campaigns_unavailable',
    );
    expect(problem(await donate(cutOff, key, donationBody(campaignId, { amount: 1 }))).code).toBe(
      'idempotency_key_reused',
    );
  });
});

test('the stored key decides, even for a donation whose id it would not get today', async () => {
  const key = newKey();
  const { id } = donation(await donate(gateway, newKey(), donationBody(campaignId)));
  const { rows } = await gateway.pools.donations.query<{ id: string }>(
    `INSERT INTO donation_requests (id, scope, idempotency_key, fingerprint, campaign_id, amount, currency, payment_method, body)
     SELECT gen_random_uuid(), scope, $2, fingerprint, campaign_id, amount, currency, payment_method, body
     FROM donation_requests WHERE id = $1 RETURNING id`,
    [id, key],
  );
  const answers = await Promise.all(
    Array.from({ length: 20 }, (_, index) =>
      donate(index % 2 === 0 ? gateway : second, key, donationBody(campaignId)),
    ),
  );
  expect(new Set(answers.map((answer) => donation(answer).id))).toEqual(new Set(rows.map((row) => row.id)));
  expect(answers.every(({ headers }) => headers['idempotent-replayed'] === 'true')).toBe(true);
  expect((await donate(second, key, donationBody(campaignId, { amount: 1 }))).status).toBe(422);
  expect(await rowsOf(gateway.pools.donations, key)).toBe(1);
});

test('a replay tells the state of now, not of then', async () => {
  const key = newKey();
  const { id } = donation(await donate(gateway, key, donationBody(campaignId)));
  await gateway.pools.donations.query(
    `INSERT INTO pledges (id, campaign_id, amount, currency, status, version, failure_code, idempotency_key)
     VALUES ($1, $2, 2500, 'USD', 'FAILED', 2, 'card_declined', $3)`,
    [id, campaignId, key],
  );
  const again = await donate(gateway, key, donationBody(campaignId));
  expect(again.status).toBe(202);
  expect(JSON.parse(again.text)).toMatchObject({
    id,
    status: 'FAILED',
    version: 2,
    failure: { code: 'card_declined' },
  });
});

test('a replay after the campaign was closed still finds its donation', async () => {
  const closing = await newCampaign(gateway);
  const key = newKey();
  const first = await donate(gateway, key, donationBody(closing));
  await closeCampaign(gateway, closing);
  await gateway.pools.donations.query(
    `UPDATE campaign_snapshots SET status = 'closed', version = 2 WHERE id = $1`,
    [closing],
  );
  const again = await donate(second, key, donationBody(closing));
  expect(essence(again)).toEqual(essence(first));
  expect(problem(await donate(second, newKey(), donationBody(closing))).code).toBe('campaign_closed');
  expect(problem(await donate(second, key, donationBody(closing, { amount: 1 }))).code).toBe(
    'idempotency_key_reused',
  );
});

describe('a refusal leaves the key free', () => {
  test('after a body that was wrong, the corrected one is accepted', async () => {
    const key = newKey();
    expect((await donate(gateway, key, donationBody(campaignId, { amount: '2500' }))).status).toBe(400);
    expect((await donate(gateway, key, '{"campaignId":')).status).toBe(400);
    const corrected = await donate(gateway, key, donationBody(campaignId));
    expect(corrected.status).toBe(202);
    expect(corrected.headers['idempotent-replayed']).toBeUndefined();
  });

  test('after an unknown campaign (404), a wrong currency (422) and a token that is not accepted (401)', async () => {
    const key = newKey();
    const unknown = await donate(gateway, key, donationBody('11111111-1111-4111-8111-111111111111'));
    expect([unknown.status, problem(unknown).code]).toEqual([404, 'campaign_not_found']);
    const mismatch = await donate(gateway, key, donationBody(campaignId, { currency: 'EUR' }));
    expect([mismatch.status, problem(mismatch).code]).toEqual([422, 'currency_mismatch']);
    const unauthorized = await send(gateway.port, {
      method: 'POST',
      path: '/donate',
      headers: [
        ['Content-Type', 'application/json'],
        ['Idempotency-Key', key],
        ['Authorization', 'Bearer expired'],
      ],
      body: JSON.stringify(donationBody(campaignId)),
    });
    expect([unauthorized.status, problem(unauthorized).code]).toEqual([401, 'unauthorized']);
    expect(unauthorized.headers['www-authenticate']).toBe('Bearer');
    expect(await rowsOf(gateway.pools.donations, key)).toBe(0);
    expect(
      (await donate(gateway, key, donationBody(campaignId))).headers['idempotent-replayed'],
    ).toBeUndefined();
  });

  test('after 503, when the campaign could not be looked up', async () => {
    let reachable = false;
    await using cutOff = await startGateway({
      urls,
      lookup: (id) =>
        reachable
          ? Promise.resolve({ id, currency: 'USD', status: 'open', version: 1, deadline: null })
          : Promise.reject(new Error('away')),
    });
    const key = newKey();
    const fresh = donationBody('22222222-2222-4222-8222-222222222222');
    const refused = await donate(cutOff, key, fresh);
    expect([refused.status, problem(refused).code]).toEqual([503, 'campaigns_unavailable']);
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0);
    reachable = true;
    expect((await donate(cutOff, key, fresh)).status).toBe(202);
  });
});

test('a row that PostgreSQL refuses fails alone, its neighbours of the same batch are stored', async () => {
  const { pools } = gateway;
  const refused = newKey();
  // A rule of the database that no rule of the API repeats: stands for one that somebody forgot.
  await pools.donations.query(
    `ALTER TABLE donation_requests ADD CONSTRAINT test_refused CHECK (amount <> 777)`,
  );
  try {
    const answers = await Promise.all(
      Array.from({ length: 30 }, async (_, index) => {
        const [key, amount] = index === 13 ? [refused, 777] : [newKey(), 1_000 + index];
        return [amount, (await donate(gateway, key, donationBody(campaignId, { amount }))).status] as const;
      }),
    );
    expect(answers.filter(([amount]) => amount !== 777).every(([, status]) => status === 202)).toBe(true);
    expect(answers.find(([amount]) => amount === 777)?.[1]).toBe(500);
  } finally {
    await pools.donations.query('ALTER TABLE donation_requests DROP CONSTRAINT test_refused');
  }
  // A 500 is no answer to keep: the same request with the same key is a first one.
  const retried = await donate(second, refused, donationBody(campaignId, { amount: 777 }));
  expect([retried.status, retried.headers['idempotent-replayed']]).toEqual([202, undefined]);
  expect(await rowsOf(pools.donations, refused)).toBe(1);
});

test('the relay is told of new rows', async () => {
  const before = gateway.woken();
  await donate(gateway, newKey(), donationBody(campaignId));
  await eventually('woken', () => expect(gateway.woken()).toBeGreaterThan(before));
});
