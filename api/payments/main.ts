/** Payments as a process of its own. */
import { createInternalCaller } from '../http/internal.ts';
import { openAccessTokens, openTemporal, runApi } from '../process.ts';
import { paymentsInternalRouter } from './internal-routes.ts';
import { askCampaignOwner } from './over-http.ts';
import { openPayments, PAYMENTS_NEEDS } from './service.ts';

const NEEDS = [...PAYMENTS_NEEDS, 'CAMPAIGNS_URL', 'INTERNAL_TOKEN', 'AUTH_JWKS_URL'] as const;

await runApi('payments-api', NEEDS, (it) => {
  const { CAMPAIGNS_URL, INTERNAL_TOKEN } = it.config;
  const { router, clientSecretOf } = openPayments(it, {
    authenticate: openAccessTokens(it),
    temporal: openTemporal(it),
    campaignOwnerOf: askCampaignOwner(createInternalCaller(CAMPAIGNS_URL, INTERNAL_TOKEN)),
  });
  return Promise.resolve([router, paymentsInternalRouter(INTERNAL_TOKEN, clientSecretOf)]);
});
