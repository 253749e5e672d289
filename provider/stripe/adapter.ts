import { Stripe } from 'stripe';
import type {
  PaymentListPage,
  PaymentProvider,
  ProviderAnswer,
  ProviderListAnswer,
  ProviderPayment,
  UnknownAnswer,
} from '../port.ts';
import { answerOfError, unknown } from './failures.ts';
import { callContext, createHttpClient } from './http-client.ts';
import type { CallContext } from './http-client.ts';
import { toProviderPage, toProviderPayment } from './translate.ts';

/** Pinned: another version may move fields, so it changes together with the SDK and the translation. */
const STRIPE_API_VERSION = '2026-10-28.endive';

const PAGE_SIZE = 100;
/** A look-up by list gives up after this many pages instead of walking a whole account. */
const MAX_LOOKUP_PAGES = 50;
/** Our clock and the provider's may differ by this much. */
const CLOCK_SLACK_SECONDS = 300;

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
  const intents = stripe.paymentIntents;

  const listPayments = (page: PaymentListPage, signal?: AbortSignal): Promise<ProviderListAnswer> =>
    askPage(signal, () => intents.list(listParams(page)));

  return {
    name: 'stripe',
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
      askPayment(id, signal, () => intents.confirm(id, {}, { idempotencyKey: key })),
    capturePayment: (id, key, signal) =>
      askPayment(id, signal, () => intents.capture(id, {}, { idempotencyKey: key })),
    // With a reason, a release of ours is told from an expiry at the provider ('expired').
    cancelPayment: (id, key, signal) =>
      askPayment(id, signal, () =>
        intents.cancel(id, { cancellation_reason: 'abandoned' }, { idempotencyKey: key }),
      ),
    retrievePayment: (id, signal) => askPayment(id, signal, () => intents.retrieve(id)),
    listPayments,
    findByDonation: async (donationId, createdFrom, signal) => {
      const query = `metadata['donation_id']:'${donationId.replaceAll(/['\\]/g, String.raw`\$&`)}'`;
      const found = await askPage(signal, () => intents.search({ query, limit: PAGE_SIZE }));
      if (found.kind === 'yes') {
        const payments = ofDonation(found.payments, donationId);
        if (payments.length > 0) return { kind: 'yes', payments, nextCursor: null };
      }
      return findInList(listPayments, donationId, createdFrom, signal);
    },
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

async function askPayment(
  expectedId: string | null,
  signal: AbortSignal | undefined,
  call: () => Promise<unknown>,
): Promise<ProviderAnswer> {
  const result = await ask(signal, call);
  if (!result.ok) return result.answer;
  const payment = toProviderPayment(result.body);
  if (payment === null || (expectedId !== null && payment.id !== expectedId))
    return unknown('garbage', result.context);
  return { kind: 'yes', payment };
}

async function askPage(
  signal: AbortSignal | undefined,
  call: () => Promise<unknown>,
): Promise<ProviderListAnswer> {
  const result = await ask(signal, call);
  if (!result.ok) {
    const { answer } = result;
    return answer.kind === 'our_fault' || answer.kind === 'unknown'
      ? answer
      : unknown('garbage', result.context);
  }
  const page = toProviderPage(result.body);
  const last = page?.payments.at(-1);
  if (page === null || (page.hasMore && last === undefined)) return unknown('garbage', result.context);
  return { kind: 'yes', payments: page.payments, nextCursor: page.hasMore && last ? last.id : null };
}

type Asked =
  | { readonly ok: true; readonly body: unknown; readonly context: CallContext }
  | {
      readonly ok: false;
      readonly answer: Exclude<ProviderAnswer, { kind: 'yes' }>;
      readonly context: CallContext;
    };

async function ask(signal: AbortSignal | undefined, call: () => Promise<unknown>): Promise<Asked> {
  const context: CallContext = { signal, status: null, headers: {}, timedOut: false };
  try {
    return { ok: true, body: await callContext.run(context, call), context };
  } catch (error) {
    return { ok: false, answer: answerOfError(error, context), context };
  }
}

async function findInList(
  listPayments: PaymentProvider['listPayments'],
  donationId: string,
  createdFrom: Date,
  signal: AbortSignal | undefined,
): Promise<ProviderListAnswer> {
  const payments: ProviderPayment[] = [];
  let startingAfter: string | undefined;
  for (let page = 0; page < MAX_LOOKUP_PAGES; page += 1) {
    const answer = await listPayments(
      {
        createdFrom: new Date(createdFrom.getTime() - CLOCK_SLACK_SECONDS * 1000),
        limit: PAGE_SIZE,
        ...(startingAfter === undefined ? {} : { startingAfter }),
      },
      signal,
    );
    if (answer.kind !== 'yes') return answer;
    payments.push(...ofDonation(answer.payments, donationId));
    if (answer.nextCursor === null || payments.length > 0) return { kind: 'yes', payments, nextCursor: null };
    startingAfter = answer.nextCursor;
  }
  // The search ran out of its budget: an empty list would read as "there is none".
  return { kind: 'unknown', reason: 'timeout', retryAfterMs: null, replayed: false } satisfies UnknownAnswer;
}

function ofDonation(payments: readonly ProviderPayment[], donationId: string): ProviderPayment[] {
  return payments.filter((payment) => payment.donationId === donationId);
}

function listParams(page: PaymentListPage): Stripe.PaymentIntentListParams {
  return {
    limit: page.limit ?? PAGE_SIZE,
    ...(page.createdFrom ? { created: { gte: Math.floor(page.createdFrom.getTime() / 1000) } } : {}),
    ...(page.startingAfter === undefined ? {} : { starting_after: page.startingAfter }),
  };
}
