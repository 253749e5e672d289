/** One refund that was asked for, made at the provider exactly once. */
import type {
  PaymentProvider,
  ProviderRefund,
  ProviderRefundAnswer,
  RefundOrder,
} from '../../provider/port.ts';
import { applyEvents } from './book/facts.ts';
import type { Payment } from './book/payment.ts';
import { failure, type Answer, type Proof, type Step } from './operations.ts';
import { applyReversals } from './truth.ts';

export function refundStep(
  provider: PaymentProvider,
  order: RefundOrder,
  signal: () => AbortSignal,
): Step<ProviderRefund> {
  const look = (): Promise<Proof<ProviderRefund>> => findRefund(provider, order, signal());
  return {
    operation: 'refund',
    donationId: order.donationId,
    refundId: order.refundId,
    call: async (key) => {
      const answer = await provider.createRefund(order, key, signal());
      return answer.kind === 'refused' ? await refusedOrDone(answer, look) : toAnswer(answer);
    },
    look,
    hadEffect: () => true,
    toStored: (refund) => ({ kind: 'yes', refund }),
    mismatch: (payment, refund) => mismatchOf(payment, order, refund),
    apply: async (client, payment, answer, cause) => {
      if (answer.kind === 'yes')
        return await applyReversals(client, payment, { refunds: [answer.object], disputes: [] }, cause);
      await client.query('UPDATE refunds SET failure_code = $2 WHERE id = $1', [order.refundId, answer.code]);
      const { refundId, amountMinor } = order;
      return await applyEvents(
        client,
        payment,
        [{ type: 'refund', refundId, amountMinor, status: 'failed' }],
        cause,
      );
    },
  };
}

/** The provider says no to a refund that an earlier try may have made: only when it is not there, the no is the answer. */
async function refusedOrDone(
  refused: Extract<ProviderRefundAnswer, { kind: 'refused' }>,
  look: () => Promise<Proof<ProviderRefund>>,
): Promise<Answer<ProviderRefund>> {
  const proof = await look();
  if (proof.kind === 'unknown') return proof;
  return proof.kind === 'object'
    ? { kind: 'yes', object: proof.object, stored: { kind: 'yes', refund: proof.object } }
    : { kind: 'no', code: refused.code, object: null, stored: refused };
}

function toAnswer(answer: Exclude<ProviderRefundAnswer, { kind: 'refused' }>): Answer<ProviderRefund> {
  return answer.kind === 'yes' ? { kind: 'yes', object: answer.refund, stored: answer } : answer;
}

/** A payment's refunds are listed at once, unlike what is searched for. */
async function findRefund(
  provider: PaymentProvider,
  { paymentId, refundId }: RefundOrder,
  signal: AbortSignal,
): Promise<Proof<ProviderRefund>> {
  let startingAfter: string | undefined;
  for (;;) {
    const page = await provider.listRefunds(
      { paymentId, ...(startingAfter === undefined ? {} : { startingAfter }) },
      signal,
    );
    if (page.kind === 'unknown') return page;
    if (page.kind === 'our_fault')
      throw failure(
        'provider_rejected',
        `refunds of ${paymentId} cannot be listed: ${page.status} ${page.code}`,
      );
    const object = page.items.find((refund) => refund.refundId === refundId);
    if (object !== undefined) return { kind: 'object', object };
    if (page.nextCursor === null) return { kind: 'absent' };
    startingAfter = page.nextCursor;
  }
}

function mismatchOf({ facts }: Payment, order: RefundOrder, refund: ProviderRefund): string | null {
  if (refund.paymentId !== null && refund.paymentId !== order.paymentId)
    return `was refunded on another payment (${refund.paymentId})`;
  if (refund.currency !== facts.currency) return `was refunded in ${refund.currency}`;
  if (refund.amountMinor !== order.amountMinor)
    return `was refunded ${refund.amountMinor}, asked for ${order.amountMinor}`;
  return null;
}
