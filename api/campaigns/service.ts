/** Campaigns as a part of a process: its database, the relay of its events, its routes. */
import type { Router } from 'express';
import { startOutboxRelay } from '../../events/relay.ts';
import { openBroker, openPool, type ApiProcess } from '../process.ts';
import { readCampaign, type Campaign } from './campaign.ts';
import { campaignsRouter, type CampaignsDeps } from './router.ts';
import { ownerOf } from './store.ts';

export const CAMPAIGNS_NEEDS = ['CAMPAIGNS_DATABASE_URL'] as const;

const POOL_SIZE = 4;

export async function openCampaigns(
  it: ApiProcess<(typeof CAMPAIGNS_NEEDS)[number]>,
  deps: Pick<CampaignsDeps, 'authenticate'>,
): Promise<{
  readonly router: Router;
  readonly find: (id: string) => Promise<Campaign | null>;
  readonly ownerOf: (id: string) => Promise<string | null>;
}> {
  const { config, log, failpoint, opened } = it;
  const pool = openPool(it, 'campaigns', config.CAMPAIGNS_DATABASE_URL, POOL_SIZE);
  const outbox = opened.use(
    'campaigns outbox',
    startOutboxRelay({
      service: 'campaigns',
      pool,
      broker: await openBroker(it),
      failpoint,
      log,
      leaseMs: config.POLICY.leaseMs,
    }),
    (started) => started.stop(),
  );
  return {
    router: campaignsRouter({ pool, authenticate: deps.authenticate, outboxWritten: outbox.wake }),
    find: (id) => readCampaign(pool, id),
    ownerOf: (id) => ownerOf(pool, id),
  };
}
