import { Router, type Request, type Response } from 'express';
import type { Pool } from 'pg';
import type { z } from 'zod';
import { MAX_CAMPAIGN_BODY_BYTES } from '../../domain/limits.ts';
import { actorOf, signedIn, userOf, type Authenticate } from '../http/authentication.ts';
import { etagOf, expectedVersion, isKnownToReader } from '../http/etag.ts';
import { offeredIdempotencyKey } from '../http/idempotency-key.ts';
import { jsonBodyOf, parseBody } from '../http/json-body.ts';
import { pageOf, pageSize, readCursor } from '../http/pages.ts';
import { pathId } from '../http/path-id.ts';
import { methodNotAllowed, Problem } from '../http/problem.ts';
import type { campaignsAnswer } from './answers.ts';
import { campaignChanges, newCampaign } from './body.ts';
import { maySee, summaryToJson, toJson, type Campaign } from './campaign.ts';
import { createCampaign } from './create.ts';
import { closeCampaign, editCampaign, publishCampaign } from './edit.ts';
import { listCampaigns, readOwner, readSearch, readStatus } from './list.ts';
import { findByIdOrSlug } from './store.ts';
import { addTotalsRoute } from './totals.ts';

export type CampaignsDeps = {
  readonly pool: Pool;
  readonly authenticate: Authenticate;
  readonly outboxWritten: () => void;
};

const campaignBody = jsonBodyOf(MAX_CAMPAIGN_BODY_BYTES);

export function campaignsRouter(deps: CampaignsDeps): Router {
  const router = Router();
  addListRoutes(router, deps);
  addCampaignRoutes(router, deps);
  addTotalsRoute(router, deps.pool);
  return router;
}

function addListRoutes(router: Router, { pool, authenticate, outboxWritten }: CampaignsDeps): void {
  router.get('/campaigns', async (request, response) => {
    const { limit, cursor, status, q, owner } = request.query;
    const actor = await actorOf(request, authenticate);
    const own = readOwner(owner);
    if (own && actor.kind === 'guest') throw new Problem('unauthorized');
    const manager = own && actor.kind === 'user' ? actor : null;
    const size = pageSize(limit);
    const filter = { status: readStatus(status), search: readSearch(q), manager };
    const rows = await listCampaigns(pool, filter, size, readCursor(cursor));
    if (own) response.set('Cache-Control', 'private, no-store');
    const answer: z.infer<typeof campaignsAnswer> = pageOf(rows, size, summaryToJson);
    response.json(answer);
  });

  router.post(
    '/campaigns',
    signedIn(authenticate, 'organizer', 'operator'),
    ...campaignBody,
    async (request, response) => {
      const key = offeredIdempotencyKey(request);
      const body = parseBody(request, newCampaign);
      const { created, campaign } = await createCampaign(pool, userOf(request), key, body, new Date());
      if (created) outboxWritten();
      else response.set('Idempotent-Replayed', 'true');
      response.status(201).location(`/campaigns/${campaign.id}`);
      sendCampaign(response, campaign);
    },
  );
  router.all('/campaigns', methodNotAllowed('GET', 'POST'));
}

function addCampaignRoutes(router: Router, { pool, authenticate, outboxWritten }: CampaignsDeps): void {
  const manager = signedIn(authenticate, 'organizer', 'operator');

  router.get('/campaigns/:id', async (request, response) => {
    const actor = await actorOf(request, authenticate);
    const campaign = await findByIdOrSlug(pool, request.params.id);
    if (campaign === null || !maySee(actor, campaign)) throw new Problem('campaign_not_found');
    if (isKnownToReader(request, etagOf(campaign.version))) {
      setCaching(response, campaign);
      response.status(304).end();
    } else sendCampaign(response, campaign);
  });

  router.patch('/campaigns/:id', manager, ...campaignBody, async (request, response) => {
    const [id, expected] = [campaignId(request), expectedVersion(request)];
    const changes = parseBody(request, campaignChanges);
    const campaign = await editCampaign(pool, { user: userOf(request), id, changes, expected }, new Date());
    outboxWritten();
    sendCampaign(response, campaign);
  });
  router.all('/campaigns/:id', methodNotAllowed('GET', 'PATCH'));

  const moves = {
    publish: (request: Request) => publishCampaign(pool, userOf(request), campaignId(request), new Date()),
    close: (request: Request) => closeCampaign(pool, userOf(request), campaignId(request)),
  };
  for (const [name, move] of Object.entries(moves)) {
    router.post(`/campaigns/:id/${name}`, manager, async (request, response) => {
      const campaign = await move(request);
      outboxWritten();
      sendCampaign(response, campaign);
    });
    router.all(`/campaigns/:id/${name}`, methodNotAllowed('POST'));
  }
}

function sendCampaign(response: Response, campaign: Campaign): void {
  setCaching(response, campaign);
  response.json(toJson(campaign));
}

const campaignId = (request: Request): string => pathId(request, 'id', 'campaign_not_found');

/** A draft is for its owner's eyes, so for no cache. */
function setCaching(response: Response, { version, publishedAt }: Campaign): void {
  response.set({
    ETag: etagOf(version),
    'Cache-Control': publishedAt === null ? 'private, no-store' : 'no-cache',
  });
}
