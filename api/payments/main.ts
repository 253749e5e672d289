/** Payments as a process of its own. */
import { createInternalCaller } from '../http/internal.ts';
import { operatorToken } from '../http/operator.ts';
import { openTemporal, runApi } from '../process.ts';
import { askCampaignOwner } from './over-http.ts';
import { paymentsInternalRouter } from './internal-routes.ts';
import { openPayments, PAYMENTS_NEEDS } from './service.ts';

const NEEDS = [...PAYMENTS_NEEDS, 'INTERNAL_TOKEN', 'OPERATOR_TOKEN', 'CAMPAIGNS_URL'] as const;

await runApi('payments-api', NEEDS, (it) => {
  const { INTERNAL_TOKEN, OPERATOR_TOKEN, CAMPAIGNS_URL } = it.config;
  const { router, clientSecretOf } = openPayments(it, {
    authenticate: operatorToken(OPERATOR_TOKEN),
    temporal: openTemporal(it),
    campaignOwnerOf: askCampaignOwner(createInternalCaller(CAMPAIGNS_URL, INTERNAL_TOKEN)),
  });
  return Promise.resolve([router, paymentsInternalRouter(INTERNAL_TOKEN, clientSecretOf)]);
});
