import { Router } from 'express';
import { isUuid } from '../../domain/ids.ts';
import { internalOnly } from '../http/internal.ts';
import { methodNotAllowed } from '../http/problem.ts';
import type { Campaign } from './campaign.ts';

/** What campaigns tells other services, where they run apart; drafts as well. */
export function campaignsInternalRouter(
  internalToken: string,
  find: (id: string) => Promise<Campaign | null>,
): Router {
  const router = Router();
  router.get('/internal/campaigns/:id', internalOnly(internalToken), async (request, response) => {
    const { id } = request.params;
    const found = isUuid(id) ? await find(id) : null;
    const campaign = found === null ? null : snapshotOf(found);
    response.json({ campaign });
  });
  router.all('/internal/campaigns/:id', internalOnly(internalToken), methodNotAllowed('GET'));
  return router;
}

function snapshotOf({ id, ownerId, currency, status, version, deadline }: Campaign) {
  return { id, ownerId, currency, status, version, deadline: deadline?.toISOString() ?? null };
}
