/** Whoever tries out stolen cards is stopped; donors of the same campaign, and at the same address, are not. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createDonationActivities } from '../../../activities/donations/index.ts';
import type { PaymentStatus } from '../../../domain/payment.ts';
import type { DonationActivities } from '../../../workflows/ports.ts';
import { forgetCardAttempts } from '../../../workers/sweeper.ts';
import { eventually } from '../../harness/eventually.ts';
import { isolatedDatabases } from '../database/isolated-databases.ts';
import {
  donation,
  donationBody,
  newCampaign,
  newKey,
  OPERATOR_TOKEN,
  rowsOf,
  startGateway,
  type Gateway,
} from './gateway.ts';
import { json, problem, type Answer } from './http-client.ts';

const { urls } = isolatedDatabases(['donations', 'payments', 'campaigns']);
const LIMITS = {
  cards: {
    address: { declinedCards: 5, declinedShare: 0.5, triedCards: 12 },
    account: { declinedCards: 3, declinedShare: 0 },
    campaign: { declinedCards: 12, declinedShare: 0.5 },
    addressUnderAttack: { declinedCards: 2 },
  },
};

let gateway: Gateway;
let worker: DonationActivities;
beforeAll(async () => {
  gateway = await startGateway({
    urls,
    env: { LIMITS: JSON.stringify(LIMITS), TRUSTED_PROXIES: '127.0.0.1' },
  });
  worker = createDonationActivities({
    pool: gateway.pools.donations,
    failpoint: () => undefined,
    outboxWritten: () => undefined,
  });
});
afterAll(async () => {
  await gateway[Symbol.asyncDispose]();
});

let last = 0;
function newAddress(): string {
  last += 1;
  return `198.51.100.${last}`;
}
let cards = 0;
function newCard(): string {
  cards += 1;
  return `pm_of_a_person_${cards}`;
}

type Try = {
  readonly campaignId: string;
  readonly from: string;
  readonly card?: string;
  readonly key?: string;
  readonly token?: string;
  readonly to?: Gateway;
};

function give({
  campaignId,
  from,
  card = newCard(),
  key = newKey(),
  token,
  to = gateway,
}: Try): Promise<Answer> {
  return to.send({
    method: 'POST',
    path: '/donate',
    headers: [
      ['Content-Type', 'application/json'],
      ['Idempotency-Key', key],
      ['X-Forwarded-For', from],
      ...(token === undefined ? [] : [['Authorization', `Bearer ${token}`] as const]),
    ],
    body: JSON.stringify(donationBody(campaignId, { amount: 100, paymentMethod: card })),
  });
}

/** Once the API has noted the attempt: the outcome of a donation takes longer than that. */
async function decide(id: string, status: PaymentStatus, failureCode: string | null = null): Promise<void> {
  await eventually('noted', async () => {
    const { rowCount } = await gateway.pools.donations.query(
      'SELECT FROM card_attempts WHERE donation_id = $1',
      [id],
    );
    expect(rowCount).toBeGreaterThan(1);
  });
  await worker.persistPledge(id);
  await worker.recordOutcome({ donationId: id, status, version: 2, failureCode });
}

async function giveAndDecide(attempt: Try, status: 'CAPTURED' | 'FAILED'): Promise<string> {
  const { id } = donation(await give(attempt));
  await decide(id, status, status === 'FAILED' ? 'generic_decline' : null);
  return id;
}

describe('a card tester', () => {
  test('with fifty cards is stopped at the fifth that is declined, and donors of the same campaign are not', async () => {
    const campaignId = await newCampaign(gateway);
    const [tester, donor] = [newAddress(), newAddress()];
    const statuses: number[] = [];
    for (let count = 0; count < 50; count += 1) {
      const answer = await give({ campaignId, from: tester });
      statuses.push(answer.status);
      if (answer.status === 202) await decide(donation(answer).id, 'FAILED', 'stolen_card');
      if (count % 10 === 0) expect((await give({ campaignId, from: donor })).status).toBe(202);
    }
    expect(statuses).toEqual(Array.from({ length: 50 }, (_, index) => (index < 5 ? 202 : 429)));
  });

  test('who gives with a good card of their own between the stolen ones is stopped as soon', async () => {
    const campaignId = await newCampaign(gateway);
    const [from, good] = [newAddress(), newCard()];
    for (let count = 0; count < 5; count += 1) {
      for (let more = 0; more < 2; more += 1)
        await giveAndDecide({ campaignId, from, card: good }, 'CAPTURED');
      await giveAndDecide({ campaignId, from }, 'FAILED');
    }
    expect((await give({ campaignId, from })).status).toBe(429);
  });

  test('is told when to come back, and what was refused is stored nowhere', async () => {
    const campaignId = await newCampaign(gateway);
    const [from, key] = [newAddress(), newKey()];
    for (let count = 0; count < 5; count += 1) await giveAndDecide({ campaignId, from }, 'FAILED');
    const refused = await give({ campaignId, from, key });
    expect([refused.status, problem(refused).code]).toEqual([429, 'rate_limited']);
    const waitSeconds = Number(refused.headers['retry-after']);
    expect(waitSeconds).toBeGreaterThan(500);
    expect(waitSeconds).toBeLessThanOrEqual(600);
    expect(await rowsOf(gateway.pools.donations, key)).toBe(0);
    // Elsewhere, or later, the same key is as good as new.
    expect(
      (await give({ campaignId, from: newAddress(), key })).headers['idempotent-replayed'],
    ).toBeUndefined();
  });

  test('who uses the names of test cards is counted by their uses', async () => {
    const campaignId = await newCampaign(gateway);
    const attempt = { campaignId, from: newAddress(), card: 'pm_card_chargeDeclined' };
    for (let count = 0; count < 5; count += 1) await giveAndDecide(attempt, 'FAILED');
    expect((await give(attempt)).status).toBe(429);
  });

  test('who tries many cards before any is decided is stopped by their number', async () => {
    const campaignId = await newCampaign(gateway);
    const from = newAddress();
    const answers = [];
    for (let count = 0; count < 12; count += 1) answers.push(await give({ campaignId, from }));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([202]));
    await eventually('stopped', async () => expect((await give({ campaignId, from })).status).toBe(429));
  });

  test('with an account is stopped sooner, wherever it comes from', async () => {
    const campaignId = await newCampaign(gateway);
    const attempt = () => ({ campaignId, from: newAddress(), token: OPERATOR_TOKEN });
    for (let count = 0; count < 3; count += 1) await giveAndDecide(attempt(), 'FAILED');
    expect((await give(attempt())).status).toBe(429);
    expect((await give({ campaignId, from: newAddress() })).status).toBe(202);
  });
});

describe('nobody else is refused', () => {
  test('a replay: the answer to a donation that was accepted stands', async () => {
    const campaignId = await newCampaign(gateway);
    const attempt = { campaignId, from: newAddress(), card: newCard(), key: newKey() };
    const first = await giveAndDecide(attempt, 'FAILED');
    for (let count = 0; count < 4; count += 1)
      await giveAndDecide({ campaignId, from: attempt.from }, 'FAILED');
    expect((await give({ campaignId, from: attempt.from })).status).toBe(429);
    const again = await give(attempt);
    expect([again.status, again.headers['idempotent-replayed']]).toEqual([202, 'true']);
    expect((json(again) as { id: string }).id).toBe(first);
    expect((await give({ ...attempt, card: newCard() })).status).toBe(422);
  });

  test('an office: as many of its cards are declined as of a tester’s, but more are not', async () => {
    const campaignId = await newCampaign(gateway);
    const from = newAddress();
    for (let count = 0; count < 11; count += 1)
      await giveAndDecide({ campaignId, from }, count < 6 ? 'CAPTURED' : 'FAILED');
    expect((await give({ campaignId, from })).status).toBe(202);
  });

  test('a donor who tries one card again and again', async () => {
    const campaignId = await newCampaign(gateway);
    const attempt = { campaignId, from: newAddress(), card: newCard() };
    for (let count = 0; count < 8; count += 1) await giveAndDecide(attempt, 'FAILED');
    expect((await give(attempt)).status).toBe(202);
  });

  test('a donor whose donations ended for other reasons than the card', async () => {
    const campaignId = await newCampaign(gateway);
    const from = newAddress();
    for (let count = 0; count < 8; count += 1)
      await decide(donation(await give({ campaignId, from })).id, 'FAILED', 'cancelled_by_donor');
    expect((await give({ campaignId, from })).status).toBe(202);
  });
});

test('a campaign under attack from many addresses stays open: each of them is stopped sooner, donors go on', async () => {
  const campaignId = await newCampaign(gateway);
  const testers = Array.from({ length: 6 }, newAddress);
  for (const from of testers)
    for (let count = 0; count < 2; count += 1) await giveAndDecide({ campaignId, from }, 'FAILED');
  for (const from of testers) expect((await give({ campaignId, from })).status).toBe(429);
  const donor = newAddress();
  expect((await give({ campaignId, from: donor })).status).toBe(202);
  await giveAndDecide({ campaignId, from: donor }, 'FAILED');
  expect((await give({ campaignId, from: donor })).status).toBe(202);
  // Elsewhere the same two declines mean nothing.
  expect((await give({ campaignId: await newCampaign(gateway), from: testers[0] ?? '' })).status).toBe(202);
});

test('when the window is over, so is the refusal', async () => {
  await using short = await startGateway({
    urls,
    env: {
      LIMITS: JSON.stringify({ cards: { ...LIMITS.cards, windowSeconds: 3 } }),
      TRUSTED_PROXIES: '127.0.0.1',
    },
  });
  const campaignId = await newCampaign(gateway);
  const attempt = { campaignId, from: newAddress(), to: short };
  const ids = [];
  for (let count = 0; count < 5; count += 1) ids.push(donation(await give(attempt)).id);
  await Promise.all(ids.map((id) => decide(id, 'FAILED', 'stolen_card')));
  const refused = await give(attempt);
  expect(refused.status).toBe(429);
  await sleep(Number(refused.headers['retry-after']) * 1_000);
  await eventually('free again', async () => expect((await give(attempt)).status).toBe(202));
});

test('what is kept is digests, and after a day nothing', async () => {
  const campaignId = await newCampaign(gateway);
  const [from, card] = [newAddress(), newCard()];
  const id = await giveAndDecide({ campaignId, from, card }, 'FAILED');
  const { donations } = gateway.pools;
  const kept = () => donations.query('SELECT * FROM card_attempts WHERE donation_id = $1', [id]);
  const { rows } = await kept();
  expect(rows).toHaveLength(2);
  const text = JSON.stringify(rows, (_key, value: unknown) =>
    Buffer.isBuffer(value) ? value.toString('latin1') : value,
  );
  for (const secret of [from, card, campaignId]) expect(text).not.toContain(secret);
  expect(await forgetCardAttempts(donations)).toBe(0);
  await donations.query(
    `UPDATE card_attempts SET attempted_at = now() - interval '25 hours' WHERE donation_id = $1`,
    [id],
  );
  expect(await forgetCardAttempts(donations)).toBe(2);
  expect((await kept()).rows).toEqual([]);
});

test('outside production nobody on this machine is taken for a tester', async () => {
  const campaignId = await newCampaign(gateway);
  const attempts = Array.from({ length: 40 }, () => give({ campaignId, from: '127.0.0.1' }));
  const answers = await Promise.all(attempts);
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([202]));
  expect((await give({ campaignId, from: '127.0.0.1' })).status).toBe(202);
});
