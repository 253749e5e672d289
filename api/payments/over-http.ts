/** What payments asks of other services, where they run apart. */
import { z } from 'zod';
import type { InternalCaller } from '../http/internal.ts';
import type { PaymentsDeps } from './router.ts';

const found = z.object({ campaign: z.object({ ownerId: z.uuid().nullable() }).nullable() });

/** As long as `refund-rights.ts` waits. */
const OWNER_LIMIT_MS = 2_000;

export function askCampaignOwner(campaigns: InternalCaller): PaymentsDeps['campaignOwnerOf'] {
  return async (campaignId) => {
    const answer = await campaigns.get(`/internal/campaigns/${campaignId}`, OWNER_LIMIT_MS);
    return found.parse(answer).campaign?.ownerId ?? null;
  };
}
