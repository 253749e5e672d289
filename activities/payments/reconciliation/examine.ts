/** One payment of the provider, asked for by its id with all that belongs to it, against ours; nothing less is believed. */
import type { ClientBase, Pool } from 'pg';
import { isUuid } from '../../../domain/ids.ts';
import {
  compare,
  compareUnmatched,
  leftMinor,
  type Finding,
  type ProviderSide,
} from '../../../domain/reconciliation.ts';
import { transaction } from '../../../platform/postgres.ts';
import type {
  OurFaultAnswer,
  PaymentProvider,
  ProviderPayment,
  UnknownAnswer,
} from '../../../provider/port.ts';
import type { ReconciliationRun, Unmatched } from '../../../workflows/ports.ts';
import { failure, notKnownYet } from '../operations.ts';
import { fetchReversals } from '../truth.ts';
import { keepReviews, recordFindings } from './findings.ts';
import { lockLocal, providerSide, type LocalPayment } from './sides.ts';
import { settleSuspense } from './suspense.ts';

export type ExamineDeps = {
  readonly pool: Pool;
  readonly provider: PaymentProvider;
  /** Of the provider's account: what belongs to the other mode is none of our business. */
  readonly livemode: boolean;
  readonly signal: () => AbortSignal;
};

export type Fetched = { readonly payment: ProviderPayment; readonly side: ProviderSide };

/** Null for what the provider does not know, and for what belongs to its other mode. */
export async function fetchSide(
  { provider, livemode, signal }: ExamineDeps,
  id: string,
): Promise<Fetched | null> {
  const answer = await provider.retrievePayment(id, signal());
  if (answer.kind === 'our_fault' && answer.status === 404) return null;
  if (answer.kind !== 'yes') throw unanswered(`payment ${id}`, answer);
  const reversals = await fetchReversals(provider, answer.payment, signal());
  if (reversals.kind !== 'yes') throw unanswered(`reversals of ${id}`, reversals);
  if (answer.payment.livemode !== livemode) return null;
  return { payment: answer.payment, side: providerSide(answer.payment, reversals) };
}

/** Passing trouble is tried again, at the provider's own time; a question that it refuses is for a person. */
export function unanswered(
  what: string,
  answer: UnknownAnswer | OurFaultAnswer | { readonly kind: 'declined' | 'wrong_state' },
): Error {
  if (answer.kind === 'our_fault')
    return failure('provider_rejected', `${what} cannot be read: ${answer.status} ${answer.code}`);
  return notKnownYet(what, answer.kind === 'unknown' ? answer : null);
}

/** Resolves with the payment when we have none for it, so that the donations service can be asked. */
export async function examineOne(
  deps: ExamineDeps,
  run: ReconciliationRun,
  providerPaymentId: string,
): Promise<Unmatched | null> {
  const fetched = await fetchSide(deps, providerPaymentId);
  return await transaction(deps.pool, async (client) => {
    if (fetched === null) {
      await examineAbsent(client, run, providerPaymentId);
      return null;
    }
    const { payment, side } = fetched;
    const local = await lockLocal(client, side);
    if (payment.createdAt.getTime() > run.freshAfterMs || isUnderWay(local, run)) {
      await keepReviews(client, run, payment.id);
      return null;
    }
    if (local === null)
      return {
        providerPaymentId: payment.id,
        donationId: isUuid(payment.donationId) ? payment.donationId : null,
      };
    await recordCompared(client, run, side, compare(local, side, run.freshAfterMs));
    return null;
  });
}

function isUnderWay(local: LocalPayment | null, { freshAfterMs }: ReconciliationRun): boolean {
  return local !== null && local.updatedAtMs > freshAfterMs;
}

/** The findings, and what the provider holds of it that nobody of ours is owed. */
async function recordCompared(
  client: ClientBase,
  run: ReconciliationRun,
  side: ProviderSide,
  findings: readonly Finding[],
): Promise<void> {
  if (!run.dryRun) {
    const isNobodys = findings.some(({ action }) => action === 'suspense');
    const targetMinor = isNobodys ? leftMinor(side) : 0;
    await settleSuspense(client, side.id, { targetMinor, currency: side.currency });
  }
  await recordFindings(client, run, findings);
}

/** Ours names it, and the provider does not know it. */
async function examineAbsent(client: ClientBase, run: ReconciliationRun, id: string): Promise<void> {
  const local = await lockLocal(client, { id, donationId: null });
  if (local === null) return;
  await recordFindings(client, run, [
    {
      class: 'MISSING_PROVIDER',
      action: 'review',
      subject: id,
      donationId: local.donationId,
      providerPaymentId: id,
      providerRefundId: null,
      expected: { payment: id, captured: local.facts.capturedMinor },
      found: null,
    },
  ]);
}

/** What the donations service knows of it decides: adopt it and go on, or hold it as nobody's. */
export async function placeOne(
  deps: ExamineDeps,
  run: ReconciliationRun,
  providerPaymentId: string,
  order: PlacedOrder | null,
): Promise<'restart' | 'placed'> {
  const fetched = await fetchSide(deps, providerPaymentId);
  if (fetched === null) return 'placed';
  const { payment, side } = fetched;
  return await transaction(deps.pool, async (client) => {
    // Somebody may have written it down meanwhile; then it is compared again, by the next run.
    if ((await lockLocal(client, side)) !== null) {
      await keepReviews(client, run, payment.id);
      return 'placed';
    }
    const finding = compareUnmatched(side, order);
    const restart = finding?.action === 'restart' && order !== null;
    if (restart && !run.dryRun) await adopt(client, order, payment.id);
    await recordCompared(client, run, side, finding === null ? [] : [finding]);
    return restart ? 'restart' : 'placed';
  });
}

export type PlacedOrder = {
  readonly donationId: string;
  readonly campaignId: string;
  readonly amountMinor: number;
  readonly currency: string;
  readonly paymentMethod: string;
};

/** A workflow that finds the provider's id here asks about that payment; one that does not would make another. */
async function adopt(client: ClientBase, order: PlacedOrder, providerPaymentId: string): Promise<void> {
  await client.query(
    `INSERT INTO payments (id, donation_id, campaign_id, provider, payment_method, amount, currency, state, provider_payment_id)
     VALUES ($1, $1, $2, 'stripe', $3, $4, $5, 'INITIATED', $6)`,
    [
      order.donationId,
      order.campaignId,
      order.paymentMethod,
      order.amountMinor,
      order.currency,
      providerPaymentId,
    ],
  );
}
