/** What a donor does after giving: completes 3-D Secure or doesn't, and cancels, before the capture or too late. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { eventually, throughout } from '../harness/eventually.ts';
import { startStack, type Stack } from '../harness/stack.ts';
import { askCancel, effectsOf, readAs, stepsOf } from './asking.ts';
import { expectCleanAudit, untilAtRest } from './books.ts';
import { createCampaign, DECLINED_CARD, give, readDonation, readTotals, type Given } from './giving.ts';

const ABANDON_AFTER_MS = 6_000;
/** Donors who give and cancel at once. */
const LANES = 3;
const ASKS_THE_DONOR = 'pm_card_authenticationRequired';

let stack: Stack;
const secrets = new Set<string>();
beforeAll(async () => {
  stack = await startStack({
    apis: 2,
    links: ['temporal'],
    policy: {
      quietAfterOperationMs: 100,
      retryInitialMs: 200,
      sweepAfterMs: 1_000,
      leaseMs: 2_000,
      resolvePausesMs: [500],
      abandonAfterMs: ABANDON_AFTER_MS,
    },
  });
});
afterEach(() => stack.simulator.reset());
afterAll(() => stack.stop());

/** A donation whose donor has to act, and the provider's id of its payment. */
async function asked(amount: number): Promise<{ given: Given; paymentId: string; secret: string }> {
  const campaignId = await createCampaign(stack);
  const given = await give(stack, { campaignId, amount, paymentMethod: ASKS_THE_DONOR });
  const { secret, paymentId } = await eventually('the donor is asked to act', async () => {
    const { body } = await readAs(given, stack.apiUrl, given.donorToken);
    expect(body.clientSecret).toBeDefined();
    const [created] = await effectsOf(stack, given);
    return { secret: body.clientSecret ?? '', paymentId: created?.paymentId ?? '' };
  });
  secrets.add(secret);
  return { given, paymentId, secret };
}

async function untilStatus(given: Given, status: string, code?: string): Promise<void> {
  await eventually(`the donation is ${status}`, async () => {
    const { body } = await readAs(given, stack.apiUrl, given.donorToken);
    expect([body.status, body.failure?.code, body.clientSecret]).toEqual([status, code, undefined]);
  });
}

async function expectTotals(campaignId: string, pledged: number, captured: number): Promise<void> {
  await eventually('the totals say so', async () =>
    expect(await readTotals(stack.apiUrl, campaignId)).toMatchObject({
      totalPledged: pledged,
      totalCaptured: captured,
      totalRefunded: 0,
      raised: captured,
    }),
  );
}

describe('3-D Secure', () => {
  test('the client secret is the donor’s alone, while the donor has to act', async () => {
    const { given, paymentId, secret } = await asked(2_101);
    expect(secret.startsWith(`${paymentId}_secret_`)).toBe(true);
    for (const apiUrl of stack.apiUrls) {
      expect((await readAs(given, apiUrl, given.donorToken)).body.clientSecret).toBe(secret);
      const operator = await readAs(given, apiUrl, stack.operatorToken);
      expect([operator.status, operator.body.id]).toEqual([200, given.id]);
      expect(JSON.stringify(operator.body)).not.toContain('ecret');
      const stranger = await readAs(given, apiUrl, 'wrong');
      expect([stranger.status, stranger.body.code]).toEqual([404, 'not_found']);
    }
    await stack.simulator.authenticatePayment(paymentId);
    await untilStatus(given, 'CAPTURED');
  });

  test.each(['with', 'without'])('completed by the donor is captured, %s webhooks', async (how) => {
    if (how === 'without') await stack.simulator.turn({ noWebhooks: 1 });
    const { given, paymentId } = await asked(2_202);
    expect(await readDonation(stack.apiUrl, given)).toMatchObject({ status: 'INITIATED' });
    await stack.simulator.authenticatePayment(paymentId);
    await untilStatus(given, 'CAPTURED');
    expect(await stepsOf(stack, given)).toEqual(
      ['created', 'action_required', 'authorized', 'captured'].map((step) => `${step} 2202`),
    );
    await expectTotals(given.campaignId, 2_202, 2_202);
  });

  test.each(['with', 'without'])('failed by the donor is FAILED and cancelled, %s webhooks', async (how) => {
    if (how === 'without') await stack.simulator.turn({ noWebhooks: 1 });
    const { given, paymentId } = await asked(2_303);
    await stack.simulator.authenticatePayment(paymentId, false);
    await untilStatus(given, 'FAILED', 'payment_intent_authentication_failure');
    await eventually('a browser can no longer confirm it', async () =>
      expect((await stepsOf(stack, given)).at(-1)).toBe('canceled 2303'),
    );
    await expectTotals(given.campaignId, 0, 0);
  });

  test('that the donor never completes is EXPIRED and cancelled, and the donor may come too late', async () => {
    const startedAt = Date.now();
    const { given, paymentId } = await asked(2_404);
    await untilStatus(given, 'EXPIRED', 'abandoned');
    expect(Date.now() - startedAt).toBeGreaterThan(ABANDON_AFTER_MS - 500);
    await eventually('it is cancelled at the provider', async () =>
      expect((await stepsOf(stack, given)).at(-1)).toBe('canceled 2404'),
    );
    await expect(stack.simulator.authenticatePayment(paymentId)).rejects.toThrow('canceled');
    await expectTotals(given.campaignId, 0, 0);
  });
});

describe('a cancel', () => {
  test('by anybody but the donor and the operator finds nothing, and changes nothing', async () => {
    const { given, paymentId } = await asked(3_101);
    const other = await give(stack, { campaignId: given.campaignId, amount: 100 });
    for (const token of ['wrong', other.donorToken, given.id]) {
      const answer = await askCancel(given, stack.apiUrl, token);
      expect([answer.status, answer.body.code]).toEqual([404, 'not_found']);
    }
    await stack.simulator.authenticatePayment(paymentId);
    await untilStatus(given, 'CAPTURED');
  });

  test.each(['donor', 'operator'])('by the %s ends a donation that waits for its donor', async (who) => {
    const { given, paymentId } = await asked(3_202);
    const token = who === 'donor' ? given.donorToken : stack.operatorToken;
    for (const apiUrl of [...stack.apiUrls, stack.apiUrl]) {
      const { status, body } = await askCancel(given, apiUrl, token);
      expect([status, body.id]).toEqual([202, given.id]);
    }
    await untilStatus(given, 'FAILED', 'cancelled_by_donor');
    await eventually('it is cancelled at the provider, once', async () =>
      expect(await stepsOf(stack, given)).toEqual(
        ['created', 'action_required', 'canceled'].map((step) => `${step} 3202`),
      ),
    );
    await expect(stack.simulator.authenticatePayment(paymentId)).rejects.toThrow('canceled');
    await expectTotals(given.campaignId, 0, 0);
    // Once more, now that it has ended.
    expect((await askCancel(given, stack.apiUrl, token)).status).toBe(202);
  });

  test('after a decline is taken and changes nothing', async () => {
    const campaignId = await createCampaign(stack);
    const given = await give(stack, { campaignId, amount: 3_303, paymentMethod: DECLINED_CARD });
    await untilStatus(given, 'FAILED', 'generic_decline');
    await untilAtRest(stack);
    const before = await readDonation(stack.apiUrl, given);
    expect((await askCancel(given, stack.apiUrl)).status).toBe(202);
    await untilAtRest(stack);
    expect(await readDonation(stack.apiUrl, given)).toEqual(before);
  });

  test('after the capture is 409 and changes nothing', async () => {
    const campaignId = await createCampaign(stack);
    const given = await give(stack, { campaignId, amount: 3_404 });
    await untilStatus(given, 'CAPTURED');
    const before = await readDonation(stack.apiUrl, given);
    for (const token of [given.donorToken, stack.operatorToken]) {
      const answer = await askCancel(given, stack.apiUrl, token);
      expect([answer.status, answer.body.code]).toEqual([409, 'cancel_too_late']);
    }
    expect(await readDonation(stack.apiUrl, given)).toEqual(before);
  });

  test('of a donation that is not started yet waits for it, and ends it without waiting for its donor', async () => {
    const campaignId = await createCampaign(stack);
    const { donations } = stack.pools;
    const { rows } = await donations.query<{ id: string }>(
      `INSERT INTO donation_requests (id, scope, idempotency_key, fingerprint, campaign_id, amount, currency, payment_method, body, parked_at)
       SELECT gen_random_uuid(), 'guest', gen_random_uuid(), decode(repeat('00', 32), 'hex'), $1, 3505, 'USD', $2, '{}', now() RETURNING id`,
      [campaignId, ASKS_THE_DONOR],
    );
    const given = { campaignId, amount: 3_505, id: rows[0]?.id ?? '', donorToken: stack.operatorToken };
    expect((await askCancel(given, stack.apiUrl)).status).toBe(202);
    await throughout(
      'the cancel waits',
      async () => {
        const command = await donations.query(
          'SELECT delivered_at FROM workflow_commands WHERE donation_id = $1',
          [given.id],
        );
        expect(command.rows).toEqual([{ delivered_at: null }]);
      },
      1_000,
    );
    await donations.query('UPDATE donation_requests SET parked_at = NULL WHERE id = $1', [given.id]);
    // Abandoned, it would be EXPIRED.
    await untilStatus(given, 'FAILED', 'cancelled_by_donor');
    await expectTotals(campaignId, 0, 0);
  });

  test('while Temporal is away is taken, and done when it is back', async () => {
    const campaignId = await createCampaign(stack);
    await stack.links.get('temporal').cut();
    const waits = await give(stack, { campaignId, amount: 3_606, paymentMethod: ASKS_THE_DONOR });
    const plain = await give(stack, { campaignId, amount: 3_607 });
    for (const given of [waits, plain]) expect((await askCancel(given, stack.apiUrl)).status).toBe(202);
    await stack.links.get('temporal').heal();
    for (const given of [waits, plain]) await untilStatus(given, 'FAILED', 'cancelled_by_donor');
    await expectTotals(campaignId, 0, 0);
    for (const given of [waits, plain])
      expect((await stepsOf(stack, given)).join()).not.toContain('captured');
  });

  test('races the capture of thirty donations: each is released or captured, as its donor was told', async () => {
    const campaignId = await createCampaign(stack);
    const uncancelled = await createCampaign(stack);
    await stack.simulator.turn({ latencyMs: { min: 0, max: 60 } });
    const random = seeded(20_261_125);
    const lanes = Array.from({ length: LANES }, (_, lane) => lane);
    // How long a capture takes on this machine today.
    const startedAt = Date.now();
    await Promise.all(
      lanes.map(async () => {
        const given = await give(stack, { campaignId: uncancelled, amount: 100 });
        await untilStatus(given, 'CAPTURED');
      }),
    );
    const captureMs = Date.now() - startedAt;
    const raced = await Promise.all(
      lanes.map(async (lane) => {
        const run: { given: Given; statuses: Set<number> }[] = [];
        const last = 30 / LANES - 1;
        for (let turn = 0; turn <= last; turn += 1) {
          const given = await give(stack, { campaignId, amount: 4_000 + lane * 10 + turn });
          // The first at once and the last too late, whatever the machine's other work does to those between.
          if (turn === last) await untilStatus(given, 'CAPTURED');
          else if (turn > 0) await pause(random() * 1.3 * captureMs);
          const answers = await Promise.all(
            stack.apiUrls.slice(turn % 2).map((apiUrl) => askCancel(given, apiUrl)),
          );
          run.push({ given, statuses: new Set(answers.map(({ status }) => status)) });
        }
        return run;
      }),
    );
    await stack.simulator.reset();
    await untilAtRest(stack, 60_000);

    const outcomes = new Map<string, number>();
    let [captured, refunded] = [0, 0];
    for (const { given, statuses } of raced.flat()) {
      const { status, failure } = await readDonation(stack.apiUrl, given);
      const steps = (await effectsOf(stack, given)).map(({ type }) => type);
      const told = [...statuses].join();
      const outcome = `${told}: ${status} ${failure?.code ?? ''} ${steps.includes('captured') ? 'taken' : 'not taken'} ${steps.includes('refunded') ? 'given back' : ''}`;
      outcomes.set(outcome.trim(), (outcomes.get(outcome.trim()) ?? 0) + 1);
      if (steps.includes('captured')) captured += given.amount;
      if (steps.includes('refunded')) refunded += given.amount;
      if (steps.includes('authorized')) expect(['captured', 'canceled', 'refunded']).toContain(steps.at(-1));
    }
    const allowed = [
      '409: CAPTURED  taken',
      '202: FAILED cancelled_by_donor not taken',
      '202: REFUNDED  taken given back',
    ];
    expect([...outcomes.keys()].filter((outcome) => !allowed.includes(outcome))).toEqual([]);
    // Both sides have won.
    expect(outcomes.get('409: CAPTURED  taken')).toBeGreaterThan(0);
    expect(outcomes.get('202: FAILED cancelled_by_donor not taken')).toBeGreaterThan(0);
    expect(await readTotals(stack.apiUrl, campaignId)).toMatchObject({
      totalPledged: captured,
      totalCaptured: captured,
      totalRefunded: refunded,
      raised: captured - refunded,
    });
  });
});

describe('in the end', () => {
  test('provider, books, totals and workflows agree', async () => {
    await untilAtRest(stack);
    await expectCleanAudit(stack);
  });

  test('no client secret stands in a log, a table or a workflow’s history', async () => {
    expect(secrets.size).toBeGreaterThan(5);
    const found = (text: string): string[] =>
      [...secrets, '_secret_'].filter((secret) => text.includes(secret));

    const logs = readdirSync(stack.directory).filter(
      (name) => name.endsWith('.log') && !name.startsWith('simulator'),
    );
    expect(logs.length).toBeGreaterThan(3);
    for (const name of logs)
      expect([name, found(readFileSync(join(stack.directory, name), 'utf8'))]).toEqual([name, []]);

    for (const pool of Object.values(stack.pools)) {
      const { rows: tables } = await pool.query<{ name: string }>(
        `SELECT quote_ident(tablename) AS name FROM pg_tables WHERE schemaname = 'public'`,
      );
      for (const { name } of tables) {
        const { rows } = await pool.query(
          `SELECT it::text FROM ${name} AS it WHERE it::text LIKE '%\\_secret\\_%'`,
        );
        expect([name, rows]).toEqual([name, []]);
      }
    }

    let histories = 0;
    for await (const { workflowId, runId } of stack.temporal.workflow.list()) {
      const history = await stack.temporal.workflow.getHandle(workflowId, runId).fetchHistory();
      expect([workflowId, found(textOf(history))]).toEqual([workflowId, []]);
      histories += 1;
    }
    expect(histories).toBeGreaterThan(30);
  });
});

/** All that is in it, payloads included. */
function textOf(value: unknown): string {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('utf8');
  if (typeof value !== 'object' || value === null) return String(value);
  return Object.values(value).map(textOf).join('\n');
}

/** The same delays every time, as far as processes allow it. */
function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 4_294_967_296;
  };
}
