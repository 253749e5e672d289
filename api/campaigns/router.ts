import { Router } from 'express';
import type { Pool } from 'pg';
import { z } from 'zod';
import { isUuid } from '../../domain/ids.ts';
import { MAX_AMOUNT_MINOR, MAX_DESCRIPTION_LENGTH, MAX_TITLE_LENGTH } from '../../domain/limits.ts';
import { isCurrencyCode, type CurrencyCode } from '../../domain/money.ts';
import { jsonBody, parseBody } from '../http/json-body.ts';
import { signedIn, type Authenticate } from '../http/authentication.ts';
import { pageOf, pageSize, readCursor } from '../http/pages.ts';
import { methodNotAllowed, Problem } from '../http/problem.ts';
import {
  closeCampaign,
  createCampaign,
  findCampaign,
  listCampaigns,
  readTotals,
  type Campaign,
  type CampaignTotals,
} from './store.ts';

export type CampaignsDeps = {
  readonly pool: Pool;
  readonly authenticate: Authenticate;
  readonly outboxWritten: () => void;
};

/** A goal may be larger than one donation, as large as a number holds exactly. */
const newCampaign = z.strictObject({
  title: z.string().trim().min(1).max(MAX_TITLE_LENGTH),
  description: z.string().max(MAX_DESCRIPTION_LENGTH).default(''),
  currency: z.custom<CurrencyCode>(isCurrencyCode, 'is not a currency that is taken'),
  goal: z
    .int()
    .min(1)
    .max(MAX_AMOUNT_MINOR * 1_000)
    .nullable()
    .default(null),
  status: z.enum(['draft', 'open']).default('open'),
});

export function campaignsRouter({ pool, authenticate, outboxWritten }: CampaignsDeps): Router {
  const router = Router();
  const operator = signedIn(authenticate, 'operator');

  router.get('/campaigns', async (request, response) => {
    const limit = pageSize(request.query['limit']);
    const rows = await listCampaigns(pool, limit, readCursor(request.query['cursor']));
    response.json(pageOf(rows, limit, toJson));
  });

  router.post('/campaigns', operator, ...jsonBody, async (request, response) => {
    const campaign = await createCampaign(pool, parseBody(request, newCampaign), 'operator');
    outboxWritten();
    response.status(201).location(`/campaigns/${campaign.id}`).json(toJson(campaign));
  });
  router.all('/campaigns', methodNotAllowed('GET', 'POST'));

  router.get('/campaigns/:id', async (request, response) => {
    response.json(toJson(found(await findCampaign(pool, idOf(request.params.id)))));
  });
  router.all('/campaigns/:id', methodNotAllowed('GET'));

  router.post('/campaigns/:id/close', operator, async (request, response) => {
    const campaign = found(await closeCampaign(pool, idOf(request.params['id'])));
    outboxWritten();
    response.json(toJson(campaign));
  });
  router.all('/campaigns/:id/close', methodNotAllowed('POST'));

  router.get('/campaigns/:id/total', async (request, response) => {
    const totals = found(await readTotals(pool, idOf(request.params.id)));
    const etag = `"${totals.version}"`;
    response.set({ ETag: etag, 'Cache-Control': 'no-cache' });
    if (matches(request.headers['if-none-match'], etag)) response.status(304).end();
    else response.json(totalsToJson(totals));
  });
  router.all('/campaigns/:id/total', methodNotAllowed('GET'));
  return router;
}

function idOf(parameter: string | string[] | undefined): string {
  const id = typeof parameter === 'string' ? parameter.toLowerCase() : parameter;
  if (!isUuid(id)) throw new Problem('campaign_not_found');
  return id;
}

function found<T>(value: T | null): T {
  if (value === null) throw new Problem('campaign_not_found');
  return value;
}

function matches(header: string | undefined, etag: string): boolean {
  if (header === undefined) return false;
  return header.split(',').some((item) => item.trim() === '*' || item.trim().replace(/^W\//, '') === etag);
}

function toJson({ id, title, description, currency, goal, status, version, createdAt }: Campaign) {
  return { id, title, description, currency, goal, status, version, createdAt: createdAt.toISOString() };
}

function totalsToJson({
  campaignId,
  currency,
  goal,
  totalPledged,
  totalCaptured,
  totalRefunded,
  disputeLost,
  donationCount,
  version,
  asOf,
}: CampaignTotals) {
  const raised = totalCaptured - totalRefunded - disputeLost;
  return {
    campaignId,
    currency,
    raised,
    totalPledged,
    totalCaptured,
    totalRefunded,
    donationCount,
    goal,
    version,
    asOf: asOf.toISOString(),
  };
}
