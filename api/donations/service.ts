/** Donations as a part of a process: its database, its relays, its routes. */
import type { Router } from 'express';
import { taskQueues } from '../../platform/temporal.ts';
import { openPool, type ApiProcess, type Temporal } from '../process.ts';
import { createCampaignSnapshots, type CampaignLookup } from './campaign-snapshots.ts';
import { createCardTesting } from './card-testing.ts';
import { createDonationHistory } from './history.ts';
import { openIdentity } from './identity.ts';
import { startDonationRelays } from './relays.ts';
import { createRequestStore } from './requests.ts';
import { donationsRouter, type DonationsDeps } from './router.ts';
import { createSeenDonations } from './seen-donations.ts';

export const DONATIONS_NEEDS = ['DONATIONS_DATABASE_URL', 'TEMPORAL_ADDRESS'] as const;

const POOL_SIZE = 6;

export async function openDonations(
  it: ApiProcess<(typeof DONATIONS_NEEDS)[number]>,
  deps: Pick<DonationsDeps, 'authenticate' | 'clientSecretOf'> & {
    readonly temporal: Temporal;
    readonly findCampaign: CampaignLookup;
  },
): Promise<{ readonly router: Router }> {
  const { config, log, failpoint, opened } = it;
  const pool = openPool(it, 'donations', config.DONATIONS_DATABASE_URL, POOL_SIZE);
  const relays = opened.use(
    'donation relays',
    startDonationRelays({
      pool,
      temporal: deps.temporal,
      queues: taskQueues(config.NAME_PREFIX),
      placement: config.PLACEMENT,
      policy: config.POLICY,
      failpoint,
      log,
    }),
    (started) => started.stop(),
  );
  const identity = await openIdentity(pool, config.INSTALLATION_SECRET);
  const router = donationsRouter({
    requests: createRequestStore(pool, failpoint, {
      stored: relays.starts.wake,
      commanded: relays.commands.wake,
    }),
    history: createDonationHistory(pool),
    campaigns: createCampaignSnapshots(pool, deps.findCampaign, log),
    identity,
    authenticate: deps.authenticate,
    clientOf: it.clientOf,
    cardTesting: createCardTesting(pool, identity, config.LIMITS, log),
    seen: it.redis === null ? null : createSeenDonations(it.redis.redis, it.redis.breaker),
    clientSecretOf: deps.clientSecretOf,
  });
  return { router };
}
