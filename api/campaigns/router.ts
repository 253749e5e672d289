import { Router } from 'express';
import type { Pool } from 'pg';
import { z } from 'zod';
import { isUuid } from '../../domain/ids.ts';
import {
  DEFAULT_PAGE_SIZE,
  MAX_AMOUNT_MINOR,
  MAX_DESCRIPTION_LENGTH,
  MAX_PAGE_SIZE,
  MAX_TITLE_LENGTH,
} from '../../domain/limits.ts';
import { isCurrencyCode, type CurrencyCode } from '../../domain/money.ts';
import { jsonBody, parseBody } from '../http/json-body.ts';
import { signedIn, type Authenticate } from '../http/authentication.ts';
import { methodNotAllowed, Problem } from '../http/problem.ts';
import {
  closeCampaign,
  createCampaign,
  findCampaign,
  listCampaigns,
  readTotals,
  type Campaign,
  type CampaignTotals,
  type Cursor,
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
    const page = rows.slice(0, limit);
    const last = page.at(-1);
    response.json({
      data: page.map(toJson),
      nextCursor: rows.length > limit && last !== undefined ? writeCursor(last) : null,
    });
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

function pageSize(value: unknown): number {
  if (value === undefined) return DEFAULT_PAGE_SIZE;
  const size = typeof value === 'string' && /^\d{1,3}$/.test(value) ? Number(value) : 0;
  if (size < 1 || size > MAX_PAGE_SIZE)
    throw new Problem('invalid_parameter', { detail: `limit must be an integer from 1 to ${MAX_PAGE_SIZE}` });
  return size;
}

/** As `writeCursor` writes it. PostgreSQL has no year 0. */
const cursorTime = z.iso.datetime({ precision: 3 }).refine((time) => !time.startsWith('0000'));
const cursorShape = z.tuple([cursorTime, z.uuid()]);

function readCursor(value: unknown): Cursor | null {
  if (value === undefined) return null;
  if (typeof value !== 'string') throw new Problem('invalid_parameter', { detail: 'cursor is given twice' });
  try {
    const [createdAt, id] = cursorShape.parse(JSON.parse(Buffer.from(value, 'base64url').toString('utf8')));
    return { createdAt, id };
  } catch {
    throw new Problem('invalid_parameter', { detail: 'cursor is not one that a list gave' });
  }
}

function writeCursor({ createdAt, id }: Campaign): string {
  return Buffer.from(JSON.stringify([createdAt.toISOString(), id])).toString('base64url');
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
