import type { Snapshot } from '../audit/load/databases.ts';
import type { Match, Means } from './look-up.ts';

export type FoundDonation = {
  readonly id: string;
  readonly by: readonly Means[];
  /** Of the pledge, else of the payment; null when neither is written yet. */
  readonly status: string | null;
  /** Minor units. */
  readonly amount: number;
  readonly currency: string;
  readonly campaignId: string;
  /** Null when only the payment is known, which should not happen. */
  readonly acceptedAt: Date | null;
  readonly providerPaymentId: string | null;
};

type RequestRow = {
  id: string;
  status: string | null;
  amount: number;
  currency: string;
  campaignId: string;
  acceptedAt: Date;
};
type PaymentRow = {
  id: string;
  state: string;
  amount: number;
  currency: string;
  campaignId: string;
  providerPaymentId: string | null;
};

/** Those of the matches that exist, newest first. */
export async function readDonations(snapshot: Snapshot, matches: readonly Match[]): Promise<FoundDonation[]> {
  const by = Map.groupBy(matches, ({ id }) => id);
  const ids = [...by.keys()];
  if (ids.length === 0) return [];
  const [requests, payments] = await Promise.all([
    snapshot.query<RequestRow>(
      'donations',
      `SELECT r.id, p.status, r.amount, r.currency, r.campaign_id AS "campaignId", r.accepted_at AS "acceptedAt"
       FROM donation_requests r LEFT JOIN pledges p USING (id) WHERE r.id = ANY($1::uuid[])`,
      [ids],
    ),
    snapshot.query<PaymentRow>(
      'payments',
      `SELECT id, state, amount, currency, campaign_id AS "campaignId", provider_payment_id AS "providerPaymentId"
       FROM payments WHERE id = ANY($1::uuid[])`,
      [ids],
    ),
  ]);
  const requestOf = new Map(requests.map((row) => [row.id, row]));
  const paymentOf = new Map(payments.map((row) => [row.id, row]));
  return ids
    .flatMap((id): FoundDonation[] => {
      const [request, payment] = [requestOf.get(id), paymentOf.get(id)];
      const known = request ?? payment;
      if (known === undefined) return [];
      return [
        {
          id,
          by: (by.get(id) ?? []).map((match) => match.by),
          status: request?.status ?? payment?.state ?? null,
          amount: known.amount,
          currency: known.currency,
          campaignId: known.campaignId,
          acceptedAt: request?.acceptedAt ?? null,
          providerPaymentId: payment?.providerPaymentId ?? null,
        },
      ];
    })
    .toSorted((a, b) => (b.acceptedAt?.getTime() ?? 0) - (a.acceptedAt?.getTime() ?? 0));
}
