/** The gateway of one machine: every service in one process. */
import { CAMPAIGNS_NEEDS, openCampaigns } from './campaigns/service.ts';
import { DONATIONS_NEEDS, openDonations } from './donations/service.ts';
import { operatorToken } from './http/operator.ts';
import { openPayments, PAYMENTS_NEEDS } from './payments/service.ts';
import { openTemporal, runApi } from './process.ts';

const NEEDS = [...DONATIONS_NEEDS, ...PAYMENTS_NEEDS, ...CAMPAIGNS_NEEDS, 'OPERATOR_TOKEN'] as const;

await runApi('api', NEEDS, async (it) => {
  const authenticate = operatorToken(it.config.OPERATOR_TOKEN);
  const temporal = openTemporal(it);
  const campaigns = await openCampaigns(it, { authenticate });
  const payments = openPayments(it, { authenticate, temporal, campaignOwnerOf: campaigns.ownerOf });
  const donations = await openDonations(it, {
    authenticate,
    temporal,
    findCampaign: campaigns.find,
    clientSecretOf: payments.clientSecretOf,
  });
  return [donations.router, payments.router, campaigns.router];
});
