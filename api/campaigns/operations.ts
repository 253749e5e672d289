/** The campaigns service as the API description shows it. */
import { z } from 'zod';
import { MAX_SEARCH_LENGTH } from '../../domain/limits.ts';
import { idempotencyKeyHeader, ifMatch, ifNoneMatch, pageQuery } from '../http/openapi/fields.ts';
import { BODY_PROBLEMS, DATABASE_PROBLEMS, KEY_PROBLEMS, problems } from '../http/openapi/problems.ts';
import {
  accountOf,
  emptyAnswer,
  GUEST,
  jsonAnswer,
  jsonRequest,
  PUBLIC,
  type ServiceDescription,
} from '../http/openapi/service.ts';
import { campaignAnswer, campaignsAnswer, campaignStatus, totalsAnswer } from './answers.ts';
import { campaignChanges, newCampaign } from './body.ts';
import { campaign, summary, totals } from './examples.ts';

const id = z.uuid().meta({ param: { id: 'CampaignId', description: 'Of a campaign.' } });
const idOrSlug = z.string().meta({ examples: ['clean-water-for-rangpur'] });
const anybody = [GUEST, accountOf()];
const managers = [accountOf('organizer', 'operator')];
/** An organizer has only their own; a draft of somebody else does not exist for them. */
const NOT_THEIRS = ['unauthorized', 'forbidden', 'campaign_not_found', ...DATABASE_PROBLEMS] as const;
const one = { open: { summary: 'An open campaign', value: campaign } };
const CACHING = ['ETag', 'Cache-Control'] as const;

export const campaignsOperations: ServiceDescription = {
  tags: [{ name: 'Campaigns', description: 'What is given to, and how much has been.' }],
  paths: {
    '/campaigns': {
      get: {
        operationId: 'listCampaigns',
        summary: 'Campaigns, newest first',
        description: 'Those that are published; with `owner=me` one’s own, drafts included.',
        tags: ['Campaigns'],
        security: anybody,
        requestParams: {
          query: pageQuery.extend({
            status: campaignStatus.optional(),
            q: z.string().min(1).max(MAX_SEARCH_LENGTH).optional().meta({
              description: 'Words that all occur; of the last one the beginning is enough.',
            }),
            owner: z.literal('me').optional(),
          }),
        },
        responses: {
          '200': jsonAnswer(
            'A page of them, without their stories.',
            campaignsAnswer,
            { last: { summary: 'The last page', value: { data: [summary], nextCursor: null } } },
            'Cache-Control',
          ),
          ...problems('invalid_parameter', 'unauthorized', ...DATABASE_PROBLEMS),
        },
      },
      post: {
        operationId: 'createCampaign',
        summary: 'Start a campaign',
        description:
          'An organizer’s is theirs, an operator’s the platform’s. Without a key every call makes one.',
        tags: ['Campaigns'],
        security: managers,
        requestParams: { header: z.object({ 'Idempotency-Key': idempotencyKeyHeader.optional() }) },
        requestBody: jsonRequest(newCampaign, {
          dollars: {
            summary: 'With a goal of 50 000.00 USD, until the end of a year',
            value: {
              title: campaign.title,
              description: campaign.description,
              currency: 'USD',
              goal: 5_000_000,
              deadline: '2027-12-31T23:59:59+06:00',
            },
          },
          yen: {
            summary: 'In yen, not open yet',
            value: { title: '学校', currency: 'JPY', status: 'draft' },
          },
        }),
        responses: {
          '201': jsonAnswer(
            'It is there.',
            campaignAnswer,
            one,
            'Location',
            'Idempotent-Replayed',
            ...CACHING,
          ),
          ...problems(
            ...BODY_PROBLEMS,
            ...KEY_PROBLEMS,
            'unauthorized',
            'forbidden',
            'slug_taken',
            ...DATABASE_PROBLEMS,
          ),
        },
      },
    },
    '/campaigns/{id}': {
      get: {
        operationId: 'readCampaign',
        summary: 'A campaign, by its id or slug',
        tags: ['Campaigns'],
        security: anybody,
        requestParams: {
          path: z.object({ id: idOrSlug }),
          header: z.object({ 'If-None-Match': ifNoneMatch }),
        },
        responses: {
          '200': jsonAnswer('The campaign.', campaignAnswer, one, ...CACHING),
          '304': emptyAnswer('Nothing has changed.', ...CACHING),
          ...problems('unauthorized', 'campaign_not_found', ...DATABASE_PROBLEMS),
        },
      },
      patch: {
        operationId: 'editCampaign',
        summary: 'Change what a campaign says',
        description: 'What is not named stays as it is.',
        tags: ['Campaigns'],
        security: managers,
        requestParams: { path: z.object({ id }), header: z.object({ 'If-Match': ifMatch }) },
        requestBody: jsonRequest(campaignChanges, {
          goal: {
            summary: 'A higher goal, and no deadline any more',
            value: { goal: 6_000_000, deadline: null },
          },
        }),
        responses: {
          '200': jsonAnswer('As it is now.', campaignAnswer, one, ...CACHING),
          ...problems(
            ...BODY_PROBLEMS,
            ...NOT_THEIRS,
            'invalid_parameter',
            'campaign_conflict',
            'campaign_fixed',
            'slug_taken',
          ),
        },
      },
    },
    '/campaigns/{id}/publish': {
      post: {
        operationId: 'publishCampaign',
        summary: 'Open a draft to donations',
        description: 'From then on everybody sees it. Publishing an open campaign changes nothing.',
        tags: ['Campaigns'],
        security: managers,
        requestParams: { path: z.object({ id }) },
        responses: {
          '200': jsonAnswer('It is open.', campaignAnswer, one, ...CACHING),
          ...problems(...NOT_THEIRS, 'campaign_closed'),
        },
      },
    },
    '/campaigns/{id}/close': {
      post: {
        operationId: 'closeCampaign',
        summary: 'Take no more donations',
        description: 'Closing a closed campaign changes nothing.',
        tags: ['Campaigns'],
        security: managers,
        requestParams: { path: z.object({ id }) },
        responses: {
          '200': jsonAnswer(
            'It is closed.',
            campaignAnswer,
            {
              closed: {
                summary: 'Closed',
                value: { ...campaign, status: 'closed', version: 2, closedAt: '2027-06-30T12:00:00.000Z' },
              },
            },
            ...CACHING,
          ),
          ...problems(...NOT_THEIRS),
        },
      },
    },
    '/campaigns/{id}/total': {
      get: {
        operationId: 'readTotals',
        summary: 'How much has been given',
        description: 'One row, however many donations there are. Ask with `If-None-Match`.',
        tags: ['Campaigns'],
        security: PUBLIC,
        requestParams: { path: z.object({ id }), header: z.object({ 'If-None-Match': ifNoneMatch }) },
        responses: {
          '200': jsonAnswer(
            'The totals.',
            totalsAnswer,
            { totals: { summary: 'A running campaign', value: totals } },
            ...CACHING,
          ),
          '304': emptyAnswer('Nothing has changed.', ...CACHING),
          ...problems('campaign_not_found', ...DATABASE_PROBLEMS),
        },
      },
    },
  },
};
