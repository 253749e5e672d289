/** What the workflows have done at the payment provider and in the payments database. */
import { ApplicationFailure } from '@temporalio/common';
import type { Pool } from 'pg';
import type { FailureCode } from '../../domain/failures.ts';
import { statusOf } from '../../domain/payment.ts';
import type { Failpoint } from '../../platform/failpoint.ts';
import type { RateTokens } from '../../platform/rate-tokens.ts';
import { transaction } from '../../platform/postgres.ts';
import type { PaymentProvider, ProviderPayment } from '../../provider/port.ts';
import type { PaymentActivities, PaymentOrder, PaymentView } from '../../workflows/ports.ts';
import { applyEvents, lockPayment, viewOf, type Payment } from './facts.ts';
import { currentView, failure, runOperation, type Proof, type Step } from './operations.ts';
import { applyStoredEvent } from './provider-events.ts';

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
};

export type ActivityCall = {
  readonly isLocal: boolean;
  readonly attempt: number;
  readonly signal: AbortSignal;
};

/** A payment created this long before our row still belongs to it: clocks differ. */
const CLOCK_SKEW_MS = 300_000;

export function createPaymentActivities(deps: PaymentActivityDeps): PaymentActivities {
  const { pool, provider, failpoint } = deps;

  const run = async (step: Step): Promise<PaymentView> => {
    const view = await runOperation(pool, failpoint, step);
    deps.outboxWritten();
    return view;
  };

  const create = (order: PaymentOrder): Step => ({
    operation: 'create',
    donationId: order.donationId,
    call: (key) => provider.createPayment(order, key, deps.call().signal),
    look: (startedAt) => findCreated(provider, order.donationId, startedAt, deps.call().signal),
  });

  const onPayment = (
    operation: 'confirm' | 'capture' | 'release',
    donationId: string,
    id: string,
    releaseCode?: string,
  ): Step => ({
    operation,
    donationId,
    ...(releaseCode === undefined ? {} : { releaseCode }),
    call: (key) => CALL[operation](provider, id, key, deps.call().signal),
    look: () => retrieve(provider, id, deps.call().signal),
  });

  return {
    authorize: async (order) => {
      takeLocalToken(deps);
      let payment = await openPayment(pool, order);
      if (statusOf(payment.facts) !== 'INITIATED') return await currentView(pool, order.donationId);
      if (payment.providerPaymentId === null) {
        await run(create(order));
        payment = await openPayment(pool, order);
        // Closed meanwhile: what was created is the release's to cancel.
        if (statusOf(payment.facts) !== 'INITIATED') return await currentView(pool, order.donationId);
      }
      return await run(onPayment('confirm', order.donationId, providerIdOf(payment)));
    },

    capture: async (donationId) => {
      takeLocalToken(deps);
      const payment = await readPayment(pool, donationId);
      if (statusOf(payment.facts) !== 'AUTHORIZED') return await currentView(pool, donationId);
      return await run(onPayment('capture', donationId, providerIdOf(payment)));
    },

    release: async ({ order, code }) => {
      let payment = await openPayment(pool, order);
      if (payment.facts.capturedMinor > 0) return await currentView(pool, order.donationId);
      if (payment.providerPaymentId === null) {
        const closed = await closeUncreated(pool, order.donationId, code);
        deps.outboxWritten();
        if (closed !== null) return closed;
        // It may exist with its answer lost; settle that first, so that there is something to cancel.
        await run(create(order));
        payment = await openPayment(pool, order);
      }
      return await run(onPayment('release', order.donationId, providerIdOf(payment), code));
    },

    applyProviderEvent: async (eventId) => {
      const view = await applyStoredEvent({ ...deps, attempt: deps.call().attempt }, eventId);
      deps.outboxWritten();
      return view;
    },
  };
}

const CALL = {
  confirm: (provider: PaymentProvider, id: string, key: string, signal: AbortSignal) =>
    provider.confirmPayment(id, key, signal),
  capture: (provider: PaymentProvider, id: string, key: string, signal: AbortSignal) =>
    provider.capturePayment(id, key, signal),
  release: (provider: PaymentProvider, id: string, key: string, signal: AbortSignal) =>
    provider.cancelPayment(id, key, signal),
} as const;

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

function providerIdOf(payment: Payment): string {
  if (payment.providerPaymentId === null)
    throw failure('invariant_broken', `payment ${payment.donationId} has no provider id`);
  return payment.providerPaymentId;
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
    return await viewOf(
      client,
      await applyEvents(client, payment, [{ type: 'released', code }], 'operation:release:0'),
    );
  });
}

async function retrieve(provider: PaymentProvider, id: string, signal: AbortSignal): Promise<Proof> {
  const answer = await provider.retrievePayment(id, signal);
  switch (answer.kind) {
    case 'yes':
      return { kind: 'object', object: answer.payment };
    case 'unknown':
      return answer;
    case 'our_fault':
    case 'declined':
    case 'wrong_state':
      throw failure(
        'provider_rejected',
        `payment ${id} cannot be read: ${'code' in answer ? answer.code : answer.kind}`,
      );
    default:
      return answer satisfies never;
  }
}

async function findCreated(
  provider: PaymentProvider,
  donationId: string,
  startedAt: Date,
  signal: AbortSignal,
): Promise<Proof> {
  const found = await provider.findByDonation(
    donationId,
    new Date(startedAt.getTime() - CLOCK_SKEW_MS),
    signal,
  );
  switch (found.kind) {
    case 'yes': {
      const object = found.payments[0];
      return object === undefined ? { kind: 'absent' } : { kind: 'object', object };
    }
    case 'unknown':
      return found;
    case 'our_fault':
      throw failure('provider_rejected', `payments cannot be listed: ${found.status} ${found.code}`);
    default:
      return found satisfies never;
  }
}
