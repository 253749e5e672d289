/** What `POST /webhooks/stripe` was told has its one effect, however often, when and beside what else it is told. */
import { createHmac, randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { createStripeProvider } from '../../provider/stripe/adapter.ts';
import { eventually, throughout } from '../harness/eventually.ts';
import { startStack, type Stack } from '../harness/stack.ts';
import { expectBooksToBalance, expectCleanAudit, untilAtRest, untilEnded } from './books.ts';
import { createCampaign, give, readDonation, readTotals, type Given } from './giving.ts';

let stack: Stack;
beforeAll(async () => {
  stack = await startStack({
    apis: 2,
    // The lease outlasts the thousand copies: a delivery that took longer would be made again, and be a second signal.
    policy: { quietAfterOperationMs: 0, retryInitialMs: 200, sweepAfterMs: 1_000, leaseMs: 10_000 },
  });
});
afterEach(() => stack.simulator.reset());
afterAll(() => stack.stop());

type ProviderEvent = {
  readonly id: string;
  readonly type: string;
  readonly data: { readonly object: Readonly<Record<string, unknown>> };
};

describe('a payment of which only a webhook tells', () => {
  test('a thousand copies at once over two processes authorize it once, and it is captured and counted once', async () => {
    const { given, event } = await authorizedUnheard();
    const statuses = await Promise.all(
      Array.from({ length: 1_000 }, (_, index) => tell(event, stack.apiUrls[index % 2])),
    );
    expect(new Set(statuses)).toEqual(new Set([200]));
    await expectCapturedOnce(given);
    const { rows } = await stack.pools.payments.query(
      'SELECT event_id FROM webhook_events WHERE donation_id = $1',
      [given.id],
    );
    expect(rows).toEqual([{ event_id: event.id }]);
    expect(await signalsOf(given)).toBe(1);
  });

  test('the process that said 200 dies at once: the event is applied all the same', async () => {
    const { given, event } = await authorizedUnheard();
    expect(await tell(event, stack.apiUrls[0])).toBe(200);
    await stack.kill9('api', 0);
    await expectCapturedOnce(given, stack.apiUrls[1]);
    await stack.restart('api', 0);
  });

  test('the database refuses the first application: the event counts as processed only after the second', async () => {
    const { given, event } = await authorizedUnheard();
    // A sequence forgets nothing when its transaction is undone.
    await stack.pools.payments.query(`
      CREATE SEQUENCE test_tries;
      CREATE FUNCTION test_refuse_once() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        IF NEW.processed_at IS NOT NULL AND OLD.processed_at IS NULL AND nextval('test_tries') = 1 THEN
          RAISE EXCEPTION 'refused once';
        END IF;
        RETURN NEW;
      END $$;
      CREATE TRIGGER test_refuse_once BEFORE UPDATE ON webhook_events FOR EACH ROW EXECUTE FUNCTION test_refuse_once()`);
    try {
      expect(await tell(event)).toBe(200);
      await expectCapturedOnce(given);
      const { rows } = await stack.pools.payments.query<{ tries: number }>(
        'SELECT last_value::int AS tries FROM test_tries',
      );
      expect(rows[0]?.tries).toBe(2);
    } finally {
      await stack.pools.payments.query(
        'DROP TRIGGER test_refuse_once ON webhook_events; DROP FUNCTION test_refuse_once; DROP SEQUENCE test_tries',
      );
    }
  });

  test.each([
    ['of a type that nobody knows', { type: 'payment_intent.enlightened' }, 'unknown_type'],
    ['of the mode that we are not in', { livemode: true }, 'other_mode'],
  ])('an event %s is kept and moves nothing', async (_what, change, outcome) => {
    const { given, event } = await authorizedUnheard();
    const odd = { ...copyOf(event), ...change };
    expect(await tell(odd)).toBe(200);
    await eventually('it is put aside', async () => expect(await outcomeOf(odd)).toBe(outcome));
    await throughout(
      'nothing moves',
      async () => expect((await readDonation(stack.apiUrl, given)).status).toBe('INITIATED'),
      500,
    );
    expect(await signalsOf(given)).toBe(0);
    // And the event that does tell is still listened to.
    expect(await tell(event)).toBe(200);
    await expectCapturedOnce(given);
  });
});

test('events of a payment that we have not got yet wait for it, and are matched when it appears five seconds later', async () => {
  const campaignId = await createCampaign(stack);
  await stack.stopProcess('workers');
  const given = await give(stack, { campaignId, amount: 4_100 });
  // As a worker that died after both calls would leave it: the provider has the payment, we have nothing.
  const provider = createStripeProvider({
    apiBase: stack.simulator.base,
    secretKey: stack.environment['STRIPE_SECRET_KEY'] ?? '',
    timeoutMs: 10_000,
  });
  const order = { donationId: given.id, campaignId, amountMinor: given.amount, currency: 'USD' } as const;
  const created = await provider.createPayment(
    { ...order, paymentMethod: 'pm_card_visa' },
    `${given.id}:create:1`,
  );
  if (created.kind !== 'yes') throw new Error(`create was answered ${created.kind}`);
  await provider.confirmPayment(created.payment.id, `${given.id}:confirm:1`);
  await pause(5_000);
  const { rows } = await stack.pools.payments.query<{ type: string; tried: boolean; waits: boolean }>(
    `SELECT type, attempts > 1 AS tried, processed_at IS NULL AND parked_at IS NULL AS waits
     FROM webhook_events WHERE donation_id = $1 AND type LIKE 'payment_intent.%' ORDER BY type`,
    [given.id],
  );
  await stack.restart('workers');
  expect(rows).toEqual(
    ['payment_intent.amount_capturable_updated', 'payment_intent.created'].map((type) => ({
      type,
      tried: true,
      waits: true,
    })),
  );
  await expectBooksToBalance(stack, campaignId, [given]);
});

test.each([
  'payment_intent.created',
  'payment_intent.processing',
  'payment_intent.amount_capturable_updated',
  'payment_intent.payment_failed',
  'payment_intent.canceled',
  'charge.expired',
  'payment_intent.succeeded',
])('%s that comes after the capture changes nothing', async (type) => {
  const { given, captured } = await capturedDonation();
  const before = await factsOf(given);
  const late = { ...copyOf(captured), type };
  expect(await tell(late)).toBe(200);
  await eventually('it is put aside', async () => expect(await outcomeOf(late)).toBe('nothing_new'));
  expect(await factsOf(given)).toEqual(before);
});

test('in the end provider, books, totals and workflows agree', async () => {
  await untilAtRest(stack);
  await expectCleanAudit(stack);
});

/** A donor who had to act, and did, while the provider's endpoint was not subscribed: nothing of it is known here. */
async function authorizedUnheard(): Promise<{ given: Given; event: ProviderEvent }> {
  const campaignId = await createCampaign(stack);
  await stack.simulator.turn({ noWebhooks: 1 });
  const given = await give(stack, {
    campaignId,
    amount: 1_900,
    paymentMethod: 'pm_card_authenticationRequired',
  });
  const paymentId = await eventually('the donor has to act', async () => {
    const effects = await effectsOf(given);
    expect(effects.map(({ type }) => type)).toEqual(['created', 'action_required']);
    return effects[0]?.paymentId ?? '';
  });
  await stack.simulator.authenticatePayment(paymentId);
  const event = (await eventsOf(given)).find(
    ({ type }) => type === 'payment_intent.amount_capturable_updated',
  );
  if (event === undefined) throw new Error('the provider has nothing to tell');
  return { given, event };
}

/** One for all who need a captured one. */
let shared: Promise<{ given: Given; captured: ProviderEvent }> | undefined;
function capturedDonation(): NonNullable<typeof shared> {
  shared ??= (async () => {
    const given = await give(stack, { campaignId: await createCampaign(stack), amount: 2_300 });
    await untilEnded(stack, [given]);
    await untilAtRest(stack);
    const captured = (await eventsOf(given)).at(-1);
    if (captured === undefined) throw new Error('the provider has nothing to tell');
    return { given, captured };
  })();
  return shared;
}

async function tell(event: ProviderEvent, apiUrl = stack.apiUrl): Promise<number> {
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

function copyOf(event: ProviderEvent): ProviderEvent {
  return { ...event, id: `evt_copy_${randomUUID().replaceAll('-', '')}` };
}

/** What the provider's own list says of a payment, oldest first. */
async function eventsOf({ id }: Given): Promise<ProviderEvent[]> {
  const answer = await fetch(`${stack.simulator.base}/v1/events?limit=100`, {
    headers: { authorization: `Bearer ${stack.environment['STRIPE_SECRET_KEY'] ?? ''}` },
  });
  const { data } = (await answer.json()) as { data: ProviderEvent[] };
  return data
    .filter(({ type, data: { object } }) => {
      const metadata = object['metadata'] as Readonly<Record<string, string>> | undefined;
      return type.startsWith('payment_intent.') && metadata?.['donation_id'] === id;
    })
    .toReversed();
}

async function effectsOf({ id }: Given) {
  return (await stack.simulator.ledger()).filter(({ donationId }) => donationId === id);
}

async function outcomeOf({ id }: ProviderEvent): Promise<string | null | undefined> {
  const { rows } = await stack.pools.payments.query<{ outcome: string | null }>(
    'SELECT outcome FROM webhook_events WHERE event_id = $1 AND processed_at IS NOT NULL',
    [id],
  );
  return rows[0]?.outcome;
}

/** All that a late event could have moved. */
async function factsOf(given: Given): Promise<unknown> {
  const { payments, donations } = stack.pools;
  const one = async (pool: typeof payments, sql: string): Promise<unknown> =>
    (await pool.query(sql, [given.id])).rows;
  return {
    payment: await one(payments, 'SELECT * FROM payments WHERE id = $1'),
    transitions: await one(
      payments,
      'SELECT * FROM payment_transitions WHERE payment_id = $1 ORDER BY version',
    ),
    pledge: await one(donations, 'SELECT * FROM pledges WHERE id = $1'),
    totals: { ...(await readTotals(stack.apiUrl, given.campaignId)), asOf: null },
    effects: await effectsOf(given),
    signals: await signalsOf(given),
  };
}

/** How often its workflows were told of something; a signal that makes aftercare start counts, too. */
async function signalsOf({ id }: Given): Promise<number> {
  let signals = 0;
  for (const workflowId of [`donation/${id}`, `aftercare/${id}`]) {
    const history = await stack.temporal.workflow
      .getHandle(workflowId)
      .fetchHistory()
      .catch(() => null);
    signals += (history?.events ?? []).filter((it) => it.workflowExecutionSignaledEventAttributes).length;
  }
  return signals;
}

async function expectCapturedOnce(given: Given, apiUrl = stack.apiUrl): Promise<void> {
  await untilEnded(stack, [given]);
  await eventually('it is counted', async () =>
    expect(await readTotals(apiUrl, given.campaignId)).toMatchObject({
      raised: given.amount,
      totalPledged: given.amount,
      totalCaptured: given.amount,
      donationCount: 1,
    }),
  );
  expect((await effectsOf(given)).map(({ type, amountMinor }) => `${type} ${amountMinor}`)).toEqual(
    ['created', 'action_required', 'authorized', 'captured'].map((type) => `${type} ${given.amount}`),
  );
  const { rows } = await stack.pools.payments.query<{ to_state: string }>(
    'SELECT to_state FROM payment_transitions WHERE payment_id = $1 ORDER BY version',
    [given.id],
  );
  expect(rows.map(({ to_state: state }) => state)).toEqual(['AUTHORIZED', 'CAPTURED']);
}
