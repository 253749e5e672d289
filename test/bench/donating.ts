/** Donations that meet no trouble: open campaigns, a card that works, a key of their own. */
import { randomUUID } from 'node:crypto';
import type { CampaignPlan } from '../../launch/stage/plan.ts';
import type { Request } from './generator.ts';

export type Campaigns = readonly (readonly [plan: CampaignPlan, id: string])[];

const LEAST_MINOR = 500;

export function donateRequest(campaigns: Campaigns, index: number): Request {
  const [{ currency }, campaignId] = campaigns[index % campaigns.length] ?? noCampaign();
  return {
    method: 'POST',
    path: '/donate',
    headers: { 'Content-Type': 'application/json', 'Idempotency-Key': randomUUID() },
    body: JSON.stringify({
      campaignId,
      amount: LEAST_MINOR + (index % 1_000),
      currency,
      paymentMethod: 'pm_card_visa',
    }),
  };
}

function noCampaign(): never {
  throw new Error('a donation needs a campaign');
}
