/** Campaigns as a process of its own. */
import { operatorToken } from '../http/operator.ts';
import { runApi } from '../process.ts';
import { campaignsInternalRouter } from './internal-routes.ts';
import { CAMPAIGNS_NEEDS, openCampaigns } from './service.ts';

const NEEDS = [...CAMPAIGNS_NEEDS, 'INTERNAL_TOKEN', 'OPERATOR_TOKEN'] as const;

await runApi('campaigns-api', NEEDS, async (it) => {
  const { INTERNAL_TOKEN, OPERATOR_TOKEN } = it.config;
  const { router, find } = await openCampaigns(it, { authenticate: operatorToken(OPERATOR_TOKEN) });
  return [router, campaignsInternalRouter(INTERNAL_TOKEN, find)];
});
