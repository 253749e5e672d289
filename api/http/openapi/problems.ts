/** Failures as the API description shows them: from the registry in `domain/`, status by status. */
import { z } from 'zod';
import type { ZodOpenApiResponseObject, ZodOpenApiResponsesObject } from 'zod-openapi';
import { FAILURES, FAILURE_CODES, type FailureCode } from '../../../domain/failures.ts';
import { headers, RATE_LIMITS, type HeaderName } from './headers.ts';

export const problemCode = z.enum(FAILURE_CODES).meta({
  id: 'ProblemCode',
  description: 'What went wrong, for programs. `GET /problems/{code}` explains each.',
});

export const problem = z
  .object({
    type: z
      .string()
      .meta({ description: 'The address of its explanation.', examples: ['/problems/campaign_closed'] }),
    title: z.string(),
    status: z.int().min(400).max(599),
    code: problemCode,
    detail: z.string().optional(),
    errors: z
      .array(
        z.object({
          pointer: z.string().meta({ description: 'RFC 6901, into the body.', examples: ['/amount'] }),
          detail: z.string(),
        }),
      )
      .optional(),
    traceId: z.string().nullable().meta({ description: 'Tell it to whoever looks for the cause.' }),
  })
  .meta({ id: 'Problem', description: 'RFC 9457.' });

const TRACE_ID = '4bf92f3577b34da6a3ce929d0e0e4736';
const ERRORS: Partial<Record<FailureCode, readonly { pointer: string; detail: string }[]>> = {
  invalid_body: [{ pointer: '/amount', detail: 'is less than one minor unit' }],
  campaign_not_found: [{ pointer: '/campaignId', detail: 'is not a campaign' }],
  campaign_closed: [{ pointer: '/campaignId', detail: 'is closed' }],
  currency_mismatch: [{ pointer: '/currency', detail: 'the campaign takes EUR' }],
};

function exampleOf(code: FailureCode): z.infer<typeof problem> {
  const { title, status } = FAILURES[code];
  const errors = ERRORS[code];
  return {
    type: `/problems/${code}`,
    title,
    status,
    code,
    ...(errors === undefined ? {} : { errors: [...errors] }),
    traceId: TRACE_ID,
  };
}

/** What any request may meet, whatever it asks for. */
const ANYWHERE = [
  'malformed_request',
  'request_timeout',
  'expectation_failed',
  'headers_too_large',
  'internal',
  'service_unreachable',
  'service_silent',
] as const satisfies readonly FailureCode[];

const UNEXPECTED: ZodOpenApiResponseObject = { ...answerOf(ANYWHERE), id: 'Unexpected' };

const LIMITED: ZodOpenApiResponseObject = { ...answerOf(['rate_limited']), id: 'RateLimited' };

/** What every route that reads a JSON body may say of it. */
export const BODY_PROBLEMS = [
  'invalid_body',
  'malformed_json',
  'unsupported_media_type',
  'body_too_large',
] as const satisfies readonly FailureCode[];

export const KEY_PROBLEMS = [
  'idempotency_key_missing',
  'idempotency_key_invalid',
  'idempotency_key_repeated',
  'idempotency_key_reused',
] as const satisfies readonly FailureCode[];

/** What every route that needs its database may say. */
export const DATABASE_PROBLEMS = [
  'database_unavailable',
  'overloaded',
] as const satisfies readonly FailureCode[];

/** One answer per status, each with the codes it may carry; a status that the request line alone decides is in `default`. */
export function problems(...codes: readonly FailureCode[]): ZodOpenApiResponsesObject {
  return { ...unlimitedProblems(...codes), '429': LIMITED };
}

/** Of the few operations that nobody's rate limit is about. */
export function unlimitedProblems(...codes: readonly FailureCode[]): ZodOpenApiResponsesObject {
  const all = new Set(codes);
  // Whoever checks an access token needs the keys.
  if (all.has('unauthorized')) all.add('keys_unavailable');
  const byStatus = Map.groupBy(all, (code) => FAILURES[code].status);
  return Object.fromEntries([
    ...[...byStatus].toSorted(([a], [b]) => a - b).map(([status, some]) => [String(status), answerOf(some)]),
    ['default', UNEXPECTED],
  ]) as ZodOpenApiResponsesObject;
}

function answerOf(codes: readonly FailureCode[]): ZodOpenApiResponseObject {
  const extra: HeaderName[] = ['Cache-Control'];
  if (codes.some((code) => FAILURES[code].retryable)) extra.push('Retry-After');
  if (codes.some((code) => FAILURES[code].status === 401)) extra.push('WWW-Authenticate');
  if (codes.includes('rate_limited')) extra.push(...RATE_LIMITS);
  return {
    description: codes.map((code) => `\`${code}\`: ${FAILURES[code].title}`).join('. '),
    headers: headers(...extra),
    content: {
      'application/problem+json': {
        schema: {
          allOf: [
            { $ref: '#/components/schemas/Problem' },
            { type: 'object', properties: { code: { type: 'string', enum: [...codes] } } },
          ],
        },
        examples: Object.fromEntries(codes.map((code) => [code, { $ref: `#/components/examples/${code}` }])),
      },
    },
  };
}

/** Only of codes that some operation gives: the others never leave a workflow. */
export function problemExamples(codes: ReadonlySet<string>) {
  return Object.fromEntries(
    FAILURE_CODES.filter((code) => codes.has(code)).map((code) => [
      code,
      { summary: FAILURES[code].title, value: exampleOf(code) },
    ]),
  );
}
