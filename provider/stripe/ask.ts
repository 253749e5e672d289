import type {
  OurFaultAnswer,
  ProviderAnswer,
  ProviderPage,
  ProviderPageAnswer,
  ProviderRefund,
  ProviderRefundAnswer,
  UnknownAnswer,
} from '../port.ts';
import { answerOfError, answerOfRefundError, unknown, withoutPayment } from './failures.ts';
import { callContext } from './http-client.ts';
import type { CallContext } from './http-client.ts';
import { toPage } from './shapes.ts';
import { toProviderRefund } from './translate-refund.ts';
import { toProviderPayment } from './translate.ts';

/** One call of the SDK each, its result or its error as an answer; nothing is thrown for what a provider can do. */

type Call = () => Promise<unknown>;

type Asked<Failure> =
  | { readonly ok: true; readonly body: unknown; readonly context: CallContext }
  | { readonly ok: false; readonly answer: Failure };

export async function askPayment(
  expectedId: string | null,
  signal: AbortSignal | undefined,
  call: Call,
): Promise<ProviderAnswer> {
  const asked = await ask(signal, call, answerOfError);
  if (!asked.ok) return asked.answer;
  const payment = toProviderPayment(asked.body);
  if (payment === null || (expectedId !== null && payment.id !== expectedId))
    return unknown('garbage', asked.context);
  return { kind: 'yes', payment };
}

export async function askRefund(
  isExpected: (refund: ProviderRefund) => boolean,
  signal: AbortSignal | undefined,
  call: Call,
): Promise<ProviderRefundAnswer> {
  const asked = await ask(signal, call, answerOfRefundError);
  if (!asked.ok) return asked.answer;
  const refund = toProviderRefund(asked.body);
  if (refund === null || !isExpected(refund)) return unknown('garbage', asked.context);
  return { kind: 'yes', refund };
}

/** For reads that can only succeed or fail; undefined is a body that nobody understands. */
export async function askFor<Value>(
  translate: (body: unknown) => Value | undefined,
  signal: AbortSignal | undefined,
  call: Call,
): Promise<{ readonly kind: 'yes'; readonly value: Value } | OurFaultAnswer | UnknownAnswer> {
  const asked = await ask(signal, call, answerOfRead);
  if (!asked.ok) return asked.answer;
  const value = translate(asked.body);
  return value === undefined ? unknown('garbage', asked.context) : { kind: 'yes', value };
}

export async function askPage<Item extends { readonly id: string }>(
  translate: (entry: unknown) => Item | null,
  signal: AbortSignal | undefined,
  call: Call,
): Promise<ProviderPageAnswer<Item>> {
  const answer = await askFor((body) => pageOf(body, translate), signal, call);
  return answer.kind === 'yes' ? answer.value : answer;
}

function pageOf<Item extends { readonly id: string }>(
  body: unknown,
  translate: (entry: unknown) => Item | null,
): ProviderPage<Item> | undefined {
  const page = toPage(body, translate);
  const last = page?.items.at(-1);
  if (page === null || (page.hasMore && last === undefined)) return undefined;
  return { kind: 'yes', items: page.items, nextCursor: page.hasMore && last ? last.id : null };
}

async function ask<Failure>(
  signal: AbortSignal | undefined,
  call: Call,
  failureOf: (error: unknown, context: CallContext) => Failure,
): Promise<Asked<Failure>> {
  const context: CallContext = { signal, status: null, headers: {}, timedOut: false };
  try {
    return { ok: true, body: await callContext.run(context, call), context };
  } catch (error) {
    return { ok: false, answer: failureOf(error, context) };
  }
}

function answerOfRead(error: unknown, context: CallContext): OurFaultAnswer | UnknownAnswer {
  return withoutPayment(answerOfError(error, context), context);
}
