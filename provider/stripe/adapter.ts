import { Stripe } from 'stripe';
import type { MoneyBackListPage, PaymentListPage, PaymentProvider, ProviderListAnswer } from '../port.ts';
import { askFor, askPage, askPayment, askRefund } from './ask.ts';
import { createHttpClient } from './http-client.ts';
import { findByDonation } from './look-up.ts';
import { toProviderDispute } from './translate-dispute.ts';
import { toProviderRefund } from './translate-refund.ts';
import { toClientSecret, toProviderPayment } from './translate.ts';

/** Pinned: another version may move fields, so it changes together with the SDK and the translation. */
const STRIPE_API_VERSION = '2026-10-28.endive';

const PAGE_SIZE = 100;
/** Where the fee is, https://docs.stripe.com/expand/use-cases; lists put `data` before it, within the depth of four. */
const FEE = 'latest_charge.balance_transaction';

/** A live key moves real money; its events are told apart from those of test mode. */
export function isLivemode(secretKey: string): boolean {
  return secretKey.includes('_live_');
}

export type StripeProviderOptions = {
  /** Scheme, host and port only: `https://api.stripe.com`. */
  readonly apiBase: string;
  readonly secretKey: string;
  /** Of one call as a whole, connecting included. */
  readonly timeoutMs: number;
};

/**
 * One attempt per call and never a throw for what a network or a provider can do: repeating is the caller's decision,
 * with the same key.
 */
export function createStripeProvider(options: StripeProviderOptions): PaymentProvider {
  const stripe = connect(options);
  const listPayments: PaymentProvider['listPayments'] = (page, signal) =>
    askPayments(signal, () => stripe.paymentIntents.list({ ...listParams(page), expand: [`data.${FEE}`] }));
  return {
    name: 'stripe',
    ...paymentCalls(stripe),
    ...moneyBackCalls(stripe),
    listPayments,
    findByDonation: (donationId, createdFrom, signal) =>
      findByDonation(
        {
          search: (query) =>
            askPayments(signal, () => stripe.paymentIntents.search({ query, limit: PAGE_SIZE })),
          listPayments,
        },
        donationId,
        createdFrom,
        signal,
      ),
    retrieveClientSecret: async (paymentId, signal) => {
      const answer = await askFor(
        (body) => toClientSecret(body, paymentId),
        signal,
        () => stripe.paymentIntents.retrieve(paymentId),
      );
      return answer.kind === 'yes' ? { kind: 'yes', clientSecret: answer.value } : answer;
    },
  };
}

function paymentCalls({
  paymentIntents: intents,
}: Stripe): Pick<
  PaymentProvider,
  'createPayment' | 'confirmPayment' | 'capturePayment' | 'cancelPayment' | 'retrievePayment'
> {
  return {
    createPayment: (order, key, signal) =>
      askPayment(null, signal, () =>
        intents.create(
          {
            amount: order.amountMinor,
            currency: order.currency.toLowerCase(),
            capture_method: 'manual',
            payment_method: order.paymentMethod,
            // Card only, so that confirming needs no return_url; `payment_method_types` is refused since 2026-09-30.
            allowed_payment_method_types: ['card'],
            metadata: { donation_id: order.donationId, campaign_id: order.campaignId },
          },
          { idempotencyKey: key },
        ),
      ),
    confirmPayment: (id, key, signal) =>
      askPayment(id, signal, () => intents.confirm(id, { expand: [FEE] }, { idempotencyKey: key })),
    capturePayment: (id, key, signal) =>
      askPayment(id, signal, () => intents.capture(id, { expand: [FEE] }, { idempotencyKey: key })),
    // With a reason, a release of ours is told from an expiry at the provider ('expired').
    cancelPayment: (id, key, signal) =>
      askPayment(id, signal, () =>
        intents.cancel(id, { cancellation_reason: 'abandoned' }, { idempotencyKey: key }),
      ),
    retrievePayment: (id, signal) => askPayment(id, signal, () => intents.retrieve(id, { expand: [FEE] })),
  };
}

function moneyBackCalls({
  refunds,
  disputes,
}: Stripe): Pick<
  PaymentProvider,
  'createRefund' | 'retrieveRefund' | 'listRefunds' | 'retrieveDispute' | 'listDisputes'
> {
  return {
    createRefund: (order, key, signal) =>
      askRefund(
        ({ paymentId }) => paymentId === null || paymentId === order.paymentId,
        signal,
        () =>
          refunds.create(
            {
              payment_intent: order.paymentId,
              amount: order.amountMinor,
              metadata: { donation_id: order.donationId, refund_id: order.refundId },
              reason: 'requested_by_customer',
            },
            { idempotencyKey: key },
          ),
      ),
    retrieveRefund: (id, signal) =>
      askRefund(
        (refund) => refund.id === id,
        signal,
        () => refunds.retrieve(id),
      ),
    listRefunds: (page, signal) =>
      askPage(toProviderRefund, signal, () => refunds.list(moneyBackParams(page))),
    retrieveDispute: async (id, signal) => {
      const answer = await askFor(
        (body) => {
          const dispute = toProviderDispute(body);
          return dispute?.id === id ? dispute : undefined;
        },
        signal,
        () => disputes.retrieve(id),
      );
      return answer.kind === 'yes' ? { kind: 'yes', dispute: answer.value } : answer;
    },
    listDisputes: (page, signal) =>
      askPage(toProviderDispute, signal, () => disputes.list(moneyBackParams(page))),
  };
}

function connect(options: StripeProviderOptions): Stripe {
  const base = new URL(options.apiBase);
  if (base.protocol !== 'http:' && base.protocol !== 'https:')
    throw new Error('The API base must be http or https');
  if (base.pathname !== '/') throw new Error('The API base must have no path');
  return new Stripe(options.secretKey, {
    apiVersion: STRIPE_API_VERSION,
    protocol: base.protocol === 'http:' ? 'http' : 'https',
    host: base.hostname.replaceAll(/[[\]]/g, ''),
    port: base.port || (base.protocol === 'http:' ? 80 : 443),
    timeout: options.timeoutMs,
    maxNetworkRetries: 0,
    telemetry: false,
    httpClient: createHttpClient(),
  });
}

async function askPayments(
  signal: AbortSignal | undefined,
  call: () => Promise<unknown>,
): Promise<ProviderListAnswer> {
  const answer = await askPage(toProviderPayment, signal, call);
  if (answer.kind !== 'yes') return answer;
  return { kind: 'yes', payments: answer.items, nextCursor: answer.nextCursor };
}

function listParams(page: PaymentListPage): {
  limit: number;
  created?: Stripe.RangeQueryParam;
  starting_after?: string;
} {
  return {
    limit: page.limit ?? PAGE_SIZE,
    ...(page.createdFrom ? { created: { gte: Math.floor(page.createdFrom.getTime() / 1000) } } : {}),
    ...(page.startingAfter === undefined ? {} : { starting_after: page.startingAfter }),
  };
}

function moneyBackParams(page: MoneyBackListPage): ReturnType<typeof listParams> & {
  payment_intent?: string;
} {
  return {
    ...listParams(page),
    ...(page.paymentId === undefined ? {} : { payment_intent: page.paymentId }),
  };
}
