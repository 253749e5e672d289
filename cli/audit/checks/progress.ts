/** Does everything still move? Workflows, parked rows, and donations that should have come to their end. */
import { RANK } from '../../../domain/payment.ts';
import { duration } from '../../text.ts';
import { ageOf, isFinal, isOld, type DonationCheck, type WebhookCheck } from '../check.ts';
import type { DonationSnapshot, WorkflowRun, WorkflowStatus } from '../snapshot.ts';
import { LOOK } from './refunds.ts';

const REPLAY = 'Once its cause is gone: `careforall replay <id>`; every step is found done.';
const ENDED_BADLY: ReadonlySet<WorkflowStatus> = new Set(['FAILED', 'TERMINATED', 'TIMED_OUT', 'CANCELLED']);
/** Temporal deletes some time after its retention, and we know the end of a workflow only from the pledge. */
const RETENTION_MARGIN_MS = 3_600_000;

const notFinished: DonationCheck = {
  name: 'not-finished',
  class: 'stuck',
  meaning: 'A donation was accepted long ago and has not come to its end.',
  fix: 'Look where it waits with `careforall watch <id>`; when provider and databases answer, its workflow goes on by itself.',
  find: (donation, context) => {
    const { request } = donation;
    if (request === null || isFinal(donation) || !isOld(request.acceptedAt, context)) return [];
    if (waitsForSomebody(donation) && ageOf(request.acceptedAt, context) < context.abandonAfterMs) return [];
    return [`accepted ${duration(ageOf(request.acceptedAt, context))} ago; ${whereItIs(donation)}`];
  },
};

/** At the bank's page, or with a bank: the provider decides, or time does. */
function waitsForSomebody({ payment }: DonationSnapshot): boolean {
  return payment?.state === 'INITIATED' && payment.waitingFor !== null;
}

function whereItIs({ pledge, payment, workflow, operations }: DonationSnapshot): string {
  const parts = [
    pledge === null ? 'no pledge' : `pledge ${pledge.status} v${pledge.version}`,
    payment === null ? 'no payment' : `payment ${payment.state} v${payment.version}`,
    workflow === null ? 'no workflow' : `workflow ${workflow.status}`,
  ];
  const open = operations.find(({ answeredAt }) => answeredAt === null);
  if (open !== undefined)
    parts.push(
      `${open.operation} ${open.n} unanswered after ${open.attempts} attempts${open.lastReason === null ? '' : ` (${open.lastReason})`}`,
    );
  return parts.join(', ');
}

const notStarted: DonationCheck = {
  name: 'workflow-not-started',
  class: 'stuck',
  meaning: 'An accepted request still waits for its workflow.',
  fix: 'See that Temporal and the API’s relay run (`npm start`): the request is started as soon as they do.',
  find: ({ request }, context) =>
    request?.startedAt === null && request.parkedAt === null && isOld(request.acceptedAt, context)
      ? [
          `accepted ${duration(ageOf(request.acceptedAt, context))} ago${request.lastError === null ? '' : `: ${request.lastError}`}`,
        ]
      : [],
};

const requestParked: DonationCheck = {
  name: 'request-parked',
  class: 'stuck',
  meaning: 'The relay has given up on starting this donation’s workflow.',
  fix: "Mend the cause, then `UPDATE donation_requests SET parked_at = NULL WHERE id = '<id>'`.",
  find: ({ request }) =>
    request?.parkedAt == null
      ? []
      : [`parked since ${request.parkedAt.toISOString()}: ${request.lastError ?? 'no reason noted'}`],
};

const workflowMissing: DonationCheck = {
  name: 'workflow-missing',
  class: 'missing',
  meaning: 'The workflow was started, should still be kept, and Temporal does not know it.',
  fix: 'An unfinished one is started again by the sweeper within minutes. For a finished one nothing is lost but its history: look for a reset or deleted namespace.',
  find: (donation, context) => {
    const { request, pledge, workflow } = donation;
    const startedAt = request?.startedAt ?? null;
    if (workflow !== null || startedAt === null || !isOld(startedAt, context)) return [];
    const kept = context.retentionMs === null ? 0 : context.retentionMs - RETENTION_MARGIN_MS;
    if (pledge !== null && isFinal(donation) && ageOf(pledge.updatedAt, context) >= kept) return [];
    return [`started at ${startedAt.toISOString()}, pledge ${pledge?.status ?? 'missing'}`];
  },
};

const workflowFailed: DonationCheck = {
  name: 'workflow-failed',
  class: 'stuck',
  meaning: 'A workflow could neither finish nor undo and has ended; the payment is in its last proven state.',
  fix: REPLAY,
  find: ({ workflow, aftercare }) => [...failed('donation', workflow), ...failed('aftercare', aftercare)],
};

function failed(type: string, run: WorkflowRun | null): string[] {
  if (run === null) return [];
  if (ENDED_BADLY.has(run.status)) return [`${type} ${run.status}, run ${run.runId}`];
  return run.needsAttention && run.status === 'RUNNING'
    ? [`${type} asks for attention, run ${run.runId}`]
    : [];
}

const workflowRunning: DonationCheck = {
  name: 'workflow-running',
  class: 'stuck',
  meaning: 'Pledge and payment have come to their end, and a workflow still has not.',
  fix: 'Look at its pending activities in Temporal’s UI: the cause is named there.',
  find: (donation, context) => {
    const { pledge, workflow, aftercare } = donation;
    const findings: string[] = [];
    if (
      workflow?.status === 'RUNNING' &&
      pledge !== null &&
      isFinal(donation) &&
      isOld(pledge.updatedAt, context)
    ) {
      findings.push(`donation still runs, pledge ${pledge.status} since ${pledge.updatedAt.toISOString()}`);
    }
    // While a bank takes its time with a refund, aftercare waits for it.
    if (
      aftercare?.status === 'RUNNING' &&
      isOld(aftercare.startedAt, context) &&
      donation.refunds.every(({ status }) => status !== 'pending')
    ) {
      findings.push(`aftercare runs since ${aftercare.startedAt.toISOString()}`);
    }
    return findings;
  },
};

const resultDiffers: DonationCheck = {
  name: 'workflow-result-differs',
  class: 'mismatch',
  meaning: 'The workflow completed with another status than its payment had.',
  fix: 'Compare both with the provider; then reset the workflow to its first task.',
  find: ({ workflow, payment, transitions }) => {
    const result = workflow?.status === 'COMPLETED' ? workflow.result : null;
    if (result === null) return [];
    const had =
      result.version === 0
        ? 'INITIATED'
        : transitions.find(({ version }) => version === result.version)?.toState;
    const final = Object.entries(RANK).some(
      ([status, rank]) => status === result.status && rank >= RANK.FAILED,
    );
    if (had === result.status && final) return [];
    return [
      `it returned ${result.status} v${result.version}; the payment is ${payment?.state ?? 'missing'} v${payment?.version ?? 0}, and was ${had ?? 'nothing'} at v${result.version}`,
    ];
  },
};

const needsReview: DonationCheck = {
  name: 'needs-review',
  class: 'stuck',
  meaning: 'The provider said something of this payment that cannot be true; nothing of it was applied.',
  fix: 'Compare the payment with the provider’s, settle it there, then clear needs_review.',
  find: ({ payment }) => (payment?.needsReview == null ? [] : [payment.needsReview]),
};

const refundStuck: DonationCheck = {
  name: 'refund-stuck',
  class: 'stuck',
  meaning: 'A refund was promised long ago, and the provider has not taken it.',
  fix: 'Look where it waits with `careforall watch <id>`; when the provider answers, aftercare makes it by itself.',
  find: ({ refunds, operations, commands }, context) => {
    // What aftercare was not told yet, it cannot have made.
    if (commands.some(({ service, deliveredAt }) => service === 'payments' && deliveredAt === null))
      return [];
    return refunds
      .filter(
        ({ status, providerRefundId, createdAt }) =>
          status === 'pending' && providerRefundId === null && isOld(createdAt, context),
      )
      .map(({ id, amountMinor, createdAt }) => {
        const asked = operations.findLast(({ refundId }) => refundId === id);
        const how =
          asked === undefined
            ? 'never sent'
            : `refund ${asked.n} unanswered after ${asked.attempts} attempts${asked.lastReason === null ? '' : ` (${asked.lastReason})`}`;
        return `refund ${id} of ${amountMinor}, asked for ${duration(ageOf(createdAt, context))} ago: ${how}`;
      });
  },
};

const lateMoneyUndecided: DonationCheck = {
  name: 'late-money-undecided',
  class: 'stuck',
  meaning: 'Money came after the donation had ended, and nobody has said whether it is kept or goes back.',
  fix: LOOK,
  find: ({ payment, request, transitions, disputes }, context) => {
    if (payment === null || payment.capturedMinor === 0) return [];
    const cancelled = request?.cancelRequestedAt != null && request.captureStartedAt === null;
    const open = payment.lateMoney === 'undecided' || (payment.lateMoney === null && cancelled);
    // A bank decides first.
    if (!open || disputes.some(({ status }) => status === 'opened')) return [];
    const captured = transitions.find(({ toState }) => toState === 'CAPTURED')?.at ?? payment.createdAt;
    if (!isOld(captured, context)) return [];
    return [
      `captured at ${captured.toISOString()} after ${cancelled ? 'the donor’s cancel' : `it had ended as ${payment.closedAs ?? 'nothing'}`}`,
    ];
  },
};

const waitingForNobody: DonationCheck = {
  name: 'waiting-for-nobody',
  class: 'mismatch',
  meaning: 'The donor is told that the payment waits, and it has gone on.',
  fix: 'Clear it: `UPDATE payments SET waiting_for = NULL WHERE id = …`; every change of a payment should.',
  find: ({ payment }) =>
    payment?.waitingFor == null || payment.state === 'INITIATED'
      ? []
      : [`waits for ${payment.waitingFor}, and is ${payment.state}`],
};

const commandUndelivered: DonationCheck = {
  name: 'command-undelivered',
  class: 'stuck',
  meaning: 'Something was decided, and the workflow that has to do it was not told.',
  fix: 'See that Temporal and the API’s relay run (`npm start`); a parked one goes on with `UPDATE workflow_commands SET parked_at = NULL WHERE id = …`.',
  find: ({ commands }, context) =>
    commands
      .filter(
        ({ deliveredAt, parkedAt, createdAt }) =>
          deliveredAt === null && (parkedAt !== null || isOld(createdAt, context)),
      )
      .map(
        ({ service, type, createdAt, parkedAt, lastError }) =>
          `${service} ${type} of ${createdAt.toISOString()} is ${parkedAt === null ? 'not delivered' : 'parked'}${lastError === null ? '' : `: ${lastError}`}`,
      ),
};

const webhookStuck: WebhookCheck = {
  name: 'webhook-stuck',
  class: 'stuck',
  meaning: 'The provider told us something that was not delivered to a workflow, or not applied by it.',
  fix: 'See that Temporal and the workers run; the relay and the sweeper deliver it again by themselves.',
  find: (event, context) => {
    if (event.parkedAt !== null || !isOld(event.receivedAt, context)) return [];
    const state = event.deliveredAt === null ? 'is not delivered' : 'is delivered and not applied';
    return [
      `${event.type} of ${event.receivedAt.toISOString()} ${state}${event.lastError === null ? '' : `: ${event.lastError}`}`,
    ];
  },
};

const webhookParked: WebhookCheck = {
  name: 'webhook-parked',
  class: 'stuck',
  meaning: 'A provider event was put aside for an operator.',
  fix: "Read its reason; once that is settled, `UPDATE webhook_events SET parked_at = NULL, next_attempt_at = now() WHERE event_id = '<id>'`.",
  find: ({ parkedAt, type, lastError }) =>
    parkedAt === null ? [] : [`${type}: ${lastError ?? 'no reason noted'}`],
};

export const progressChecks: readonly DonationCheck[] = [
  notFinished,
  notStarted,
  requestParked,
  workflowMissing,
  workflowFailed,
  workflowRunning,
  resultDiffers,
  needsReview,
  refundStuck,
  lateMoneyUndecided,
  waitingForNobody,
  commandUndelivered,
];
export const webhookChecks: readonly WebhookCheck[] = [webhookStuck, webhookParked];
