/** The gateway of one machine: every service in one process. */
import { AUTH_NEEDS, openAuth } from './auth/service.ts';
import { CAMPAIGNS_NEEDS, openCampaigns } from './campaigns/service.ts';
import { DONATIONS_NEEDS, openDonations } from './donations/service.ts';
import { openPayments, PAYMENTS_NEEDS } from './payments/service.ts';
import { openTemporal, runApi } from './process.ts';

const NEEDS = [...AUTH_NEEDS, ...DONATIONS_NEEDS, ...PAYMENTS_NEEDS, ...CAMPAIGNS_NEEDS] as const;

await runApi('api', NEEDS, async (it) => {
  const { router: auth, authenticate } = await openAuth(it);
  const temporal = openTemporal(it);
  const campaigns = await openCampaigns(it, { authenticate });
  const payments = openPayments(it, { authenticate, temporal, campaignOwnerOf: campaigns.ownerOf });
  const donations = await openDonations(it, {
    authenticate,
    temporal,
    findCampaign: campaigns.find,
    clientSecretOf: payments.clientSecretOf,
  });
  return [auth, donations.router, payments.router, campaigns.router];
});
