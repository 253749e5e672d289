/**
 * Compares the provider with payments, and payments with pledges and totals; asks the owner of each difference to mend
 * it, and leaves to people what nobody can mend. Its history holds counts and ids alone.
 */
import {
  CancellationScope,
  ContinueAsNew,
  continueAsNew,
  proxyActivities,
  sleep,
  workflowInfo,
  type ActivityOptions,
} from '@temporalio/workflow';
import { NON_RETRYABLE_TYPES } from '../domain/failures.ts';
import { askForAttention } from './attention.ts';
import { nowMs } from './clock.ts';
import type { ReconciliationInput, ReconciliationResult } from './messages.ts';
import type {
  BookDifference,
  BookPage,
  Examined,
  ExamineSource,
  ReconciliationCampaignActivities,
  ReconciliationDonationActivities,
  ReconciliationPaymentActivities,
  ReconciliationRun,
} from './ports.ts';

/** Each finds what the ones before it cannot: what the provider has, what only we have, what people look at. */
const SOURCES: readonly ExamineSource[] = ['payments', 'refunds', 'disputes', 'ours', 'reviewed'];

export async function reconciliation(input: ReconciliationInput): Promise<ReconciliationResult> {
  const parts = partsFor(input);
  const begun = input.resume ?? (await begin(input, parts));
  if ('busy' in begun) return { status: 'busy', runId: begun.busy };
  const { run } = begun;
  try {
    let { examined } = begun;
    if (run.kind !== 'invariants') {
      if (begun.cursor === null) examined += await examineProvider(run, parts);
      examined += await compareBooks(input, { run, cursor: begun.cursor, examined }, parts);
    }
    if (run.kind !== 'delta') await checkInvariants(run, input, parts);
    if (!run.dryRun) await verify(run, input, parts);
    return {
      status: 'finished',
      runId: run.runId,
      counts: await parts.payments.finishReconciliation({ run, examined }),
    };
  } catch (error) {
    if (error instanceof ContinueAsNew) throw error;
    // The place of the next run is not to be taken for ever, whatever happened to this one.
    await CancellationScope.nonCancellable(() => parts.payments.failReconciliation(run.runId));
    askForAttention();
    throw error;
  }
}

type Parts = ReturnType<typeof partsFor>;
type Begun = { readonly run: ReconciliationRun; readonly cursor: string | null; readonly examined: number };

function partsFor({ policy, queues }: ReconciliationInput) {
  const options: ActivityOptions = {
    startToCloseTimeout: '2 minutes',
    retry: {
      initialInterval: policy.retryInitialMs,
      maximumInterval: policy.retryMaxMs,
      nonRetryableErrorTypes: [...NON_RETRYABLE_TYPES],
    },
  };
  const paging = {
    ...options,
    startToCloseTimeout: '1 hour',
    heartbeatTimeout: policy.heartbeatTimeoutMs,
  } as const;
  return {
    payments: proxyActivities<ReconciliationPaymentActivities>({ ...options, taskQueue: queues.payments }),
    pages: proxyActivities<Pick<ReconciliationPaymentActivities, 'examine' | 'verifyRepairs'>>({
      ...paging,
      taskQueue: queues.payments,
    }),
    donations: proxyActivities<ReconciliationDonationActivities>({ ...options, taskQueue: queues.donations }),
    campaigns: proxyActivities<ReconciliationCampaignActivities>({ ...options, taskQueue: queues.campaigns }),
  };
}

async function begin(
  { kind, dryRun, sinceMs, whenBusy, policy }: ReconciliationInput,
  { payments }: Parts,
): Promise<Begun | { readonly busy: string }> {
  const startedAt = nowMs();
  const runId = workflowInfo().firstExecutionRunId;
  for (;;) {
    const answer = await payments.beginReconciliation({ runId, kind, dryRun, sinceMs, policy });
    if (answer.kind === 'begun') return { run: answer.run, cursor: null, examined: 0 };
    if (whenBusy === 'say' || nowMs() - startedAt >= policy.busyLimitMs) return { busy: answer.runId };
    await sleep(policy.busyPauseMs);
  }
}

async function examineProvider(run: ReconciliationRun, parts: Parts): Promise<number> {
  let examined = 0;
  for (const source of SOURCES) {
    let cursor: string | null = null;
    do {
      const page: Examined = await parts.pages.examine({ run, source, cursor });
      examined += page.count;
      cursor = page.cursor;
      if (page.unmatched.length > 0) await place(run, page.unmatched, parts);
    } while (cursor !== null);
  }
  return examined;
}

/** Only the donations service knows which of the donations that they name were ever asked for. */
async function place(
  run: ReconciliationRun,
  unmatched: Parameters<Parts['payments']['placeUnmatched']>[0]['unmatched'],
  { payments, donations }: Parts,
): Promise<void> {
  const named = unmatched.flatMap(({ donationId }) => (donationId === null ? [] : [donationId]));
  const orders = named.length === 0 ? [] : await donations.requestedOrders(named);
  const { restart } = await payments.placeUnmatched({ run, unmatched, orders });
  if (restart.length > 0 && !run.dryRun) await donations.restartDonations(restart);
}

/** Payments against pledges and totals; each service compares with its own. */
async function compareBooks(input: ReconciliationInput, begun: Begun, parts: Parts): Promise<number> {
  const { run } = begun;
  let { cursor } = begun;
  let compared = 0;
  if (cursor === null) await parts.payments.recordMarked(run);
  for (let pages = 1; ; pages += 1) {
    const page: BookPage = await parts.payments.bookPage({ run, cursor, size: input.policy.bookPageSize });
    compared += page.lines.length;
    const { pledges, totals } = await differencesOf(page, parts);
    if (pledges.length + totals.length > 0) await parts.payments.recordDifferences({ run, pledges, totals });
    cursor = page.cursor;
    if (cursor === null) return compared;
    // Each page stays in the history, which has its limits.
    if (pages >= input.policy.bookPagesPerRun) {
      const examined = begun.examined + compared;
      await continueAsNew<typeof reconciliation>({ ...input, resume: { run, cursor, examined } });
    }
  }
}

async function differencesOf(
  { lines }: BookPage,
  { donations, campaigns }: Parts,
): Promise<{ readonly pledges: BookDifference[]; readonly totals: BookDifference[] }> {
  if (lines.length === 0) return { pledges: [], totals: [] };
  const [pledges, totals] = await Promise.all([
    donations.differingPledges(lines),
    campaigns.differingTotals(lines),
  ]);
  return { pledges, totals };
}

async function checkInvariants(
  run: ReconciliationRun,
  { policy: { stuckAfterMs } }: ReconciliationInput,
  { payments, donations, campaigns }: Parts,
): Promise<void> {
  const violations = await Promise.all([
    donations.donationViolations(stuckAfterMs),
    campaigns.campaignViolations(),
  ]);
  await payments.recordViolations({ run, stuckAfterMs, violations: violations.flat() });
}

/** The owners work on their own time; what they have not done by the end is found again by the next run. */
async function verify(
  run: ReconciliationRun,
  { policy: { verifyPausesMs } }: ReconciliationInput,
  parts: Parts,
): Promise<void> {
  for (const pauseMs of [...verifyPausesMs, null]) {
    const { open, books } = await parts.pages.verifyRepairs(run);
    let left = open;
    if (books.length > 0) {
      const page = await parts.payments.bookPage({ run, cursor: null, size: books.length, only: books });
      const { pledges, totals } = await differencesOf(page, parts);
      const still = [...pledges, ...totals].map(({ donationId }) => donationId);
      await parts.payments.recordRepaired({ run, donationIds: books, still });
      left += new Set(still).size;
    }
    if (left === 0 || pauseMs === null) return;
    await sleep(pauseMs);
  }
}
