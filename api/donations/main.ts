/** Donations as a process of its own; it asks campaigns and payments over HTTP. */
import { createInternalCaller } from '../http/internal.ts';
import { openAccessTokens, openTemporal, runApi } from '../process.ts';
import { askCampaigns, askPayments } from './over-http.ts';
import { DONATIONS_NEEDS, openDonations } from './service.ts';

const NEEDS = [
  ...DONATIONS_NEEDS,
  'CAMPAIGNS_URL',
  'PAYMENTS_URL',
  'INTERNAL_TOKEN',
  'AUTH_JWKS_URL',
] as const;

await runApi('donations-api', NEEDS, async (it) => {
  const { CAMPAIGNS_URL, PAYMENTS_URL, INTERNAL_TOKEN } = it.config;
  const { router } = await openDonations(it, {
    authenticate: openAccessTokens(it),
    temporal: openTemporal(it),
    findCampaign: askCampaigns(createInternalCaller(CAMPAIGNS_URL, INTERNAL_TOKEN)),
    clientSecretOf: askPayments(createInternalCaller(PAYMENTS_URL, INTERNAL_TOKEN), it.log),
  });
  return [router];
});
