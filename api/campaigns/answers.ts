/** What the campaigns service answers. */
import { z } from 'zod';
import { CAMPAIGN_STATUSES } from '../../domain/campaign.ts';
import { currencyCode, pageOf, sumMinor, time, version } from '../http/openapi/fields.ts';

export const campaignStatus = z.enum(CAMPAIGN_STATUSES).meta({
  id: 'CampaignStatus',
  description:
    'Only ever forward. A draft exists for those alone who may change it; only an open one takes donations.',
});

const summary = {
  id: z.uuid(),
  slug: z.string().meta({ description: 'Stands for the id in links; fixed once published.' }),
  title: z.string(),
  description: z.string(),
  coverUrl: z.string().nullable(),
  currency: currencyCode,
  goal: z.int().min(1).nullable().meta({ description: 'In minor units of `currency`; null without one.' }),
  deadline: time.nullable().meta({ description: 'From then on no donation is taken; null without one.' }),
  status: campaignStatus,
  version,
  createdAt: time,
  publishedAt: time.nullable(),
  closedAt: time.nullable(),
};

export const campaignSummaryAnswer = z.object(summary).meta({ id: 'CampaignSummary' });

export const campaignAnswer = z.object({ ...summary, story: z.string() }).meta({ id: 'Campaign' });

export const campaignsAnswer = pageOf('Campaigns', campaignSummaryAnswer);

export const totalsAnswer = z
  .object({
    campaignId: z.uuid(),
    currency: currencyCode,
    raised: sumMinor.meta({ description: 'Captured less refunded less lost disputes, in minor units.' }),
    totalPledged: sumMinor.meta({ description: 'Every donation that did not end without money.' }),
    totalCaptured: sumMinor,
    totalRefunded: sumMinor,
    donationCount: z.int().min(0).meta({ description: 'Donations ever captured.' }),
    goal: z.int().min(1).nullable(),
    version,
    asOf: time,
  })
  .meta({ id: 'CampaignTotals' });
