import { randomUUID } from 'node:crypto';
import { pino } from 'pino';
import { describe, expect, test } from 'vitest';
import { createPaymentActivities } from '../../activities/payments/index.ts';
import { startDonationRelays } from '../../api/donations/relays.ts';
import { startPaymentRelays } from '../../api/payments/relays.ts';
import { DEFAULT_RECONCILIATION_POLICY, type ReconciliationPolicy } from '../../domain/reconciliation.ts';
import { createBreaker } from '../../platform/breaker.ts';
import { loadConfig } from '../../platform/config.ts';
import type { ReconciliationInput, ReconciliationResult } from '../../workflows/messages.ts';
import { readSnapshot } from '../integration/activities/payment-bench.ts';
import { openStage, POLICY, type Donation, type DonationStage } from './donation-stage.ts';
import { paymentOf, pledgeOf, totalsOf } from './settled.ts';

const log = pino({ level: 'silent' });

/** Nothing is too fresh, and every page of books is a workflow run of its own. */
const SOON: ReconciliationPolicy = {
  ...DEFAULT_RECONCILIATION_POLICY,
  freshMs: 0,
  heartbeatTimeoutMs: 10_000,
  retryInitialMs: 50,
  retryMaxMs: 200,
  busyPauseMs: 200,
  verifyPausesMs: [500, 1_000, 2_000, 4_000, 8_000],
  bookPageSize: 2,
  bookPagesPerRun: 1,
};

/** The relays of the API, as long as `work` takes: they carry the repairs to the owners. */
async function withRelays<T>(stage: DonationStage, work: () => Promise<T>): Promise<T> {
  const policy = {
    ...loadConfig([], {}).POLICY,
    retryInitialMs: POLICY.retryInitialMs,
    quietAfterOperationMs: 0,
  };
  const settings = {
    temporal: { client: stage.client, breaker: createBreaker('temporal', log) },
    queues: stage.queues,
    policy,
    failpoint: () => undefined,
    log,
    concurrency: 8,
  };
  const relays = [
    startDonationRelays({ ...settings, pool: stage.pools.donations, placement: 'queues' }),
    startPaymentRelays({
      ...settings,
      pool: stage.pools.payments,
      provider: stage.provider,
      livemode: false,
    }),
  ];
  try {
    return await work();
  } finally {
    await Promise.all(relays.map((each) => each.stop()));
  }
}

async function reconcile(
  stage: DonationStage,
  change: Partial<ReconciliationInput> = {},
): Promise<ReconciliationResult> {
  const workflowId = `reconciliation/${randomUUID()}`;
  stage.replayLater(workflowId);
  const input: ReconciliationInput = {
    kind: 'full',
    dryRun: false,
    sinceMs: null,
    whenBusy: 'say',
    policy: SOON,
    queues: stage.queues,
    ...change,
  };
  const handle = await stage.client.workflow.start('reconciliation', {
    workflowId,
    taskQueue: stage.queues.donations,
    args: [input],
  });
  return (await handle.result()) as ReconciliationResult;
}

async function finished(
  stage: DonationStage,
  change?: Partial<ReconciliationInput>,
): Promise<Extract<ReconciliationResult, { status: 'finished' }>> {
  const result = await withRelays(stage, () => reconcile(stage, change));
  if (result.status !== 'finished') throw new Error(`the run is ${result.status}`);
  return result;
}

type FoundRow = {
  class: string;
  action: string;
  subject: string;
  donation_id: string | null;
  repaired: boolean;
};

async function findingsOf({ pools }: DonationStage, runId: string): Promise<FoundRow[]> {
  const { rows } = await pools.payments.query<FoundRow>(
    `SELECT class, action, subject, donation_id, repaired_at IS NOT NULL AS repaired
     FROM reconciliation_findings WHERE run_id = $1 ORDER BY class, subject`,
    [runId],
  );
  return rows;
}

/** All that a run may change, but for its own report and for when an item was last seen. */
async function everything({ pools }: DonationStage): Promise<Record<string, unknown[]>> {
  const { payments, donations, campaigns } = pools;
  const all = {
    payments: await payments.query('SELECT * FROM payments ORDER BY id'),
    refunds: await payments.query('SELECT * FROM refunds ORDER BY id'),
    disputes: await payments.query('SELECT * FROM disputes ORDER BY id'),
    ledger: await payments.query('SELECT * FROM ledger_entries ORDER BY id'),
    transitions: await payments.query('SELECT * FROM payment_transitions ORDER BY payment_id, version'),
    commands: await payments.query('SELECT id, payment_id, type FROM workflow_commands ORDER BY id'),
    reviews: await payments.query(
      'SELECT id, class, subject, expected, found, first_seen_at, resolved_at FROM review_items ORDER BY id',
    ),
    seen: await payments.query('SELECT * FROM reconciliation_seen'),
    paymentsOutbox: await payments.query('SELECT id FROM outbox_events ORDER BY id'),
    requests: await donations.query('SELECT * FROM donation_requests ORDER BY id'),
    pledges: await donations.query('SELECT * FROM pledges ORDER BY id'),
    donationsOutbox: await donations.query('SELECT id FROM outbox_events ORDER BY id'),
    totals: await campaigns.query('SELECT * FROM campaign_totals ORDER BY campaign_id'),
    entries: await campaigns.query('SELECT * FROM applied_entries ORDER BY entry_id'),
  };
  return Object.fromEntries(Object.entries(all).map(([name, { rows }]) => [name, rows]));
}

async function paid(stage: DonationStage): Promise<Donation & { readonly pi: string }> {
  const donation = await stage.give({ placement: 'queues' });
  await donation.handle.result();
  const { provider_payment_id: pi } = await paymentOf(stage, donation);
  return { ...donation, pi: String(pi) };
}

/** Accepted and started long ago, as far as the donations service knows; Temporal and payments know nothing. */
async function forgotten(stage: DonationStage): Promise<Donation> {
  const donation = await stage.accept();
  await stage.pools.donations.query('UPDATE donation_requests SET started_at = now() WHERE id = $1', [
    donation.donationId,
  ]);
  return donation;
}

/** Nine donations and five runs, on a machine that may be busy. */
const LONG = { timeout: 240_000 };
const MONEY = { amountMinor: 2_500, currency: 'USD' };

describe.each(['cached', 'uncached'] as const)('reconciliation, with %s workflows', (caching) => {
  const enter = openStage(caching);

  test(
    'finds each kind of discrepancy, has its owner mend it, and its second run does nothing',
    LONG,
    async ({ onTestFinished }) => {
      const stage = enter(onTestFinished);
      const { simulator, pools } = stage;
      const fine = await paid(stage);

      stage.refuse(['capturePayment']);
      const unheard = await stage.give({ placement: 'queues' });
      await unheard.handle.result().catch(() => undefined);
      stage.refuse([]);
      const unheardPi = String((await paymentOf(stage, unheard))['provider_payment_id']);
      await stage.provider.capturePayment(unheardPi, `${unheard.donationId}:capture:1`);

      const refunded = await paid(stage);
      const refund = await simulator.refundByHand(refunded.pi, { amountMinor: 700 });
      const drifted = await paid(stage);
      await simulator.changeFee(drifted.pi, 321);
      const disputed = await paid(stage);
      const dispute = await simulator.disputePayment(disputed.pi);
      const changed = await paid(stage);
      await simulator.changeAmount(changed.pi, { amountMinor: 2_400 });
      const twice = await paid(stage);
      const second = await simulator.payAgain(twice.pi);
      const stranger = await simulator.payByHand({ amountMinor: 4_200, currency: 'USD' });
      const lost = await forgotten(stage);
      const lostPi = await simulator.payByHand({
        ...MONEY,
        metadata: { donation_id: lost.donationId, campaign_id: lost.campaignId },
      });
      const euro = await forgotten(stage);
      const euroPi = await simulator.payByHand({
        ...MONEY,
        currency: 'EUR',
        metadata: { donation_id: euro.donationId, campaign_id: euro.campaignId },
      });
      const gone = randomUUID();
      await pools.payments.query(
        `INSERT INTO payments (id, donation_id, campaign_id, provider, payment_method, amount, currency, provider_payment_id)
       VALUES ($1, $1, $1, 'stripe', 'pm_card_visa', 2500, 'USD', $2)`,
        [gone, `pi_gone_${gone}`],
      );
      // The payment was brought up to the provider, and its workflow died before pledge and totals were.
      const halfway = await paid(stage);
      await simulator.refundByHand(halfway.pi, { amountMinor: 100 });
      await createPaymentActivities({
        pool: pools.payments,
        provider: stage.provider,
        readSnapshot,
        failpoint: () => undefined,
        outboxWritten: () => undefined,
        localCalls: { take: () => true },
        call: () => ({ isLocal: false, attempt: 1, signal: new AbortController().signal }),
      }).look(halfway.donationId);

      const seeded = [
        ['AMOUNT', 'review', changed.pi, changed.donationId],
        ['CURRENCY', 'suspense', euroPi, euro.donationId],
        ['DUPLICATE_CHARGE', 'suspense', second, twice.donationId],
        ['FEE_DRIFT', 'look', drifted.pi, drifted.donationId],
        ['MISSING_LOCAL', 'restart', lostPi, lost.donationId],
        ['MISSING_LOCAL', 'suspense', stranger, null],
        ['MISSING_PROVIDER', 'review', `pi_gone_${gone}`, gone],
        ['PLEDGE_BEHIND', 'look', halfway.donationId, halfway.donationId],
        ['REFUND_MISSING', 'look', refund, refunded.donationId],
        ['STATUS', 'look', dispute, disputed.donationId],
        ['STATUS', 'look', unheardPi, unheard.donationId],
        ['TOTALS', 'look', halfway.donationId, halfway.donationId],
      ];
      const told = (rows: readonly FoundRow[]): unknown[] =>
        rows
          .map((row) => [row.class, row.action, row.subject, row.donation_id])
          .toSorted((a, b) => (a.join() < b.join() ? -1 : 1));
      seeded.sort((a, b) => (a.join() < b.join() ? -1 : 1));

      // The stage starts workflows by itself; the relays need not.
      await pools.donations.query('UPDATE donation_requests SET started_at = now() WHERE started_at IS NULL');
      const before = await everything(stage);
      const rehearsal = await finished(stage, { dryRun: true });
      expect(told(await findingsOf(stage, rehearsal.runId))).toEqual(seeded);
      expect(await everything(stage)).toEqual(before);

      const first = await finished(stage);
      const found = await findingsOf(stage, first.runId);
      expect(told(found)).toEqual(seeded);
      expect(found.filter(({ action, repaired }) => repaired === (action === 'review'))).toEqual([]);
      expect(first.counts).toMatchObject({ findings: 12, repaired: 10, unrepaired: 0, openReviews: 5 });

      expect(await paymentOf(stage, unheard)).toMatchObject({ state: 'CAPTURED' });
      expect(await pledgeOf(stage, unheard)).toMatchObject({ status: 'CAPTURED' });
      expect(await paymentOf(stage, refunded)).toMatchObject({ state: 'PARTIALLY_REFUNDED' });
      expect(await pledgeOf(stage, halfway)).toMatchObject({ status: 'PARTIALLY_REFUNDED' });
      expect(await paymentOf(stage, lost)).toMatchObject({ state: 'CAPTURED', provider_payment_id: lostPi });
      expect(await pledgeOf(stage, lost)).toMatchObject({ status: 'CAPTURED' });
      expect(await totalsOf(stage, lost)).toEqual({ pledged: 2_500, captured: 2_500, count: 1 });
      expect(await paymentOf(stage, fine)).toMatchObject({ state: 'CAPTURED' });
      const { rows: books } = await pools.payments.query<{ id: string; account: string; amount: number }>(
        `SELECT provider_payment_id AS id, account, amount FROM ledger_entries WHERE provider_payment_id IS NOT NULL AND account = 'suspense'`,
      );
      expect(new Map(books.map(({ id, amount }) => [id, amount]))).toEqual(
        new Map([
          [stranger, -4_200],
          [second, -2_500],
          [euroPi, -2_500],
        ]),
      );
      const charges = (await simulator.ledger()).filter(
        ({ donationId, type }) => donationId === lost.donationId && type === 'captured',
      );
      expect(charges, 'the donation that was started again was charged once').toHaveLength(1);

      const afterFirst = await everything(stage);
      const again = await finished(stage);
      expect(await findingsOf(stage, again.runId)).toEqual([]);
      expect(again.counts).toMatchObject({ findings: 0, openReviews: 5 });
      expect(await everything(stage)).toEqual(afterFirst);

      // What people have set right at the provider leaves the queue, and the suspense, by itself; a delta sees it, too.
      await simulator.refundByHand(second);
      await simulator.changeAmount(changed.pi, { amountMinor: 2_500 });
      const last = await finished(stage, { kind: 'delta' });
      expect(last.counts).toMatchObject({ findings: 0, openReviews: 3 });
      const { rows: closed } = await pools.payments.query<{ subject: string; resolved_by: string }>(
        'SELECT subject, resolved_by FROM review_items WHERE resolved_at IS NOT NULL ORDER BY class',
      );
      expect(closed).toEqual([
        { subject: changed.pi, resolved_by: 'reconciliation' },
        { subject: second, resolved_by: 'reconciliation' },
      ]);
      const { rows: left } = await pools.payments.query(
        `SELECT posting_id, sum(amount)::int AS amount FROM ledger_entries
       WHERE provider_payment_id = $1 AND account = 'provider_balance' GROUP BY 1 ORDER BY 1`,
        [second],
      );
      expect(left).toEqual([
        { posting_id: `suspense:${second}`, amount: 2_500 },
        { posting_id: `suspense:${second}:2`, amount: -2_500 },
      ]);
    },
  );
});
