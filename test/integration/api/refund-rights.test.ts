/** Who may give back: operators everything, organizers what their own campaigns got, donors and guests nothing. */
import { randomUUID } from 'node:crypto';
import type { Pool } from 'pg';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { campaignsInternalRouter } from '../../../api/campaigns/internal-routes.ts';
import { readCampaign } from '../../../api/campaigns/campaign.ts';
import { closeServer, createApp, listen } from '../../../api/http/app.ts';
import { clientsBehind } from '../../../api/http/client-address.ts';
import { createInternalCaller } from '../../../api/http/internal.ts';
import { askCampaignOwner } from '../../../api/payments/over-http.ts';
import { refundBody, refundFingerprint } from '../../../api/payments/refund-body.ts';
import { createRefundStore } from '../../../api/payments/refunds.ts';
import { loadConfig } from '../../../platform/config.ts';
import { startProxy, targetOf, through } from '../../harness/proxy.ts';
import { isolatedDatabases } from '../database/isolated-databases.ts';
import { createAccounts, type Account } from './accounts.ts';
import { newKey, silent, startGateway, type Gateway } from './gateway.ts';
import { json, problem, type Answer } from './http-client.ts';
import { accepted, allRefunds, newPayment, refund, refundsOf } from './refunding.ts';

const { urls } = isolatedDatabases(['donations', 'payments', 'campaigns']);
const accounts = createAccounts();
let gateway: Gateway;
beforeAll(async () => {
  gateway = await startGateway({ urls, authenticate: accounts.authenticate });
});
afterAll(async () => {
  await gateway[Symbol.asyncDispose]();
});

/** Null: the platform's own. */
async function campaignOf(owner: Account | null): Promise<string> {
  const { rows } = await gateway.pools.campaigns.query<{ id: string }>(
    `INSERT INTO campaigns (id, title, currency, status, owner_id, created_by)
     VALUES (gen_random_uuid(), 'Wells', 'USD', 'open', $1, 'test') RETURNING id`,
    [owner?.user.id ?? null],
  );
  return rows[0]?.id ?? '';
}

const paymentFor = async (owner: Account | null): Promise<string> =>
  newPayment(gateway.pools.payments, { campaignId: await campaignOf(owner) });

const ask = (
  account: Account,
  id: string,
  key = newKey(),
  body: Record<string, unknown> | string = {},
  to: Pick<Gateway, 'send'> = gateway,
): Promise<Answer> => refund(to, id, key, body, [account.header]);

const read = (account: Account, path: string): Promise<Answer> =>
  gateway.send({ path, headers: [account.header] });

const codeOf = (answer: Answer): readonly [number, string] => [answer.status, problem(answer).code];

type Row = { readonly scope: string; readonly requested_by: string; readonly cause: string | null };

async function written(pool: Pool, paymentId: string): Promise<Row[]> {
  const { rows } = await pool.query<Row>(
    `SELECT r.scope, r.requested_by,
       (SELECT t.cause FROM payment_transitions t WHERE t.payment_id = r.payment_id AND t.cause LIKE 'request:%' ORDER BY version DESC LIMIT 1) AS cause
     FROM refunds r WHERE r.payment_id = $1`,
    [paymentId],
  );
  return rows;
}

describe('an organizer', () => {
  test('gives back what a campaign of their own got, and finds the refund', async () => {
    const olga = accounts.add('organizer');
    const id = await paymentFor(olga);
    const body = { amount: 700, currency: 'USD', reason: 'given twice' };
    const made = accepted(await ask(olga, id.toUpperCase(), newKey(), body));
    expect(made).toMatchObject({
      donationId: id,
      amount: 700,
      status: 'pending',
      requestedBy: `organizer:${olga.user.id}`,
    });
    expect(await written(gateway.pools.payments, id)).toEqual([
      {
        scope: `user:${olga.user.id}`,
        requested_by: `organizer:${olga.user.id}`,
        cause: `request:organizer:${olga.user.id}`,
      },
    ]);
    expect(await refundsOf(gateway.pools.payments, id)).toMatchObject({
      amounts: [700],
      commands: 1,
      reserved: 700,
    });
    expect(json(await read(olga, `/donations/${id}/refunds`))).toEqual({ data: [made], nextCursor: null });
    expect(json(await read(olga, `/donations/${id}/refunds/${made.id}`))).toEqual(made);
  });

  test('does not find donations to others’ campaigns, to the platform’s, to none, and of nobody: all the same answer', async () => {
    const olga = accounts.add('organizer');
    const foreign = [
      await paymentFor(accounts.add('organizer')),
      await paymentFor(null),
      await newPayment(gateway.pools.payments),
    ];
    const operator = accounts.add('operator');
    const made = accepted(await ask(operator, foreign[0] ?? '', newKey(), { amount: 100, currency: 'USD' }));
    const before = await allRefunds(gateway.pools.payments);
    const answers: Answer[] = [];
    for (const id of [...foreign, randomUUID()]) {
      const key = newKey();
      answers.push(
        await ask(olga, id, key),
        await read(olga, `/donations/${id}/refunds`),
        await read(olga, `/donations/${id}/refunds/${made.id}`),
      );
      // The key stays free.
      const own = await paymentFor(olga);
      expect((await ask(olga, own, key)).headers['idempotent-replayed']).toBeUndefined();
      expect((await refundsOf(gateway.pools.payments, own)).amounts).toEqual([2_500]);
    }
    for (const answer of answers)
      expect({ ...problem(answer), traceId: null }).toEqual({
        ...problem(answers.at(-1) ?? answer),
        traceId: null,
      });
    expect(answers.map(codeOf)).toEqual(answers.map(() => [404, 'not_found']));
    expect(await allRefunds(gateway.pools.payments)).toBe(before + foreign.length + 1);
  });

  test('is told the same of a wrong body or key, whoever’s the donation is', async () => {
    const olga = accounts.add('organizer');
    const [own, foreign] = [await paymentFor(olga), await paymentFor(accounts.add('organizer'))];
    for (const id of [own, foreign, randomUUID()]) {
      expect(codeOf(await ask(olga, id, newKey(), { amount: 0, currency: 'USD' }))[1]).toBe('invalid_body');
      expect(codeOf(await ask(olga, id, 'short'))[1]).toBe('idempotency_key_invalid');
    }
  });

  test('who gave to another’s campaign cannot take it back', async () => {
    const olga = accounts.add('organizer');
    const id = await paymentFor(accounts.add('organizer'));
    await gateway.pools.donations.query(
      `INSERT INTO donation_requests (id, scope, idempotency_key, fingerprint, campaign_id, amount, currency, payment_method, body)
       VALUES ($1, $2, $3, sha256('x'), gen_random_uuid(), 2500, 'USD', 'pm_card_visa', '{}')`,
      [id, `user:${olga.user.id}`, newKey()],
    );
    expect((await read(olga, `/donations/${id}`)).status).toBe(200);
    expect(codeOf(await ask(olga, id))).toEqual([404, 'not_found']);
  });

  test('fails like an operator where nothing can be refunded', async () => {
    const olga = accounts.add('organizer');
    const id = await paymentFor(olga);
    expect(codeOf(await ask(olga, id, newKey(), { amount: 2_501, currency: 'USD' }))).toEqual([
      422,
      'refund_exceeds_captured',
    ]);
    expect(codeOf(await ask(olga, id, newKey(), { amount: 1, currency: 'EUR' }))).toEqual([
      422,
      'currency_mismatch',
    ]);
    expect(await written(gateway.pools.payments, id)).toEqual([]);
  });
});

describe('an operator', () => {
  test('gives back what any campaign got, and is written down by name', async () => {
    for (const owner of [accounts.add('organizer'), null]) {
      const operator = accounts.add('operator');
      const id = await paymentFor(owner);
      accepted(await ask(operator, id));
      expect(await written(gateway.pools.payments, id)).toMatchObject([
        { scope: `user:${operator.user.id}`, requested_by: `operator:${operator.user.id}` },
      ]);
    }
  });

  test('finds what was asked for with the key before operators had accounts: no second refund', async () => {
    const id = await paymentFor(null);
    const key = newKey();
    const body = refundBody.parse({ amount: 700, currency: 'USD' });
    const former = await createRefundStore(gateway.pools.payments, () => undefined).ask({
      donationId: id,
      scope: 'operator',
      idempotencyKey: key,
      fingerprint: refundFingerprint(id, body),
      amountMinor: body.amount,
      currency: body.currency,
      reason: undefined,
      requestedBy: 'operator',
    });
    if (former.kind !== 'accepted') throw new Error(former.code);
    const [operator, olga] = [accounts.add('operator'), accounts.add('organizer')];
    const again = await ask(operator, id, key, { ...body });
    expect([accepted(again).id, again.headers['idempotent-replayed']]).toEqual([former.refund.id, 'true']);
    expect(json(again)).toMatchObject({ requestedBy: 'operator' });
    expect((await refundsOf(gateway.pools.payments, id)).amounts).toEqual([700]);
    // To an organizer that key never meant anything.
    expect((await ask(olga, await paymentFor(olga), key)).headers['idempotent-replayed']).toBeUndefined();
  });
});

describe('one key', () => {
  test('of two operators and an organizer is three refunds, none of which answers for another', async () => {
    const olga = accounts.add('organizer');
    const [first, second] = [accounts.add('operator'), accounts.add('operator')];
    const id = await paymentFor(olga);
    const key = newKey();
    const body = { amount: 500, currency: 'USD' };
    const askers = [olga, first, second];
    const made = [];
    for (const asker of askers) made.push(accepted(await ask(asker, id, key, body)));
    expect(new Set(made.map((one) => one.id)).size).toBe(3);
    for (const [index, asker] of askers.entries()) {
      const again = await ask(asker, id, key, body);
      expect([accepted(again).id, again.headers['idempotent-replayed']]).toEqual([made[index]?.id, 'true']);
    }
    expect((await refundsOf(gateway.pools.payments, id)).amounts).toEqual([500, 500, 500]);
  });

  test('of an organizer twenty times at once is one refund', async () => {
    const olga = accounts.add('organizer');
    const id = await paymentFor(olga);
    const key = newKey();
    const body = { amount: 500, currency: 'USD' };
    const answers = await Promise.all(Array.from({ length: 20 }, () => ask(olga, id, key, body)));
    expect(new Set(answers.map((answer) => accepted(answer).id)).size).toBe(1);
    expect(await refundsOf(gateway.pools.payments, id)).toMatchObject({ amounts: [500], commands: 1 });
  });
});

test('a donor may not, whoever’s the donation is: 403, before anything else is looked at', async () => {
  const ada = accounts.add('donor');
  const id = await paymentFor(ada);
  const before = await allRefunds(gateway.pools.payments);
  for (const [of, key, body] of [
    [id, newKey(), '{}'],
    [randomUUID(), newKey(), '{}'],
    ['no-id', 'short', 'no JSON'],
  ] as const)
    expect(codeOf(await ask(ada, of, key, body))).toEqual([403, 'forbidden']);
  for (const path of [`/donations/${id}/refunds`, `/donations/${id}/refunds/${randomUUID()}`])
    expect(codeOf(await read(ada, path))).toEqual([403, 'forbidden']);
  expect(await allRefunds(gateway.pools.payments)).toBe(before);
});

describe('where services run apart', () => {
  /** Campaigns as payments reaches it: over HTTP, with the installation's internal token. */
  async function campaignsApart(token: string) {
    const express = createApp({
      describes: [],
      log: silent,
      limits: { limits: loadConfig([], {}).LIMITS, clientOf: clientsBehind([]), store: null },
      routers: [campaignsInternalRouter('internal', (id) => readCampaign(gateway.pools.campaigns, id))],
      breakers: [],
      ready: () => Promise.resolve(),
    });
    const { server, port } = await listen(express, 0, '127.0.0.1');
    const owner = askCampaignOwner(createInternalCaller(`http://127.0.0.1:${port}`, token));
    const payments = await startGateway({
      urls,
      authenticate: accounts.authenticate,
      campaignOwnerOf: owner,
    });
    const stop = () => closeServer(server);
    onTestFinished(async () => {
      await payments[Symbol.asyncDispose]();
      await stop();
    });
    return { payments, stop };
  }

  test('the owner is asked for over HTTP; when campaigns is gone, organizers are told to come back', async () => {
    const { payments, stop } = await campaignsApart('internal');
    const olga = accounts.add('organizer');
    const id = await paymentFor(olga);
    const foreign = [
      await paymentFor(accounts.add('organizer')),
      await paymentFor(null),
      await newPayment(gateway.pools.payments),
    ];
    accepted(await ask(olga, id, newKey(), { amount: 1, currency: 'USD' }, payments));
    for (const other of foreign)
      expect(codeOf(await ask(olga, other, newKey(), {}, payments))).toEqual([404, 'not_found']);
    await stop();
    expect(codeOf(await ask(olga, id, newKey(), {}, payments))).toEqual([503, 'campaigns_unavailable']);
    expect((await refundsOf(gateway.pools.payments, id)).amounts).toEqual([1]);
  });

  test('a wrong internal token is no answer: nothing is given back, and nothing said to be missing', async () => {
    const { payments } = await campaignsApart('wrong');
    const olga = accounts.add('organizer');
    const id = await paymentFor(olga);
    expect(codeOf(await ask(olga, id, newKey(), {}, payments))).toEqual([503, 'campaigns_unavailable']);
    expect(await written(gateway.pools.payments, id)).toEqual([]);
  });
});

describe('while the campaigns service', () => {
  test.each<[name: string, answer: () => Promise<string | null>]>([
    ['cannot be reached', () => Promise.reject(new Error('ECONNREFUSED'))],
    ['does not answer', () => new Promise(() => undefined)],
  ])(
    '%s, organizers are told to come back, with the same key; operators need it not',
    async (_name, answer) => {
      await using away = await startGateway({
        urls,
        authenticate: accounts.authenticate,
        campaignOwnerOf: answer,
      });
      const olga = accounts.add('organizer');
      const id = await paymentFor(olga);
      const key = newKey();
      const [asked, listed] = await Promise.all([
        ask(olga, id, key, {}, away),
        away.send({ path: `/donations/${id}/refunds`, headers: [olga.header] }),
      ]);
      for (const refused of [asked, listed]) {
        expect(codeOf(refused)).toEqual([503, 'campaigns_unavailable']);
        expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0);
      }
      expect(await written(gateway.pools.payments, id)).toEqual([]);
      // What is no donation needs no campaign.
      expect(codeOf(await ask(olga, randomUUID(), newKey(), {}, away))).toEqual([404, 'not_found']);
      accepted(await ask(accounts.add('operator'), id, newKey(), { amount: 100, currency: 'USD' }, away));
      const later = await ask(olga, id, key);
      expect([accepted(later).amount, later.headers['idempotent-replayed']]).toEqual([2_400, undefined]);
    },
  );

  test('has lost its database, organizers are told to come back', async () => {
    const proxy = await startProxy(targetOf(urls.campaigns, 5432));
    onTestFinished(() => proxy[Symbol.asyncDispose]());
    await using away = await startGateway({
      urls: { ...urls, campaigns: through(urls.campaigns, proxy) },
      authenticate: accounts.authenticate,
      statementTimeoutMs: 300,
    });
    const olga = accounts.add('organizer');
    const id = await paymentFor(olga);
    accepted(await ask(olga, id, newKey(), { amount: 1, currency: 'USD' }, away));
    await proxy.cut();
    expect(codeOf(await ask(olga, id, newKey(), {}, away))).toEqual([503, 'campaigns_unavailable']);
    expect((await refundsOf(gateway.pools.payments, id)).amounts).toEqual([1]);
  });
});
