/** Tells a payment's owner something: its donation while that runs, else its aftercare, which is started when it does not. */
import { WorkflowNotFoundError, type Client } from '@temporalio/client';
import type { Pool } from 'pg';
import type { DonationPolicy } from '../../domain/donation.ts';
import { aftercareWorkflowId, donationWorkflowId } from '../../domain/ids.ts';
import type { CurrencyCode } from '../../domain/money.ts';
import { RANK, type PaymentStatus } from '../../domain/payment.ts';
import { donationSearchAttributes } from '../../platform/search-attributes.ts';
import {
  lookSignal,
  providerEventSignal,
  workSignal,
  type AftercareInput,
  type Queues,
} from '../../workflows/messages.ts';

export type AftercareDeps = {
  readonly temporal: Client;
  readonly queues: Queues;
  readonly policy: DonationPolicy;
};

/** What an aftercare is started with. */
export type PaymentOrderRow = {
  readonly id: string;
  readonly campaign_id: string;
  readonly amount: number;
  readonly currency: CurrencyCode;
  readonly payment_method: string;
};

/** What says who owns it. */
export type OwnedPaymentRow = PaymentOrderRow & { readonly state: PaymentStatus };

export const PAYMENT_ORDER_COLUMNS = 'id, campaign_id, amount, currency, payment_method';

/** What it is told: of a stored provider event, of something to do, or to ask the provider. */
export type News = { readonly eventId: string } | 'work' | 'look';

export async function signalAftercare(
  { temporal, queues, policy }: AftercareDeps,
  payment: PaymentOrderRow,
  news: News,
): Promise<void> {
  const args: string[] = typeof news === 'string' ? [] : [news.eventId];
  const input: AftercareInput = {
    order: {
      donationId: payment.id,
      campaignId: payment.campaign_id,
      amountMinor: payment.amount,
      currency: payment.currency,
      paymentMethod: payment.payment_method,
    },
    policy,
    queues,
  };
  await temporal.workflow.signalWithStart('aftercare', {
    workflowId: aftercareWorkflowId(payment.id),
    workflowIdReusePolicy: 'ALLOW_DUPLICATE',
    workflowIdConflictPolicy: 'USE_EXISTING',
    taskQueue: queues.donations,
    args: [input],
    signal: typeof news === 'string' ? SIGNAL[news].name : providerEventSignal.name,
    signalArgs: args,
    typedSearchAttributes: donationSearchAttributes(input.order),
  });
}

/** An open payment belongs to its donation; a closed one, and one whose donation has ended, to aftercare. */
export async function signalOwner(
  deps: AftercareDeps,
  payment: OwnedPaymentRow,
  news: Exclude<News, 'work'>,
): Promise<void> {
  if (RANK[payment.state] < RANK.FAILED) {
    const donation = deps.temporal.workflow.getHandle(donationWorkflowId(payment.id));
    try {
      if (news === 'look') await donation.signal(lookSignal);
      else await donation.signal(providerEventSignal, news.eventId);
      return;
    } catch (error) {
      if (!(error instanceof WorkflowNotFoundError)) throw error;
    }
  }
  await signalAftercare(deps, payment, news);
}

const SIGNAL = { work: workSignal, look: lookSignal } as const;

export async function findPaymentOrder(pool: Pool, id: string): Promise<OwnedPaymentRow | null> {
  const { rows } = await pool.query<OwnedPaymentRow>(
    `SELECT ${PAYMENT_ORDER_COLUMNS}, state FROM payments WHERE id = $1`,
    [id],
  );
  return rows[0] ?? null;
}
