/**
 * Calls to the provider made in local activity slots, where a slow one holds back every other saga: limited in number,
 * and none at all while the provider does not answer. What is refused here goes on as a regular activity at once.
 */
import { ReceiverAway, type Breaker } from '../../platform/breaker.ts';
import { createRateTokens, type RateTokens } from '../../platform/rate-tokens.ts';
import type { PaymentProvider, ProviderAnswer, UnknownAnswer, UnknownReason } from '../../provider/port.ts';

/** Too many calls count as well: the queue is slower. The other reasons are answers, if no helpful ones. */
const AWAY: ReadonlySet<UnknownReason> = new Set(['timeout', 'connection', 'server_error', 'rate_limited']);
/** Each look for a provider that is away costs a local slot its time-out. */
const LOOKS_PER_SECOND = 1;

export function createLocalCalls(perSecond: number, breaker: Pick<Breaker, 'admits'>): RateTokens {
  const calls = createRateTokens(perSecond);
  const looks = createRateTokens(LOOKS_PER_SECOND);
  return {
    take: () => {
      const admitted = breaker.admits();
      if (admitted === 'none') return false;
      return (admitted === 'all' || looks.take()) && calls.take();
    },
  };
}

/** The provider as payment activities see it. Outside local slots nothing is broken off: Temporal's retries are durable. */
export function breakLocalCalls(
  provider: PaymentProvider,
  breaker: Breaker,
  isLocal: () => boolean,
): PaymentProvider {
  const call = async (
    make: (signal: AbortSignal | undefined) => Promise<ProviderAnswer>,
    given: AbortSignal | undefined,
  ): Promise<ProviderAnswer> => {
    if (!isLocal()) return await make(given);
    try {
      return await breaker.run(async (limit) => {
        const answer = await make(given === undefined ? limit : AbortSignal.any([given, limit]));
        if (answer.kind === 'unknown' && AWAY.has(answer.reason)) throw new NoAnswer(answer);
        return answer;
      });
    } catch (error) {
      if (!(error instanceof ReceiverAway)) throw error;
      return error.cause instanceof NoAnswer ? error.cause.answer : NOT_ANSWERED;
    }
  };
  return {
    ...provider,
    createPayment: (order, key, signal) => call((it) => provider.createPayment(order, key, it), signal),
    confirmPayment: (id, key, signal) => call((it) => provider.confirmPayment(id, key, it), signal),
    capturePayment: (id, key, signal) => call((it) => provider.capturePayment(id, key, it), signal),
    retrievePayment: (id, signal) => call((it) => provider.retrievePayment(id, it), signal),
  };
}

const NOT_ANSWERED: UnknownAnswer = {
  kind: 'unknown',
  reason: 'timeout',
  retryAfterMs: null,
  replayed: false,
};

class NoAnswer extends Error {
  override readonly name = 'NoAnswer';
  readonly answer: UnknownAnswer;
  constructor(answer: UnknownAnswer) {
    super(answer.reason);
    this.answer = answer;
  }
}
