/** Double entry: every posting's amounts add up to zero, per currency; the database checks it again at commit. */
import type { ClientBase } from 'pg';
import type { FactChange, PaymentFacts } from '../../../domain/payment.ts';

type Account = 'provider_balance' | 'campaign_payable' | 'provider_fees' | 'suspense' | 'disputed_funds';

export type Posting = {
  readonly postingId: string;
  /** The payment of ours that it is about, or the provider's one that is none of ours. */
  readonly of: { readonly paymentId: string } | { readonly providerPaymentId: string };
  readonly currency: string;
  readonly from: Account;
  readonly to: Account;
  /** Minor units, positive: `to` is debited, `from` credited. */
  readonly amountMinor: number;
};

type Booked = {
  readonly donationId: string;
  readonly facts: Pick<PaymentFacts, 'currency' | 'refunds' | 'disputes'>;
};

/** What a change of facts moves; null when no money moves (an authorization holds it, nothing more). */
export function postingOf(payment: Booked, change: FactChange, version: number): Posting | null {
  const move = moveOf(payment, change);
  if (move === null) return null;
  const [from, to] = move.accounts;
  return {
    postingId: `${payment.donationId}:${version}:${move.name}`,
    of: { paymentId: payment.donationId },
    currency: payment.facts.currency,
    from,
    to,
    amountMinor: move.amountMinor,
  };
}

type Move = {
  readonly name: string;
  readonly accounts: readonly [Account, Account];
  readonly amountMinor: number;
};

/** `facts` are those before the change. */
function moveOf({ facts }: Booked, change: FactChange): Move | null {
  switch (change.type) {
    // The provider holds the money for us, and we owe it to the campaign.
    case 'captured':
      return {
        name: 'captured',
        accounts: ['campaign_payable', 'provider_balance'],
        amountMinor: change.amountMinor,
      };
    case 'refund': {
      const { amountMinor, status, refundId } = change;
      if (status === 'succeeded')
        return { name: 'refunded', accounts: ['provider_balance', 'campaign_payable'], amountMinor };
      // The bank sent it back. A refund that fails before it succeeded has moved nothing.
      return status === 'failed' && facts.refunds[refundId]?.status === 'succeeded'
        ? { name: 'refund_failed', accounts: ['campaign_payable', 'provider_balance'], amountMinor }
        : null;
    }
    case 'dispute': {
      const { amountMinor, status } = change;
      switch (status) {
        case 'opened':
          return { name: 'dispute_opened', accounts: ['provider_balance', 'disputed_funds'], amountMinor };
        case 'won':
          return { name: 'dispute_won', accounts: ['disputed_funds', 'provider_balance'], amountMinor };
        case 'lost':
          return { name: 'dispute_lost', accounts: ['disputed_funds', 'campaign_payable'], amountMinor };
        default:
          return status satisfies never;
      }
    }
    case 'authorized':
    case 'closed':
      return null;
    default:
      return change satisfies never;
  }
}

/** The provider keeps its fee of what it holds for us. The `n`th correction books the difference, either way. */
export function feePosting(
  donationId: string,
  fee: { readonly amountMinor: number; readonly currency: string },
  bookedMinor: number,
  n: number,
): Posting | null {
  const difference = fee.amountMinor - bookedMinor;
  if (difference === 0) return null;
  const [from, to] =
    difference > 0
      ? (['provider_balance', 'provider_fees'] as const)
      : (['provider_fees', 'provider_balance'] as const);
  return {
    postingId: `${donationId}:fee:${n}`,
    of: { paymentId: donationId },
    currency: fee.currency,
    from,
    to,
    amountMinor: Math.abs(difference),
  };
}

/** Writes a posting within the caller's transaction. Throws for one that is there already: nothing is booked twice. */
export async function postToLedger(client: ClientBase, posting: Posting): Promise<void> {
  const { postingId, of, currency, from, to, amountMinor } = posting;
  await client.query({
    name: 'ledger-post',
    text: `INSERT INTO ledger_entries (posting_id, payment_id, provider_payment_id, account, amount, currency)
           SELECT $1, $2, $3, account, amount, $4 FROM unnest($5::text[], $6::bigint[]) AS line(account, amount)`,
    values: [
      postingId,
      'paymentId' in of ? of.paymentId : null,
      'providerPaymentId' in of ? of.providerPaymentId : null,
      currency,
      [to, from],
      [amountMinor, -amountMinor],
    ],
  });
}
