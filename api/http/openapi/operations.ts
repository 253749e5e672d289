/** What every process answers, whichever services it runs. */
import { z } from 'zod';
import { FAILURES } from '../../../domain/failures.ts';
import { problemCode, problems, unlimitedProblems } from './problems.ts';
import { headers } from './headers.ts';
import { jsonAnswer, PUBLIC, type ServiceDescription } from './service.ts';

export const alive = z
  .object({
    status: z.literal('ok'),
    breakers: z
      .record(z.string(), z.enum(['closed', 'half-open', 'open']))
      .optional()
      .meta({ description: 'Only with `?verbose`: of each thing that is called from here.' }),
  })
  .meta({ id: 'Alive' });

export const ready = z.object({ status: z.literal('ready') }).meta({ id: 'Ready' });

export const problemType = z
  .object({
    type: z.string(),
    code: problemCode,
    title: z.string(),
    status: z.int(),
    retryable: z.boolean().meta({ description: 'The same request, unchanged, may succeed later.' }),
  })
  .meta({ id: 'ProblemType' });

const text = (description: string, type: string, example: string) => ({
  description,
  headers: headers('Cache-Control'),
  content: { [type]: { schema: { type: 'string' as const }, example } },
});

export const ownOperations: ServiceDescription = {
  tags: [
    { name: 'Description', description: 'The API about itself.' },
    { name: 'Process', description: 'For whoever watches over the process.' },
  ],
  paths: {
    '/openapi.json': {
      get: {
        operationId: 'readDescription',
        summary: 'This description',
        tags: ['Description'],
        security: PUBLIC,
        responses: {
          '200': {
            description: 'OpenAPI 3.1.',
            headers: headers('Cache-Control'),
            content: { 'application/json': { schema: { type: 'object', additionalProperties: true } } },
          },
          ...problems(),
        },
      },
    },
    '/docs': {
      get: {
        operationId: 'readDocs',
        summary: 'This description as a page',
        tags: ['Description'],
        security: PUBLIC,
        responses: {
          '200': {
            ...text('A page that loads nothing from elsewhere.', 'text/html', '<!doctype html>'),
            headers: headers('Cache-Control', 'Content-Security-Policy'),
          },
          ...problems(),
        },
      },
    },
    '/docs/{file}': {
      get: {
        operationId: 'readDocsFile',
        summary: 'A file of that page',
        tags: ['Description'],
        security: PUBLIC,
        requestParams: {
          path: z.object({ file: z.enum(['swagger-ui.css', 'swagger-ui-bundle.js', 'start.js']) }),
        },
        responses: {
          '200': {
            description: 'The file.',
            headers: headers('Cache-Control'),
            content: {
              'text/css': { schema: { type: 'string' } },
              'text/javascript': { schema: { type: 'string' } },
            },
          },
          ...problems('not_found'),
        },
      },
    },
    '/problems/{code}': {
      get: {
        operationId: 'readProblem',
        summary: 'What a problem means',
        description: 'Where the `type` of every problem document leads. `Accept: text/html` gives a page.',
        tags: ['Description'],
        security: PUBLIC,
        requestParams: { path: z.object({ code: z.string().meta({ examples: ['campaign_closed'] }) }) },
        responses: {
          '200': {
            description: 'Its explanation.',
            headers: headers('Cache-Control', 'Vary'),
            content: {
              'application/json': {
                schema: problemType,
                examples: {
                  closed: {
                    summary: 'The campaign takes no donations',
                    value: {
                      type: '/problems/campaign_closed',
                      code: 'campaign_closed',
                      ...FAILURES.campaign_closed,
                    },
                  },
                },
              },
              'text/html': { schema: { type: 'string' } },
            },
          },
          ...problems('not_found'),
        },
      },
    },
    '/livez': {
      get: {
        operationId: 'livez',
        summary: 'Whether the process is alive',
        tags: ['Process'],
        security: PUBLIC,
        requestParams: {
          query: z.object({
            verbose: z
              .string()
              .optional()
              .meta({ description: 'With any value: the circuit breakers, too.' }),
          }),
        },
        responses: {
          '200': jsonAnswer('It is.', alive, {
            plain: { summary: 'Alive', value: { status: 'ok' } },
            verbose: { summary: '?verbose', value: { status: 'ok', breakers: { temporal: 'closed' } } },
          }),
          ...unlimitedProblems(),
        },
      },
    },
    '/readyz': {
      get: {
        operationId: 'readyz',
        summary: 'Whether the process can do its work',
        tags: ['Process'],
        security: PUBLIC,
        responses: {
          '200': jsonAnswer('It can.', ready, { ready: { summary: 'Ready', value: { status: 'ready' } } }),
          ...unlimitedProblems('database_unavailable'),
        },
      },
    },
  },
};
