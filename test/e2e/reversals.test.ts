/** Money that goes back: refunds asked for here or made at the provider, disputes, late money; each once, whatever breaks. */
import { createHmac, randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { FailpointName } from '../../platform/failpoint.ts';
import { eventually, throughout } from '../harness/eventually.ts';
import { startStack, type Stack } from '../harness/stack.ts';
import { askRefund, effectsOf, listRefunds, stepsOf } from './asking.ts';
import { expectCleanAudit, untilAtRest } from './books.ts';
import { createCampaign, give, readDonation, readTotals, type Given } from './giving.ts';

let stack: Stack;
/** Sees what any visitor sees, all the time. */
let readers: Promise<void>;
let reading = true;
const campaigns: string[] = [];
const oddTotals: unknown[] = [];
let readings = 0;
beforeAll(async () => {
  stack = await startStack({
    apis: 2,
    restartOnCrash: true,
    // A provider call that a dead worker has made is tried again after five times its limit, and five seconds.
    policy: {
      quietAfterOperationMs: 1_000,
      providerCallTimeoutMs: 1_500,
      retryInitialMs: 200,
      sweepAfterMs: 500,
      leaseMs: 2_000,
      redeliverAfterMs: 3_000,
      resolvePausesMs: [500, 2_000],
    },
    dials: { refundSettleMs: 1_500 },
  });
  readers = readTotalsForEver();
});
afterEach(async () => {
  await stack.simulator.reset();
  await stack.simulator.turn({ refundSettleMs: 1_500 });
});
afterAll(async () => {
  reading = false;
  await readers;
  await stack.stop();
});

async function readTotalsForEver(): Promise<void> {
  for (let turn = 0; reading; turn += 1) {
    await pause(100);
    const campaignId = campaigns[turn % campaigns.length];
    if (campaignId === undefined) continue;
    // A process that dies meanwhile answers nothing, which is no total.
    const totals = await readTotals(stack.apiUrls[turn % 2] ?? '', campaignId).catch(() => null);
    if (totals !== null) readings += 1;
    if (totals !== null && (totals.raised < 0 || totals.raised > totals.totalCaptured))
      oddTotals.push(totals);
  }
}

type Captured = Given & { readonly paymentId: string };

async function newCampaign(): Promise<string> {
  const campaignId = await createCampaign(stack);
  campaigns.push(campaignId);
  return campaignId;
}

async function captured(paymentMethod = 'pm_card_visa', amount = 2_500): Promise<Captured> {
  const given = await give(stack, { campaignId: await newCampaign(), amount, paymentMethod });
  await untilStatus(given, 'CAPTURED');
  return { ...given, paymentId: await paymentIdOf(given) };
}

async function paymentIdOf(given: Given): Promise<string> {
  return (await effectsOf(stack, given))[0]?.paymentId ?? '';
}

async function untilStatus(given: Given, status: string, withinMs = 30_000): Promise<void> {
  await eventually(
    `the donation is ${status}`,
    async () => expect((await readDonation(stack.apiUrl, given)).status).toBe(status),
    { withinMs },
  );
}

async function untilTotals(given: Given, totals: Record<string, number>, withinMs = 30_000): Promise<void> {
  await eventually(
    'the totals say so',
    async () => expect(await readTotals(stack.apiUrl, given.campaignId)).toMatchObject(totals),
    { withinMs },
  );
}

/** `<kind> <audience> <amount>` */
async function untilTold(given: Given, expected: readonly string[]): Promise<void> {
  await eventually('everybody is told', async () => {
    const { rows } = await stack.pools.notifications.query<{ text: string }>(
      `SELECT concat_ws(' ', kind, audience, amount) AS text FROM notices WHERE donation_id = $1 ORDER BY text`,
      [given.id],
    );
    expect(rows.map(({ text }) => text)).toEqual(expected);
  });
}

async function refundSteps(given: Given): Promise<string[]> {
  return (await stepsOf(stack, given)).filter((step) => step.startsWith('refund'));
}

async function refundsOf(given: Given): Promise<string[]> {
  const refunds = await listRefunds(stack, given);
  return refunds
    .map(
      ({ requestedBy, amount, status }) =>
        `${requestedBy.replace(/^operator:.*/, 'operator')} ${amount} ${status}`,
    )
    .toSorted();
}

async function costOf({ id }: Given): Promise<{ runs: number; signals: string[] }> {
  const signals: string[] = [];
  let runs = 0;
  for await (const { runId } of stack.temporal.workflow.list({ query: `WorkflowId = 'aftercare/${id}'` })) {
    runs += 1;
    const { events } = await stack.temporal.workflow.getHandle(`aftercare/${id}`, runId).fetchHistory();
    for (const { workflowExecutionSignaledEventAttributes: signal } of events ?? [])
      if (signal) signals.push(signal.signalName ?? '');
  }
  return { runs, signals };
}

type ProviderEvent = {
  readonly id: string;
  readonly type: string;
  readonly data: { readonly object: Readonly<Record<string, unknown>> };
};

/** What the provider's own list has of a payment's refunds. */
async function refundEvents(paymentId: string, type: string): Promise<ProviderEvent[]> {
  const answer = await fetch(`${stack.simulator.base}/v1/events?limit=100`, { headers: provider() });
  const { data } = (await answer.json()) as { data: ProviderEvent[] };
  return data.filter((event) => event.type === type && event.data.object['payment_intent'] === paymentId);
}

function provider(): Record<string, string> {
  return { authorization: `Bearer ${stack.environment['STRIPE_SECRET_KEY'] ?? ''}` };
}

async function tell(event: object, apiUrl = stack.apiUrl): Promise<number> {
  const body = JSON.stringify(event);
  const at = Math.floor(Date.now() / 1_000);
  const signature = createHmac('sha256', stack.webhookSecret).update(`${at}.${body}`).digest('hex');
  const answer = await fetch(`${apiUrl}/webhooks/stripe`, {
    method: 'POST',
    headers: { 'stripe-signature': `t=${at},v1=${signature}` },
    body,
    signal: AbortSignal.timeout(30_000),
  });
  await answer.arrayBuffer();
  return answer.status;
}

function newEventId(): string {
  return `evt_copy_${randomUUID().replaceAll('-', '')}`;
}

/** A refund made at the dashboard while the endpoint was not subscribed: only its event can tell. */
async function refundedUnheard(given: Captured, amountMinor: number): Promise<ProviderEvent> {
  await stack.simulator.turn({ noWebhooks: 1 });
  await stack.simulator.refundByHand(given.paymentId, { amountMinor });
  const [event] = await refundEvents(given.paymentId, 'refund.created');
  if (event === undefined) throw new Error('the provider has nothing to tell');
  return event;
}

describe('a refund asked for over HTTP', () => {
  test('is made once, counted, told to the donor, and costs one run of aftercare and one signal', async () => {
    const given = await captured();
    await untilAtRest(stack);
    const { status, body } = await askRefund(stack, given, { amount: 700 });
    expect([status, body.amount, body.status]).toEqual([202, 700, 'pending']);
    await untilStatus(given, 'PARTIALLY_REFUNDED');
    await untilTotals(given, { raised: 1_800, totalCaptured: 2_500, totalRefunded: 700, donationCount: 1 });
    expect(await refundsOf(given)).toEqual(['operator 700 succeeded']);
    await untilTold(given, ['refund.succeeded donor 700']);
    await untilAtRest(stack);
    const events = await stack.pools.payments.query<{ type: string; outcome: string }>(
      `SELECT type, outcome FROM webhook_events WHERE type ~ 'refund' ORDER BY type`,
    );
    // They have been here, and were no news.
    expect(events.rows.length).toBeGreaterThan(1);
    expect(events.rows.filter(({ outcome }) => outcome !== 'nothing_new')).toEqual([]);
    expect(await costOf(given)).toEqual({ runs: 1, signals: ['work'] });

    // And all the rest.
    expect((await askRefund(stack, given)).body.amount).toBe(1_800);
    await untilStatus(given, 'REFUNDED');
    await untilTotals(given, { raised: 0, totalCaptured: 2_500, totalRefunded: 2_500, donationCount: 1 });
    expect(await refundSteps(given)).toEqual(['refunded 700', 'refunded 1800']);
    await untilTold(given, ['refund.succeeded donor 1800', 'refund.succeeded donor 700']);
    const receipts = await stack.pools.notifications.query('SELECT FROM receipts WHERE donation_id = $1', [
      given.id,
    ]);
    expect(receipts.rowCount).toBe(1);
    expect((await askRefund(stack, given)).body.code).toBe('refund_exceeds_captured');
  });

  test.each([
    [1_000, [202, 202], ['refunded 1000', 'refunded 1000'], 500],
    [1_300, [202, 422], ['refunded 1300'], 1_200],
  ])(
    'twice at once of %i, with two keys, is made as often as it fits',
    async (amount, statuses, steps, raised) => {
      const given = await captured();
      const answers = await Promise.all(
        stack.apiUrls.map((apiUrl) => askRefund(stack, given, { amount, apiUrl })),
      );
      expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual(statuses);
      await untilTotals(given, { raised });
      await untilStatus(given, 'PARTIALLY_REFUNDED');
      expect(await refundSteps(given)).toEqual(steps);
    },
  );

  test('is refused while the payment is still open, and nothing reaches the provider', async () => {
    const campaignId = await newCampaign();
    const given = await give(stack, {
      campaignId,
      amount: 900,
      paymentMethod: 'pm_card_authenticationRequired',
    });
    await eventually('the donor is asked to act', async () =>
      expect(await stepsOf(stack, given)).toEqual(['created 900', 'action_required 900']),
    );
    const { status, body } = await askRefund(stack, given);
    expect([status, body.code]).toEqual([422, 'not_refundable']);
    await stack.simulator.authenticatePayment(await paymentIdOf(given));
    await untilStatus(given, 'CAPTURED');
    expect(await refundsOf(given)).toEqual([]);
  });

  test('that fails after it had succeeded gives the campaign its money again, and both are told', async () => {
    const given = await captured('pm_card_refundFail');
    expect((await askRefund(stack, given)).status).toBe(202);
    await eventually('it fails', async () =>
      expect(await refundsOf(given)).toEqual(['operator 2500 failed']),
    );
    await untilStatus(given, 'CAPTURED');
    await untilTotals(given, { raised: 2_500, totalRefunded: 0, totalPledged: 2_500, donationCount: 1 });
    expect(await refundSteps(given)).toEqual(['refunded 2500', 'refund_failed 2500']);
    await untilTold(given, ['refund.failed both 2500', 'refund.succeeded donor 2500']);
    const [refund] = await listRefunds(stack, given);
    expect(refund?.failure?.code).toBe('expired_or_canceled_card');
  });
});

describe('a refund made at the provider by hand', () => {
  test('is taken over from its webhook', async () => {
    const given = await captured();
    await stack.simulator.refundByHand(given.paymentId, { amountMinor: 400 });
    await untilTotals(given, { raised: 2_100, totalRefunded: 400 });
    await untilStatus(given, 'PARTIALLY_REFUNDED');
    expect(await refundsOf(given)).toEqual(['provider 400 succeeded']);
    await untilTold(given, ['refund.succeeded donor 400']);
  });

  test('is found by its charge alone; a thousand copies at once are one refund and one signal', async () => {
    const given = await captured();
    await untilAtRest(stack);
    const event = await refundedUnheard(given, 600);
    const { payment_intent: _payment, ...object } = event.data.object;
    const told = { ...event, id: newEventId(), data: { object } };
    expect(object['charge']).toMatch(/^ch_/);
    const statuses = await Promise.all(
      Array.from({ length: 1_000 }, (_, index) => tell(told, stack.apiUrls[index % 2])),
    );
    expect(new Set(statuses)).toEqual(new Set([200]));
    await untilTotals(given, { raised: 1_900, totalRefunded: 600 });
    await untilStatus(given, 'PARTIALLY_REFUNDED');
    expect(await refundsOf(given)).toEqual(['provider 600 succeeded']);
    expect(await costOf(given)).toEqual({ runs: 1, signals: ['providerEvent'] });
  });

  test('is not taken over from an event of the mode that we are not in', async () => {
    const given = await captured();
    const event = await refundedUnheard(given, 500);
    expect(await tell({ ...event, id: newEventId(), livemode: true })).toBe(200);
    await throughout(
      'nothing moves',
      async () => expect(await readTotals(stack.apiUrl, given.campaignId)).toMatchObject({ raised: 2_500 }),
      1_500,
    );
    expect(await refundsOf(given)).toEqual([]);
    expect(await tell(event)).toBe(200);
    await untilTotals(given, { raised: 2_000 });
  });
});

describe('a dispute', () => {
  test('that is won leaves the campaign its money; no refund while it is open', async () => {
    const given = await captured();
    const disputeId = await stack.simulator.disputePayment(given.paymentId);
    await untilTold(given, ['dispute.opened organizer 2500']);
    const refused = await askRefund(stack, given, { amount: 1 });
    expect([refused.status, refused.body.code]).toEqual([422, 'dispute_open']);
    await stack.simulator.closeDispute(disputeId, 'won');
    await untilTold(given, ['dispute.opened organizer 2500', 'dispute.won organizer 2500']);
    expect((await readDonation(stack.apiUrl, given)).status).toBe('CAPTURED');
    await untilTotals(given, { raised: 2_500, totalRefunded: 0 });
    expect((await askRefund(stack, given, { amount: 100 })).status).toBe(202);
    await untilTotals(given, { raised: 2_400, totalRefunded: 100 });
  });

  test('that is lost takes it, apart from refunds', async () => {
    const given = await captured();
    const disputeId = await stack.simulator.disputePayment(given.paymentId, { amountMinor: 2_000 });
    await stack.simulator.closeDispute(disputeId, 'lost');
    await untilTotals(given, { raised: 500, totalCaptured: 2_500, totalRefunded: 0 });
    await untilTold(given, ['dispute.lost organizer 2000', 'dispute.opened organizer 2000']);
    expect((await readDonation(stack.apiUrl, given)).status).toBe('CAPTURED');
    expect((await askRefund(stack, given, { amount: 501 })).body.code).toBe('refund_exceeds_captured');
  });
});

describe('money that comes after the donation has failed', () => {
  test('is kept, and the donor told, while the campaign is open', async () => {
    const given = await capturedLate(false);
    await untilStatus(given, 'CAPTURED');
    await untilTotals(given, { raised: 1_700, totalPledged: 1_700, totalRefunded: 0, donationCount: 1 });
    await untilTold(given, ['late_capture.kept donor 1700']);
    expect(await refundSteps(given)).toEqual([]);
  });

  test('goes back, and the donor is told, when the campaign is closed', async () => {
    const given = await capturedLate(true);
    await untilStatus(given, 'REFUNDED');
    await untilTotals(given, { raised: 0, totalCaptured: 1_700, totalRefunded: 1_700 });
    await untilTold(given, ['late_capture.refunded donor 1700', 'refund.succeeded donor 1700']);
    expect(await refundSteps(given)).toEqual(['refunded 1700']);
    expect(await refundsOf(given)).toEqual(['policy:late_capture 1700 succeeded']);
  });

  /** The donor fails at the bank's page, and pays with another card before we could cancel the payment. */
  async function capturedLate(closed: boolean): Promise<Given> {
    const campaignId = await newCampaign();
    const given = await give(stack, {
      campaignId,
      amount: 1_700,
      paymentMethod: 'pm_card_authenticationRequired',
    });
    await eventually('the donor is asked to act', async () =>
      expect(await stepsOf(stack, given)).toEqual(['created 1700', 'action_required 1700']),
    );
    const paymentId = await paymentIdOf(given);
    if (closed) {
      const answer = await fetch(`${stack.apiUrl}/campaigns/${campaignId}/close`, {
        method: 'POST',
        headers: { authorization: `Bearer ${stack.operatorToken}` },
      });
      expect(answer.status).toBe(200);
    }
    await stack.simulator.arm({ operation: 'cancel', fault: 'error503', times: 100, donationId: given.id });
    await stack.simulator.authenticatePayment(paymentId, false);
    await eventually('it has failed here', async () => {
      const { rows } = await stack.pools.payments.query('SELECT state FROM payments WHERE id = $1', [
        given.id,
      ]);
      expect(rows).toEqual([{ state: 'FAILED' }]);
    });
    for (const [step, body] of [
      ['confirm', 'payment_method=pm_card_visa'],
      ['capture', ''],
    ] as const) {
      const answer = await fetch(`${stack.simulator.base}/v1/payment_intents/${paymentId}/${step}`, {
        method: 'POST',
        headers: { ...provider(), 'content-type': 'application/x-www-form-urlencoded' },
        body,
      });
      expect(answer.status, await answer.text()).toBe(200);
    }
    await stack.simulator.reset();
    return given;
  }
});

test('webhooks that are doubled, out of order and late change nothing of six refunds', async () => {
  await stack.simulator.turn({
    webhookDuplicate: 0.5,
    webhookReorder: 0.5,
    webhookDelayMs: { min: 0, max: 1_500 },
    webhookEarly: 0.3,
  });
  const gifts = await Promise.all(
    ['visa', 'pendingRefund', 'refundFail'].map((card) => captured(`pm_card_${card}`)),
  );
  for (const given of gifts) {
    await askRefund(stack, given, { amount: 300 });
    await stack.simulator.refundByHand(given.paymentId, { amountMinor: 200 });
  }
  const [plain, pending, failing] = gifts;
  if (plain === undefined || pending === undefined || failing === undefined)
    throw new Error('three were given');
  await untilTotals(plain, { raised: 2_000, totalRefunded: 500 });
  await untilTotals(pending, { raised: 2_000, totalRefunded: 500 });
  await untilTotals(failing, { raised: 2_300, totalRefunded: 200 });
  await stack.simulator.reset();
  await untilAtRest(stack, 60_000);
  expect(await refundsOf(plain)).toEqual(['operator 300 succeeded', 'provider 200 succeeded']);
  expect(await refundsOf(pending)).toEqual(['operator 300 succeeded', 'provider 200 succeeded']);
  expect(await refundsOf(failing)).toEqual(['operator 300 failed', 'provider 200 succeeded']);
  expect((await readDonation(stack.apiUrl, failing)).status).toBe('PARTIALLY_REFUNDED');
});

test('a refund is made once, although the worker dies before the call, after it, or the API after its 202', async () => {
  const gifts = await Promise.all([captured(), captured(), captured()]);
  await untilAtRest(stack);
  const [early, late, accepted] = gifts;
  if (early === undefined || late === undefined || accepted === undefined)
    throw new Error('three were given');
  const dies = async (given: Given, point: FailpointName): Promise<void> => {
    stack.failpoints.arm(point);
    expect((await askRefund(stack, given, { amount: 1_000 })).status).toBe(202);
    await eventually(`the worker dies at ${point}`, () => expect(stack.failpoints.fired(point)).toBe(true));
    await eventually('it runs again', () => expect(stack.isRunning('workers')).toBe(true), {
      withinMs: 30_000,
    });
  };
  await dies(early, 'provider.before-call');
  await dies(late, 'provider.answer-read');
  expect((await askRefund(stack, accepted, { amount: 1_000 })).status).toBe(202);
  await stack.kill9('api', 0);
  await eventually('it runs again', () => expect(stack.isRunning('api')).toBe(true), { withinMs: 30_000 });
  for (const given of gifts) {
    await untilTotals(given, { raised: 1_500, totalRefunded: 1_000 }, 60_000);
    await untilStatus(given, 'PARTIALLY_REFUNDED');
    expect(await refundSteps(given)).toEqual(['refunded 1000']);
    expect(await refundsOf(given)).toEqual(['operator 1000 succeeded']);
  }
});

describe('in the end', () => {
  test('provider, books, totals and workflows agree, and nobody ever saw a total below nothing', async () => {
    await untilAtRest(stack);
    await expectCleanAudit(stack);
    expect(readings).toBeGreaterThan(50);
    expect(oddTotals).toEqual([]);
  });

  test('a refund of a payment that is no longer the one that was pledged waits for people', async () => {
    const given = await captured();
    await stack.simulator.changeAmount(given.paymentId, { amountMinor: 9_999 });
    await stack.simulator.refundByHand(given.paymentId, { amountMinor: 100 });
    await eventually('people are asked to look', async () => {
      const { rows } = await stack.pools.payments.query<{ needs_review: string | null }>(
        'SELECT needs_review FROM payments WHERE id = $1',
        [given.id],
      );
      expect(rows[0]?.needs_review).toContain('amount 9999, pledged 2500');
    });
    expect((await readDonation(stack.apiUrl, given)).status).toBe('CAPTURED');
    expect(await readTotals(stack.apiUrl, given.campaignId)).toMatchObject({
      raised: 2_500,
      totalRefunded: 0,
    });
  });
});
