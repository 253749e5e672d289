/** Who may give a donation's money back: operators, and the organizer whose campaign got it. */
import type { User } from '../../domain/actor.ts';
import type { Logger } from '../../platform/log.ts';
import { within } from '../../platform/within.ts';
import { Problem } from '../http/problem.ts';
import type { RefundStore } from './refunds.ts';

/** Asks the campaigns service; null: nobody's, or no such campaign. Rejects while it cannot be reached. */
export type CampaignOwnerOf = (campaignId: string) => Promise<string | null>;

export type RefundRights = {
  readonly refunds: Pick<RefundStore, 'campaignOf'>;
  readonly campaignOwnerOf: CampaignOwnerOf;
  readonly log: Logger;
};

const OWNER_LIMIT_MS = 2_000;

/** To anybody else the donation does not exist: throws `not_found`; `campaigns_unavailable` while that cannot be told. */
export async function checkRefundRights(
  { refunds, campaignOwnerOf, log }: RefundRights,
  user: User,
  donationId: string,
): Promise<void> {
  if (user.role === 'operator') return;
  const campaignId = await refunds.campaignOf(donationId);
  if (campaignId === null) throw new Problem('not_found');
  let ownerId: string | null;
  try {
    ownerId = await within(OWNER_LIMIT_MS, campaignOwnerOf(campaignId));
  } catch (error) {
    log.warn({ err: error, campaignId }, 'whose campaign it is cannot be told right now');
    throw new Problem('campaigns_unavailable');
  }
  if (ownerId !== user.id) throw new Problem('not_found');
}
