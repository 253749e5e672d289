/** Payments as a part of a process: its database, its relays, its routes. */
import type { Router } from 'express';
import { taskQueues } from '../../platform/temporal.ts';
import { createStripeProvider, isLivemode } from '../../provider/stripe/adapter.ts';
import { openPool, type ApiProcess, type Temporal } from '../process.ts';
import { createClientSecrets } from './client-secret.ts';
import { createInbox } from './inbox.ts';
import { createReconciliationReports } from './reconciliation.ts';
import { createRefundStore } from './refunds.ts';
import { startPaymentRelays } from './relays.ts';
import { paymentsRouter, type PaymentsDeps } from './router.ts';

export const PAYMENTS_NEEDS = [
  'PAYMENTS_DATABASE_URL',
  'TEMPORAL_ADDRESS',
  'STRIPE_SECRET_KEY',
  'STRIPE_WEBHOOK_SECRETS',
] as const;

const POOL_SIZE = 4;

export function openPayments(
  it: ApiProcess<(typeof PAYMENTS_NEEDS)[number]>,
  deps: Pick<PaymentsDeps, 'authenticate' | 'campaignOwnerOf'> & { readonly temporal: Temporal },
): { readonly router: Router; readonly clientSecretOf: (donationId: string) => Promise<string | null> } {
  const { config, log, failpoint, opened } = it;
  const pool = openPool(it, 'payments', config.PAYMENTS_DATABASE_URL, POOL_SIZE);
  const provider = createStripeProvider({
    apiBase: config.STRIPE_API_BASE,
    secretKey: config.STRIPE_SECRET_KEY,
    timeoutMs: config.POLICY.providerCallTimeoutMs,
  });
  const relays = opened.use(
    'payment relays',
    startPaymentRelays({
      pool,
      temporal: deps.temporal,
      provider,
      queues: taskQueues(config.NAME_PREFIX),
      policy: config.POLICY,
      livemode: isLivemode(config.STRIPE_SECRET_KEY),
      failpoint,
      log,
    }),
    (started) => started.stop(),
  );
  const router = paymentsRouter({
    inbox: createInbox(pool, failpoint, relays.events.wake),
    webhookSecrets: config.STRIPE_WEBHOOK_SECRETS,
    refunds: createRefundStore(pool, relays.commands.wake),
    campaignOwnerOf: deps.campaignOwnerOf,
    reports: createReconciliationReports(pool),
    authenticate: deps.authenticate,
    log,
  });
  return { router, clientSecretOf: createClientSecrets(pool, provider, log) };
}
