/** Campaigns as a process of its own. */
import { openAccessTokens, runApi } from '../process.ts';
import { campaignsInternalRouter } from './internal-routes.ts';
import { CAMPAIGNS_NEEDS, openCampaigns } from './service.ts';

const NEEDS = [...CAMPAIGNS_NEEDS, 'INTERNAL_TOKEN', 'AUTH_JWKS_URL'] as const;

await runApi('campaigns-api', NEEDS, async (it) => {
  const { INTERNAL_TOKEN } = it.config;
  const { router, find } = await openCampaigns(it, { authenticate: openAccessTokens(it) });
  return [router, campaignsInternalRouter(INTERNAL_TOKEN, find)];
});
