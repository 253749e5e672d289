/** The provider's disputes against ours. An inquiry moves no money, so nobody has to know of it. */
import { isMoving, isOld, type DonationCheck } from '../check.ts';
import type { ProviderDispute } from '../../../provider/port.ts';
import { isReviewed, money } from './provider.ts';
import { isOfOurPayment, LOOK } from './refunds.ts';

const describe = ({ id, status, amountMinor, currency }: ProviderDispute): string =>
  `${id} ${status} ${money(amountMinor, currency)}`;

const disputeUnknown: DonationCheck = {
  name: 'dispute-unknown',
  class: 'missing',
  meaning: 'A bank has taken money back, and our books do not know of the dispute.',
  fix: LOOK,
  find: (donation, context) => {
    const { disputes, providerDisputes } = donation;
    const known = new Set(disputes.map(({ providerDisputeId }) => providerDisputeId));
    return providerDisputes
      .filter(
        (dispute) =>
          dispute.status !== 'inquiry' &&
          isOfOurPayment(donation, dispute) &&
          !known.has(dispute.id) &&
          !isReviewed(donation, dispute.id) &&
          isOld(dispute.createdAt, context),
      )
      .map((dispute) => `${describe(dispute)} of ${dispute.createdAt.toISOString()}`);
  },
};

const disputeUnproven: DonationCheck = {
  name: 'dispute-unproven',
  class: 'mismatch',
  meaning: 'Our books name a dispute that no bank has opened.',
  fix: 'Trust the provider: look at its disputes of this payment, then correct our books with a reviewed posting.',
  find: ({ disputes, providerDisputes }) =>
    disputes.flatMap(({ providerDisputeId, amountMinor, status }) => {
      const theirs = providerDisputes.find(({ id }) => id === providerDisputeId);
      if (theirs !== undefined && theirs.status !== 'inquiry') return [];
      const said = theirs === undefined ? 'it does not know it' : describe(theirs);
      return [`ours: ${providerDisputeId} ${status} ${amountMinor}; provider: ${said}`];
    }),
};

const disputeDiffers: DonationCheck = {
  name: 'dispute-differs',
  class: 'mismatch',
  meaning: 'A dispute has another amount, currency or outcome at the provider than in our books.',
  fix: LOOK,
  find: (donation, context) =>
    donation.providerDisputes.flatMap((theirs) => {
      const ours = donation.disputes.find(({ providerDisputeId }) => providerDisputeId === theirs.id);
      if (ours === undefined || theirs.status === 'inquiry' || isReviewed(donation, theirs.id)) return [];
      const differences: string[] = [];
      const amounts = [
        money(ours.amountMinor, donation.payment?.currency ?? ''),
        money(theirs.amountMinor, theirs.currency),
      ] as const;
      if (amounts[0] !== amounts[1]) differences.push(`ours ${amounts[0]}, provider ${amounts[1]}`);
      if (ours.status !== theirs.status && !isMoving(donation, context))
        differences.push(`ours ${ours.status}, provider ${theirs.status}`);
      return differences.length === 0 ? [] : [`${theirs.id}: ${differences.join(', ')}`];
    }),
};

export const disputeChecks: readonly DonationCheck[] = [disputeUnknown, disputeUnproven, disputeDiffers];
