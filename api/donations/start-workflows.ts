/** Turns accepted requests into running workflows: the relay between `donation_requests` and Temporal. */
import { createHash } from 'node:crypto';
import { WorkflowExecutionAlreadyStartedError, type Client } from '@temporalio/client';
import type { DonationInput, DonationPolicy, Placement } from '../../domain/donation.ts';
import { donationWorkflowId } from '../../domain/ids.ts';
import type { CurrencyCode } from '../../domain/money.ts';
import type { Failpoint } from '../../platform/failpoint.ts';
import type { ClaimedRow, Delivery, RelayTable } from '../../platform/relay.ts';
import { donationSearchAttributes } from '../../platform/search-attributes.ts';
import { inSpan } from '../../platform/telemetry.ts';
import type { Queues } from '../../workflows/messages.ts';

export const REQUESTS_TABLE: RelayTable = {
  name: 'donation_requests',
  idColumn: 'id',
  idType: 'uuid',
  columns:
    'scope, idempotency_key, campaign_id, amount, currency, payment_method, cancel_requested_at, traceparent',
  pending: 'started_at IS NULL',
  delivered: 'started_at = coalesce(t.started_at, now())',
};

export type RequestRow = ClaimedRow & {
  readonly scope: string;
  readonly idempotency_key: string;
  readonly campaign_id: string;
  readonly amount: number;
  readonly currency: CurrencyCode;
  readonly payment_method: string;
  readonly cancel_requested_at: Date | null;
  readonly traceparent: string | null;
};

export type StartDeps = {
  readonly temporal: Client;
  readonly queues: Queues;
  readonly placement: Placement;
  readonly policy: DonationPolicy;
  readonly failpoint: Failpoint;
};

const START_LIMIT_MS = 5_000;

/** Starting twice is harmless: the workflow id is the donation's, and an id is never used a second time. */
export function startDonationWorkflow(deps: StartDeps): (row: RequestRow) => Promise<Delivery> {
  const { temporal, queues, placement, policy, failpoint } = deps;
  return (row) =>
    inSpan(
      'start donation',
      { traceparent: row.traceparent, attributes: { 'donation.id': row.id } },
      async () => {
        const order = {
          donationId: row.id,
          campaignId: row.campaign_id,
          amountMinor: row.amount,
          currency: row.currency,
        };
        const input: DonationInput & { queues: Queues } = {
          ...order,
          paymentMethod: row.payment_method,
          cancelled: row.cancel_requested_at !== null,
          placement,
          policy,
          queues,
        };
        failpoint('start.claimed');
        try {
          await temporal.withDeadline(Date.now() + START_LIMIT_MS, () =>
            temporal.workflow.start('donation', {
              workflowId: donationWorkflowId(row.id),
              workflowIdReusePolicy: 'REJECT_DUPLICATE',
              workflowIdConflictPolicy: 'USE_EXISTING',
              taskQueue: queues.donations,
              args: [input],
              typedSearchAttributes: donationSearchAttributes({
                ...order,
                idempotencyKeyHash: idempotencyKeyHash(row.scope, row.idempotency_key),
              }),
            }),
          );
        } catch (error) {
          // It has run to its end already: a request is never started a second time.
          if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
        }
        failpoint('start.started');
        return { kind: 'delivered' };
      },
    );
}

/** Lets an operator find a donation by a key that a donor quotes, without the key standing in Temporal. */
function idempotencyKeyHash(scope: string, key: string): string {
  return createHash('sha256').update(`${scope}\n${key}`).digest('hex').slice(0, 32);
}
