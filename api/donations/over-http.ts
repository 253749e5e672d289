/** What donations asks of other services, where they run apart. */
import { z } from 'zod';
import type { Logger } from '../../platform/log.ts';
import type { InternalCaller } from '../http/internal.ts';
import type { CampaignLookup } from './campaign-snapshots.ts';
import type { DonationsDeps } from './router.ts';

const found = z.object({
  campaign: z
    .object({
      id: z.uuid(),
      currency: z.string(),
      status: z.enum(['draft', 'open', 'closed']),
      version: z.number().int(),
      deadline: z.iso
        .datetime()
        .transform((time) => new Date(time))
        .nullable(),
    })
    .nullable(),
});
const clientSecret = z.object({ clientSecret: z.string().nullable() });

/** As long as a donor waits for it at most; `campaign-snapshots.ts` stops waiting then as well. */
const CAMPAIGN_LIMIT_MS = 2_000;
/** Payments gives the provider two seconds. */
const CLIENT_SECRET_LIMIT_MS = 2_500;

export function askCampaigns(campaigns: InternalCaller): CampaignLookup {
  return async (id) => {
    const { campaign } = found.parse(await campaigns.get(`/internal/campaigns/${id}`, CAMPAIGN_LIMIT_MS));
    if (campaign !== null && campaign.id !== id) throw new Error(`asked for ${id}, answered ${campaign.id}`);
    return campaign;
  };
}

/** The donation itself can be told without. */
export function askPayments(payments: InternalCaller, log: Logger): DonationsDeps['clientSecretOf'] {
  return async (donationId) => {
    try {
      const path = `/internal/payments/${donationId}/client-secret`;
      const answer = await payments.get(path, CLIENT_SECRET_LIMIT_MS);
      return clientSecret.parse(answer).clientSecret;
    } catch (err) {
      log.warn({ donationId, err }, 'payments did not say whether the donor has to act');
      return null;
    }
  };
}
