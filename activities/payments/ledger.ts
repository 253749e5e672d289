/** Double entry: every posting's amounts add up to zero, per currency; the database checks it again at commit. */
import type { ClientBase } from 'pg';

type Account = 'provider_balance' | 'campaign_payable' | 'provider_fees' | 'suspense' | 'disputed_funds';

export type Posting = {
  readonly postingId: string;
  readonly paymentId: string;
  readonly currency: string;
  /** Minor units; debit positive, credit negative. */
  readonly lines: readonly { readonly account: Account; readonly amountMinor: number }[];
};

/** The provider holds the money for us, and we owe it to the campaign. */
export function capturedPosting(
  payment: { readonly donationId: string; readonly facts: { readonly currency: string } },
  amountMinor: number,
  version: number,
): Posting {
  return {
    postingId: `${payment.donationId}:${version}:captured`,
    paymentId: payment.donationId,
    currency: payment.facts.currency,
    lines: [
      { account: 'provider_balance', amountMinor },
      { account: 'campaign_payable', amountMinor: -amountMinor },
    ],
  };
}

export async function postToLedger(
  client: ClientBase,
  { postingId, paymentId, currency, lines }: Posting,
): Promise<void> {
  await client.query({
    name: 'ledger-post',
    text: `INSERT INTO ledger_entries (posting_id, payment_id, account, amount, currency)
           SELECT $1, $2, account, amount, $3 FROM unnest($4::text[], $5::bigint[]) AS line(account, amount)`,
    values: [
      postingId,
      paymentId,
      currency,
      lines.map((line) => line.account),
      lines.map((line) => line.amountMinor),
    ],
  });
}
