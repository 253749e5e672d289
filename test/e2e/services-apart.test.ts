/** Each service's API in a process of its own: what they ask each other, and what still works while one is gone. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually } from '../harness/eventually.ts';
import type { ApiService } from '../harness/stack-apis.ts';
import { startStack, type Stack } from '../harness/stack.ts';
import { post, type DonationBody } from './giving.ts';

let stack: Stack;
beforeAll(async () => {
  stack = await startStack({
    apis: {},
    apart: true,
    // Campaigns' events stay where they are: what donations knows, it has asked for.
    backgrounds: 0,
    policy: { retryInitialMs: 200, sweepAfterMs: 500, leaseMs: 2_000 },
  });
});
afterAll(() => stack.stop());

const LIMIT_MS = 15_000;

function at(service: ApiService, path: string): string {
  return `${stack.serviceUrls[service][0] ?? ''}${path}`;
}

async function ask(service: ApiService, path: string, init: RequestInit = {}): Promise<Response> {
  return await fetch(at(service, path), { ...init, signal: AbortSignal.timeout(LIMIT_MS) });
}

async function newCampaign(status: 'open' | 'draft' = 'open'): Promise<string> {
  const answer = await ask('campaigns', '/campaigns', {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${stack.operatorToken}` },
    body: JSON.stringify({ title: 'Wells', currency: 'USD', status }),
  });
  expect(answer.status).toBe(201);
  return ((await answer.json()) as { id: string }).id;
}

async function give(campaignId: string, paymentMethod = 'pm_card_visa') {
  return await post(at('donations', ''), { campaignId, amount: 2500, key: randomUUID(), paymentMethod });
}

async function donationOf({ id, donorToken }: DonationBody): Promise<DonationBody> {
  const answer = await ask('donations', `/donations/${id}`, {
    headers: { authorization: `Bearer ${donorToken ?? ''}` },
  });
  expect(answer.status).toBe(200);
  return (await answer.json()) as DonationBody;
}

async function expectCaptured(given: DonationBody): Promise<void> {
  await eventually('the donation is captured', async () =>
    expect((await donationOf(given)).status).toBe('CAPTURED'),
  );
}

const CODE = (answer: { readonly body: unknown }): unknown => (answer.body as { code?: string }).code;

describe('with every service up', () => {
  test('a donation is captured and counted, and its campaign was asked for over HTTP', async () => {
    const campaignId = await newCampaign();
    const given = await give(campaignId);
    expect(given.status).toBe(202);
    await expectCaptured(given.body);
    const totals = await ask('campaigns', `/campaigns/${campaignId}/total`);
    expect(await totals.json()).toMatchObject({ totalCaptured: 2500, donationCount: 1 });
  });

  test('a donor who has to act gets the client secret that payments asked the provider for', async () => {
    const { body } = await give(await newCampaign(), 'pm_card_authenticationRequired');
    await eventually('the donor can act', async () =>
      expect(await donationOf(body)).toMatchObject({
        clientSecret: expect.stringContaining('_secret_') as string,
      }),
    );
  });

  test('a draft is refused as closed, and a campaign that nobody has as unknown', async () => {
    expect(CODE(await give(await newCampaign('draft')))).toBe('campaign_closed');
    expect(CODE(await give(randomUUID()))).toBe('campaign_not_found');
  });
});

describe('the addresses between services', () => {
  const id = randomUUID();
  test.each([
    ['campaigns', `/internal/campaigns/${id}`],
    ['payments', `/internal/payments/${id}/client-secret`],
  ] as const)('of %s tell nothing without the internal token', async (service, path) => {
    for (const authorization of ['', 'Bearer wrong', `Bearer ${stack.operatorToken}`]) {
      const answer = await ask(service, path, authorization === '' ? {} : { headers: { authorization } });
      expect([answer.status, await answer.json()]).toMatchObject([401, { code: 'unauthorized' }]);
    }
  });
});

describe('while a service is gone', () => {
  test('campaigns: a campaign that is known takes donations, an unknown one is 503 and works afterwards', async () => {
    const [known, unknown] = [await newCampaign(), await newCampaign()];
    expect((await give(known)).status).toBe(202);
    await stack.kill9('campaigns-api');
    const given = await give(known);
    expect(given.status).toBe(202);
    await expectCaptured(given.body);
    const refused = await give(unknown);
    expect([refused.status, CODE(refused)]).toEqual([503, 'campaigns_unavailable']);
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    await stack.restart('campaigns-api');
    expect((await give(unknown)).status).toBe(202);
  });

  test('payments: donations are taken, captured by the worker, and told without a client secret', async () => {
    const campaignId = await newCampaign();
    const { body } = await give(campaignId, 'pm_card_authenticationRequired');
    await eventually('the donor can act', async () =>
      expect(await donationOf(body)).toHaveProperty('clientSecret'),
    );
    await stack.kill9('payments-api');
    const told = await donationOf(body);
    expect(told).toMatchObject({ id: body.id, status: 'INITIATED' });
    expect(told).not.toHaveProperty('clientSecret');
    const given = await give(campaignId);
    expect(given.status).toBe(202);
    await expectCaptured(given.body);
    await stack.restart('payments-api');
    await eventually('the donor can act', async () =>
      expect(await donationOf(body)).toHaveProperty('clientSecret'),
    );
  });

  test('donations: campaigns are read and made, and a webhook is taken', async () => {
    await stack.kill9('donations-api');
    const campaignId = await newCampaign();
    expect((await ask('campaigns', `/campaigns/${campaignId}/total`)).status).toBe(200);
    const { status } = await stack.simulator.sendWebhook({ type: 'customer.created', signature: 'good' });
    expect(status).toBe(200);
    await stack.restart('donations-api');
    expect((await give(campaignId)).status).toBe(202);
  });
});
