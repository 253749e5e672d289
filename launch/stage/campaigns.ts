import { z } from 'zod';
import { CAMPAIGNS, type CampaignPlan } from './plan.ts';
import type { Stage } from './stage.ts';

const created = z.object({ id: z.string() });
const ANSWER_LIMIT_MS = 15_000;

export async function createCampaigns({ apiUrls, operatorToken }: Stage): Promise<Map<CampaignPlan, string>> {
  const ids = new Map<CampaignPlan, string>();
  for (const campaign of CAMPAIGNS) {
    const answer = await fetch(`${apiUrls[0] ?? ''}/campaigns`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${operatorToken}` },
      body: JSON.stringify(campaign),
      signal: AbortSignal.timeout(ANSWER_LIMIT_MS),
    });
    if (answer.status !== 201)
      throw new Error(`no campaign "${campaign.title}": ${answer.status} ${await answer.text()}`);
    ids.set(campaign, created.parse(await answer.json()).id);
  }
  return ids;
}
