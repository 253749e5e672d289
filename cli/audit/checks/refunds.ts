/** The provider's refunds against ours: is all money that went back in our books, once, and nothing else? */
import type { RefundStatus } from '../../../domain/payment.ts';
import type { ProviderRefund, ProviderRefundStatus } from '../../../provider/port.ts';
import { isMoving, isOld, type AuditContext, type DonationCheck } from '../check.ts';
import type { DonationSnapshot, RefundRow } from '../snapshot.ts';
import { givenBackMinor, isReviewed, money } from './provider.ts';

/** Written as a command, because whoever books must not be the one who compares. */
export const LOOK =
  "Have the provider asked: `INSERT INTO workflow_commands (id, payment_id, type) VALUES (gen_random_uuid(), '<id>', 'look')` in the payments database; aftercare books what it says.";

const MEANS: Readonly<Record<ProviderRefundStatus, RefundStatus>> = {
  pending: 'pending',
  requires_action: 'pending',
  succeeded: 'succeeded',
  failed: 'failed',
  canceled: 'failed',
};

const describe = ({ id, status, amountMinor, currency }: ProviderRefund): string =>
  `${id} ${status} ${money(amountMinor, currency)}`;

/** Whether a refund or dispute is one of the payment that our books name; by its metadata, when it does not say of which. */
export function isOfOurPayment(
  { id, payment }: DonationSnapshot,
  refund: Pick<ProviderRefund, 'paymentId' | 'chargeId'> & { readonly donationId?: string | null },
): boolean {
  if (payment === null) return false;
  if (refund.paymentId !== null) return refund.paymentId === payment.providerPaymentId;
  if (refund.chargeId !== null) return refund.chargeId === payment.providerChargeId;
  return refund.donationId === id;
}

/** The row that stands for a refund: the one that names it, else the one it was made for, while that has no answer yet. */
function rowOf({ refunds }: DonationSnapshot, refund: ProviderRefund): RefundRow | undefined {
  return (
    refunds.find(({ providerRefundId }) => providerRefundId === refund.id) ??
    refunds.find(
      ({ id, providerRefundId, status }) =>
        id === refund.refundId && providerRefundId === null && status === 'pending',
    )
  );
}

/** Refunds at the provider that were made for the same refund of ours. */
function twinsAmong(refunds: readonly ProviderRefund[]): ProviderRefund[][] {
  const alive = refunds.filter(({ refundId, status }) => refundId !== null && MEANS[status] !== 'failed');
  return [...Map.groupBy(alive, ({ refundId }) => refundId).values()].filter((twins) => twins.length > 1);
}

const refundedTwice: DonationCheck = {
  name: 'refunded-twice',
  class: 'duplicate',
  meaning: 'The provider has made one refund of ours more than once.',
  fix: 'The donor has too much: find out how two keys could be used for one refund, then settle it with the donor.',
  find: ({ providerRefunds }) =>
    twinsAmong(providerRefunds).map(
      (twins) => `${twins.length} for refund ${twins[0]?.refundId ?? ''}: ${twins.map(describe).join(', ')}`,
    ),
};

const overRefunded: DonationCheck = {
  name: 'over-refunded',
  class: 'mismatch',
  meaning: 'The provider gives back more of a payment than it took.',
  fix: 'Tell the provider: no books of ours can bring this about. Nothing beyond the capture is counted.',
  find: ({ provider, providerRefunds }) =>
    provider.flatMap(({ id, amountReceivedMinor, currency }) => {
      const backMinor = givenBackMinor(providerRefunds.filter(({ paymentId }) => paymentId === id));
      return backMinor > amountReceivedMinor
        ? [`${id}: ${money(backMinor, currency)} refunded of ${money(amountReceivedMinor, currency)}`]
        : [];
    }),
};

const refundUnknown: DonationCheck = {
  name: 'refund-unknown',
  class: 'missing',
  meaning: 'The provider gives money back with a refund that our books do not name.',
  fix: LOOK,
  find: (donation, context) => {
    const twins = new Set(twinsAmong(donation.providerRefunds).flat());
    return donation.providerRefunds
      .filter(
        (refund) =>
          MEANS[refund.status] !== 'failed' &&
          isOfOurPayment(donation, refund) &&
          rowOf(donation, refund) === undefined &&
          !twins.has(refund) &&
          !isReviewed(donation, refund.id) &&
          isOld(refund.createdAt, context),
      )
      .map((refund) => `${describe(refund)} of ${refund.createdAt.toISOString()}`);
  },
};

const refundUnproven: DonationCheck = {
  name: 'refund-unproven',
  class: 'mismatch',
  meaning: 'Our books name a refund that the provider did not make.',
  fix: 'Trust the provider: look at its refunds of this payment, then correct our books with a reviewed posting.',
  find: ({ refunds, providerRefunds }) => {
    const made = new Set(providerRefunds.map(({ id }) => id));
    return refunds.flatMap(({ id, providerRefundId, status, amountMinor }) => {
      if (providerRefundId === null)
        return status === 'succeeded'
          ? [`refund ${id} of ${amountMinor} succeeded, and no refund of the provider is named`]
          : [];
      return made.has(providerRefundId)
        ? []
        : [`refund ${id} of ${amountMinor} ${status}; the provider does not know ${providerRefundId}`];
    });
  },
};

const refundDiffers: DonationCheck = {
  name: 'refund-differs',
  class: 'mismatch',
  meaning: 'A refund has another amount, currency, payment or status at the provider than in our books.',
  fix: LOOK,
  find: (donation, context) =>
    donation.providerRefunds.flatMap((refund) => {
      const row = rowOf(donation, refund);
      if (row === undefined || isReviewed(donation, refund.id)) return [];
      const differences = differencesOf(donation, row, refund, context);
      return differences.length === 0 ? [] : [`${refund.id}: ${differences.join(', ')}`];
    }),
};

function differencesOf(
  donation: DonationSnapshot,
  row: RefundRow,
  refund: ProviderRefund,
  context: AuditContext,
): string[] {
  const { payment } = donation;
  const differences: string[] = [];
  if (!isOfOurPayment(donation, refund))
    differences.push(
      `ours is of ${payment?.providerPaymentId ?? 'no payment'}, the provider’s of ${refund.paymentId ?? 'another'}`,
    );
  const [ours, theirs] = [
    money(row.amountMinor, payment?.currency ?? ''),
    money(refund.amountMinor, refund.currency),
  ];
  if (ours !== theirs) differences.push(`ours ${ours}, provider ${theirs}`);
  // Its event, or our own step's answer, may be on the way.
  const known = row.providerRefundId !== null && !isMoving(donation, context);
  if (known && row.status !== MEANS[refund.status])
    differences.push(`ours ${row.status}, provider ${refund.status}`);
  return differences;
}

export const refundChecks: readonly DonationCheck[] = [
  refundedTwice,
  overRefunded,
  refundUnknown,
  refundUnproven,
  refundDiffers,
];
