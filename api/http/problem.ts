/** Errors as RFC 9457 problem documents; the failure registry in `domain/` is the only list of codes. */
import type { ErrorRequestHandler, RequestHandler, Response } from 'express';
import type { ZodError } from 'zod';
import { FAILURES, type FailureCode } from '../../domain/failures.ts';
import { QueueFull } from '../../platform/batcher.ts';
import type { Logger } from '../../platform/log.ts';
import { isDatabaseUnavailable } from '../../platform/database-errors.ts';
import { activeTraceId } from '../../platform/telemetry.ts';

/** Where in the body something is wrong: an RFC 6901 pointer. */
export type Pointer = { readonly pointer: string; readonly detail: string };

export class Problem extends Error {
  override readonly name = 'Problem';
  readonly code: FailureCode;
  readonly errors: readonly Pointer[];
  readonly retryAfterSeconds: number | undefined;

  constructor(
    code: FailureCode,
    options: { detail?: string; errors?: readonly Pointer[]; retryAfterSeconds?: number } = {},
  ) {
    super(options.detail ?? '');
    this.code = code;
    this.errors = options.errors ?? [];
    this.retryAfterSeconds = options.retryAfterSeconds;
  }
}

const RETRY_AFTER_SECONDS = 2;

export function sendProblem(response: Response, problem: Problem): void {
  for (const [name, value] of Object.entries(problemHeaders(problem))) response.setHeader(name, value);
  response.status(FAILURES[problem.code].status).send(problemDocument(problem));
}

export function problemHeaders({ code, retryAfterSeconds }: Problem): Readonly<Record<string, string>> {
  const { status, retryable } = FAILURES[code];
  return {
    ...(retryable ? { 'Retry-After': String(retryAfterSeconds ?? RETRY_AFTER_SECONDS) } : {}),
    ...(status === 401 ? { 'WWW-Authenticate': 'Bearer' } : {}),
    'Cache-Control': 'no-store',
    'Content-Type': 'application/problem+json; charset=utf-8',
  };
}

export function problemDocument(problem: Problem): string {
  const { status, title } = FAILURES[problem.code];
  return JSON.stringify({
    type: `/problems/${problem.code}`,
    title,
    status,
    code: problem.code,
    ...(problem.message === '' ? {} : { detail: problem.message }),
    ...(problem.errors.length === 0 ? {} : { errors: problem.errors }),
    traceId: activeTraceId(),
  });
}

export const notFound: RequestHandler = () => {
  throw new Problem('not_found');
};

/** For the other methods of a known path. Where there is GET there is HEAD; OPTIONS asks what there is (RFC 9110). */
export function methodNotAllowed(...methods: readonly string[]): RequestHandler {
  const allowed = methods.flatMap((method) => (method === 'GET' ? ['GET', 'HEAD'] : [method])).join(', ');
  return (request, response) => {
    response.setHeader('Allow', allowed);
    if (request.method === 'OPTIONS') {
      // A preflight of a page that may ask (see cors.ts).
      if (response.hasHeader('Access-Control-Allow-Headers'))
        response.setHeader('Access-Control-Allow-Methods', allowed);
      response.status(204).end();
      return;
    }
    throw new Problem('method_not_allowed');
  };
}

export function invalidBody(error: ZodError): Problem {
  const errors = error.issues.flatMap(({ path, message, ...issue }) => {
    const keys = issue.code === 'unrecognized_keys' ? issue.keys : [undefined];
    return keys.map((key) => ({
      pointer: toPointer(key === undefined ? path : [...path, key]),
      detail: key === undefined ? message : 'is not a known field',
    }));
  });
  return new Problem('invalid_body', { errors });
}

export function toPointer(path: readonly PropertyKey[]): string {
  return path.map((part) => `/${String(part).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');
}

/** The last middleware: expected failures as they are, the database's absence as 503, the rest as a logged 500. */
export function problemHandler(log: Logger): ErrorRequestHandler {
  return (error: unknown, request, response, next) => {
    if (response.headersSent) {
      next(error);
      return;
    }
    const problem = toProblem(error);
    if (problem.code === 'internal')
      log.error({ err: error, method: request.method, path: request.path }, 'request failed');
    else if (problem.code === 'database_unavailable')
      log.warn({ err: error, path: request.path }, 'the database did not answer');
    sendProblem(response, problem);
  };
}

function toProblem(error: unknown): Problem {
  if (error instanceof Problem) return error;
  if (error instanceof QueueFull) return new Problem('overloaded');
  if (isDatabaseUnavailable(error)) return new Problem('database_unavailable');
  // Express and its body parser mark the client's own mistakes with a status.
  if (error instanceof Error && 'status' in error) {
    if (error.status === 413) return new Problem('body_too_large');
    if (error.status === 415) return new Problem('unsupported_media_type');
    if (error.status === 400) return new Problem(error instanceof URIError ? 'not_found' : 'malformed_json');
  }
  return new Problem('internal');
}
