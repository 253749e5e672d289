/** Every way that a reconciliation can go, and how to make it go there. */
import { randomUUID } from 'node:crypto';
import type { WorkflowHandle } from '@temporalio/client';
import { createPaymentActivities } from '../../activities/payments/index.ts';
import { DEFAULT_RECONCILIATION_POLICY, type ReconciliationPolicy } from '../../domain/reconciliation.ts';
import type { ReconciliationInput } from '../../workflows/messages.ts';
import { readSnapshot } from '../integration/activities/payment-bench.ts';
import { EVERY_CALL, type Donation, type DonationStage } from '../workflow/donation-stage.ts';
import { captured, learnt, paymentIdOf } from './acts.ts';
import type { Paths } from './path.ts';

const SOON: ReconciliationPolicy = {
  ...DEFAULT_RECONCILIATION_POLICY,
  freshMs: 0,
  heartbeatTimeoutMs: 10_000,
  retryInitialMs: 50,
  retryMaxMs: 200,
  busyPauseMs: 500,
  verifyPausesMs: [200],
};

/** Nobody mends anything here: once is enough to see that. */
const ONE_LOOK = { ...SOON, verifyPausesMs: [] };

export const RECONCILIATION_PATHS: Paths = {
  'nothing-differs': {
    shows: [
      'beginReconciliation: begun',
      'examine',
      'recordMarked',
      'bookPage',
      'recordViolations',
      'verifyRepairs',
      'finishReconciliation',
      'ends: finished',
    ],
    record: async (stage) => {
      await captured(stage);
      return await reconcile(stage);
    },
  },
  delta: {
    shows: ['beginReconciliation: begun', 'examine', 'bookPage', 'verifyRepairs', 'ends: finished'],
    record: async (stage) => await reconcile(stage, { kind: 'delta' }),
  },
  invariants: {
    shows: ['beginReconciliation: begun', 'recordViolations', 'verifyRepairs', 'ends: finished'],
    record: async (stage) => await reconcile(stage, { kind: 'invariants' }),
  },
  'dry-run': {
    shows: ['beginReconciliation: begun', 'recordViolations', 'finishReconciliation', 'ends: finished'],
    record: async (stage) => await reconcile(stage, { dryRun: true }),
  },
  'busy-and-says-so': {
    shows: ['beginReconciliation: busy', 'ends: busy'],
    record: async (stage) => {
      const other = await anotherRun(stage);
      const handle = await reconcile(stage);
      await handle.result();
      await endRun(stage, other);
      return handle;
    },
  },
  'busy-and-waits': {
    shows: ['beginReconciliation: busy', 'timer', 'beginReconciliation: begun', 'ends: finished'],
    record: async (stage) => {
      const other = await anotherRun(stage);
      const handle = await reconcile(stage, { whenBusy: 'wait' });
      await learnt(handle, 'beginReconciliation');
      await endRun(stage, other);
      return handle;
    },
  },
  'many-payments-first-run': {
    shows: ['beginReconciliation: begun', 'bookPage', 'continues as new'],
    record: async (stage) => await manyPayments(stage, 'first'),
  },
  'many-payments-last-run': {
    shows: ['bookPage', 'recordViolations', 'finishReconciliation', 'ends: finished'],
    record: async (stage) => await manyPayments(stage, 'last'),
  },
  'pledge-and-totals-behind': {
    shows: [
      'differingPledges',
      'recordDifferences',
      'verifyRepairs',
      'bookPage',
      'recordRepaired',
      'ends: finished',
    ],
    record: async (stage) => {
      const donation = await captured(stage);
      await stage.simulator.refundByHand(await paymentIdOf(stage, donation), { amountMinor: 100 });
      await lookedAtByAWorkerThatDied(stage, donation);
      return await reconcile(stage, { kind: 'delta', policy: ONE_LOOK });
    },
  },
  'payment-of-nobody': {
    shows: ['examine', 'placeUnmatched', 'ends: finished'],
    record: async (stage) => {
      await stage.simulator.payByHand({ amountMinor: 4_200, currency: 'USD' });
      return await reconcile(stage, { kind: 'delta' });
    },
  },
  'payment-of-a-donation-that-was-forgotten': {
    shows: ['examine', 'requestedOrders', 'placeUnmatched', 'restartDonations', 'ends: finished'],
    record: async (stage) => {
      const { donationId, campaignId } = await stage.accept();
      await stage.simulator.payByHand({
        amountMinor: 2_500,
        currency: 'USD',
        metadata: { donation_id: donationId, campaign_id: campaignId },
      });
      return await reconcile(stage, { kind: 'delta', policy: ONE_LOOK });
    },
  },
  'refund-missing-and-not-mended-in-time': {
    shows: ['examine', 'verifyRepairs', 'timer', 'verifyRepairs', 'finishReconciliation', 'ends: finished'],
    record: async (stage) => {
      const donation = await captured(stage);
      await stage.simulator.refundByHand(await paymentIdOf(stage, donation), { amountMinor: 700 });
      return await reconcile(stage, { kind: 'delta' });
    },
  },
  'key-refused': {
    shows: ['examine fails: provider_rejected', 'failReconciliation', 'fails visibly: provider_rejected'],
    record: async (stage) => {
      stage.refuse(EVERY_CALL);
      return await reconcile(stage);
    },
  },
};

async function reconcile(
  stage: DonationStage,
  change: Partial<ReconciliationInput> = {},
): Promise<WorkflowHandle & { readonly firstExecutionRunId: string }> {
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
  return await stage.client.workflow.start('reconciliation', {
    workflowId,
    taskQueue: stage.queues.donations,
    args: [input],
  });
}

/** A page of the books for each payment, and a workflow run for each page. */
async function manyPayments(stage: DonationStage, which: 'first' | 'last'): Promise<WorkflowHandle> {
  await captured(stage);
  await captured(stage);
  const policy = { ...SOON, bookPageSize: 2, bookPagesPerRun: 1 };
  const handle = await reconcile(stage, { policy });
  await handle.result();
  const runId = which === 'first' ? handle.firstExecutionRunId : (await handle.describe()).runId;
  return stage.client.workflow.getHandle(handle.workflowId, runId);
}

async function anotherRun({ pools }: DonationStage): Promise<string> {
  const id = randomUUID();
  await pools.payments.query(
    `INSERT INTO reconciliation_runs (id, kind, lane, dry_run, window_from) VALUES ($1, 'full', 'books', true, now())`,
    [id],
  );
  return id;
}

async function endRun({ pools }: DonationStage, id: string): Promise<void> {
  await pools.payments.query(
    `UPDATE reconciliation_runs SET status = 'finished', finished_at = now() WHERE id = $1`,
    [id],
  );
}

/** The payment is brought up to the provider; its pledge and totals are not. */
async function lookedAtByAWorkerThatDied(stage: DonationStage, { donationId }: Donation): Promise<void> {
  const activities = createPaymentActivities({
    pool: stage.pools.payments,
    provider: stage.provider,
    readSnapshot,
    failpoint: () => undefined,
    outboxWritten: () => undefined,
    localCalls: { take: () => true },
    call: () => ({ isLocal: false, attempt: 1, signal: new AbortController().signal }),
  });
  await activities.look(donationId);
}
