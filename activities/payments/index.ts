/** What the workflows have done at the payment provider and in the payments database. */
import { ApplicationFailure } from '@temporalio/common';
import type { Pool } from 'pg';
import type { FailureCode } from '../../domain/failures.ts';
import { statusOf } from '../../domain/payment.ts';
import type { Failpoint } from '../../platform/failpoint.ts';
import { transaction } from '../../platform/postgres.ts';
import type { RateTokens } from '../../platform/rate-tokens.ts';
import type { PaymentProvider, ProviderPayment } from '../../provider/port.ts';
import type { PaymentActivities, PaymentOrder, PaymentView } from '../../workflows/ports.ts';
import { applyEvents } from './book/facts.ts';
import { lockPayment, type Payment } from './book/payment.ts';
import { currentView, viewOf } from './book/view.ts';
import { settleLateMoney } from './late-money.ts';
import { lookAtPayment } from './look.ts';
import { failure, OPERATION_LIMITS, runOperation, type OperationLimits, type Step } from './operations.ts';
import { createStep, endedBy, stepOn } from './payment-steps.ts';
import { applyStoredEvent } from './provider-events.ts';
import { refundStep } from './refund-step.ts';

export type PaymentActivityDeps = {
  readonly pool: Pool;
  readonly provider: PaymentProvider;
  readonly readSnapshot: (payload: string) => ProviderPayment | null;
  readonly failpoint: Failpoint;
  readonly outboxWritten: () => void;
  /** Limits calls made in local activity slots; what it refuses goes on as a regular activity. */
  readonly localCalls: RateTokens;
  /** Of the activity that runs; Temporal's own in a worker. */
  readonly call: () => ActivityCall;
  readonly limits?: OperationLimits;
};

export type ActivityCall = {
  readonly isLocal: boolean;
  readonly attempt: number;
  readonly signal: AbortSignal;
};

export function createPaymentActivities(deps: PaymentActivityDeps): PaymentActivities {
  const { pool, provider, failpoint } = deps;
  const signal = (): AbortSignal => deps.call().signal;

  const run = async <T>(step: Step<T>): Promise<PaymentView> => {
    const view = await runOperation({ pool, failpoint, limits: deps.limits ?? OPERATION_LIMITS }, step);
    deps.outboxWritten();
    return view;
  };
  const on = (operation: 'confirm' | 'capture' | 'release', payment: Payment): Promise<PaymentView> =>
    run(stepOn(provider, operation, payment.donationId, providerIdOf(payment), signal));

  return {
    authorize: async (order) => {
      takeLocalToken(deps);
      let payment = await openPayment(pool, order);
      if (statusOf(payment.facts) !== 'INITIATED') return await currentView(pool, order.donationId);
      if (payment.providerPaymentId === null) {
        await run(createStep(provider, order, signal));
        payment = await openPayment(pool, order);
        // Closed meanwhile: what was created is the release's to cancel.
        if (statusOf(payment.facts) !== 'INITIATED') return await currentView(pool, order.donationId);
      }
      return await on('confirm', payment);
    },

    capture: async (donationId) => {
      takeLocalToken(deps);
      const payment = await readPayment(pool, donationId);
      if (statusOf(payment.facts) !== 'AUTHORIZED') return await currentView(pool, donationId);
      return await on('capture', payment);
    },

    release: async ({ order, code }) => {
      let payment = await openPayment(pool, order);
      if (payment.facts.capturedMinor > 0) return await currentView(pool, order.donationId);
      if (payment.providerPaymentId === null) {
        const closed = await closeUncreated(pool, order.donationId, code);
        deps.outboxWritten();
        if (closed !== null) return closed;
        // It may exist with its answer lost; settle that first, so that there is something to cancel.
        const settled = await run(createStep(provider, order, signal, code));
        payment = await openPayment(pool, order);
        if (payment.providerPaymentId === null) return settled;
      }
      await pool.query(
        'UPDATE payments SET release_code = coalesce(release_code, $2), updated_at = now() WHERE id = $1',
        [order.donationId, code],
      );
      return await on('release', payment);
    },

    applyProviderEvent: async ({ eventId, donationId }) => {
      const { attempt } = deps.call();
      const view = await applyStoredEvent({ ...deps, attempt, signal: signal() }, eventId, donationId);
      deps.outboxWritten();
      return view;
    },

    look: async (donationId) => {
      const view = await lookAtPayment(pool, provider, donationId, signal());
      deps.outboxWritten();
      return view;
    },

    currentPayment: async (order) => {
      await openPayment(pool, order);
      return await currentView(pool, order.donationId);
    },

    makeRefund: async ({ donationId, refundId }) => {
      const payment = await readPayment(pool, donationId);
      const refund = payment.refunds.find(({ id }) => id === refundId);
      if (refund === undefined)
        throw failure('invariant_broken', `refund ${refundId} of ${donationId} does not exist`);
      const { amountMinor } = refund;
      const { currency } = payment.facts;
      const order = { donationId, refundId, paymentId: providerIdOf(payment), amountMinor, currency };
      return await run(refundStep(provider, order, signal));
    },

    settleLateMoney: async (late) => {
      const view = await settleLateMoney(pool, late);
      deps.outboxWritten();
      return view;
    },
  };
}

function takeLocalToken({ call, localCalls }: PaymentActivityDeps): void {
  if (!call().isLocal || localCalls.take()) return;
  throw ApplicationFailure.create({
    type: 'provider_unknown' satisfies FailureCode,
    message: 'no local call to spare; use the payments queue',
  });
}

/** Finds the payment's row, or makes it. */
async function openPayment(pool: Pool, order: PaymentOrder): Promise<Payment> {
  await pool.query({
    name: 'payment-open',
    text: `INSERT INTO payments (id, donation_id, campaign_id, provider, payment_method, amount, currency, state)
           VALUES ($1, $1, $2, 'stripe', $3, $4, $5, 'INITIATED') ON CONFLICT DO NOTHING`,
    values: [order.donationId, order.campaignId, order.paymentMethod, order.amountMinor, order.currency],
  });
  return await readPayment(pool, order.donationId);
}

async function readPayment(pool: Pool, donationId: string): Promise<Payment> {
  const payment = await transaction(pool, (client) => lockPayment(client, donationId));
  if (payment === null) throw failure('invariant_broken', `payment ${donationId} does not exist`);
  return payment;
}

function providerIdOf({ donationId, providerPaymentId }: Payment): string {
  if (providerPaymentId === null)
    throw failure('invariant_broken', `payment ${donationId} has no provider id`);
  return providerPaymentId;
}

/**
 * Closes a payment of which nothing was ever asked of the provider: there is nothing to cancel there. Null when its
 * create may have happened. The lock decides between this and a create that is about to begin.
 */
async function closeUncreated(pool: Pool, donationId: string, code: string): Promise<PaymentView | null> {
  return await transaction(pool, async (client) => {
    const payment = await lockPayment(client, donationId);
    if (payment === null) throw failure('invariant_broken', `payment ${donationId} does not exist`);
    const { rowCount } = await client.query(
      `SELECT FROM payment_operations WHERE payment_id = $1 AND operation = 'create' LIMIT 1`,
      [donationId],
    );
    if (rowCount !== 0) return null;
    const end = [endedBy(code)];
    return await viewOf(client, await applyEvents(client, payment, end, { text: 'operation:release:0' }));
  });
}
