/** What every HTTP process shares: tracing, health, problem documents. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { context, propagation, ROOT_CONTEXT, SpanKind, trace } from '@opentelemetry/api';
import express, { type Express, type RequestHandler, type Router } from 'express';
import type { z } from 'zod';
import { statesOf, type Breaker } from '../../platform/breaker.ts';
import type { Logger } from '../../platform/log.ts';
import { CHECKING_MS, limitConnections, UNCHANGED, type ConnectionLimits } from './connections.ts';
import { crossOrigin } from './cors.ts';
import { describeApi } from './openapi/document.ts';
import type { alive, ready as readyAnswer } from './openapi/operations.ts';
import { descriptionRouter } from './openapi/routes.ts';
import type { ServiceDescription } from './openapi/service.ts';
import { rateLimits, type RateLimitOptions } from './rate-limits.ts';
import { securityHeaders } from './security-headers.ts';
import { soundRequest } from './sound-request.ts';
import { answerUnreadable } from './unreadable.ts';
import { methodNotAllowed, notFound, problemHandler, sendProblem, Problem } from './problem.ts';

export type AppOptions = {
  readonly log: Logger;
  readonly routers: readonly Router[];
  /** What `/openapi.json` and `/docs` show: behind a door, the services of other processes as well. */
  readonly describes: readonly ServiceDescription[];
  readonly limits: RateLimitOptions;
  /** Of the pages that may use the API. Default: none. */
  readonly corsOrigins?: readonly string[];
  /** Rejects while the process cannot do its work. */
  readonly ready: () => Promise<void>;
  /** Shown by `/livez?verbose`; none of them makes the process less alive or ready. */
  readonly breakers: readonly Breaker[];
};

export function createApp({
  log,
  routers,
  describes,
  limits,
  corsOrigins,
  ready,
  breakers,
}: AppOptions): Express {
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  // Express would answer `If-None-Match: *` with 304 anywhere; what has an ETag compares it itself (etag.ts).
  Object.defineProperty(app.request, 'fresh', { value: false });
  app.set('query parser', 'simple');
  app.use(tracing);
  app.use(securityHeaders, soundRequest, crossOrigin(corsOrigins ?? []), rateLimits(limits));

  app.get('/livez', (request, response) => {
    const verbose = request.query['verbose'] !== undefined;
    const answer: z.infer<typeof alive> = {
      status: 'ok',
      ...(verbose ? { breakers: statesOf(breakers) } : {}),
    };
    response.json(answer);
  });
  app.get('/readyz', async (_request, response) => {
    try {
      await ready();
      const answer: z.infer<typeof readyAnswer> = { status: 'ready' };
      response.json(answer);
    } catch (err) {
      log.warn({ err }, 'not ready');
      sendProblem(response, new Problem('database_unavailable'));
    }
  });
  app.all(['/livez', '/readyz'], methodNotAllowed('GET'));
  app.use(descriptionRouter(describeApi(describes)));
  for (const router of routers) app.use(router);
  app.use(notFound);
  app.use(problemHandler(log));
  return app;
}

const tracer = trace.getTracer('careforall-http');

/** One server span per request, continuing the caller's trace; everything below runs in its context. */
const tracing: RequestHandler = (request, response, next) => {
  const parent = propagation.extract(ROOT_CONTEXT, request.headers);
  const span = tracer.startSpan(`${request.method} ${request.path}`, { kind: SpanKind.SERVER }, parent);
  response.once('close', () => {
    span.setAttribute('http.response.status_code', response.statusCode);
    span.end();
  });
  context.with(trace.setSpan(parent, span), next);
};

/** Without `limits`, those that nobody has changed. */
export async function listen(
  app: Express,
  port: number,
  host: string,
  limits: ConnectionLimits = UNCHANGED,
): Promise<{ server: Server; port: number }> {
  // Node's own answer to a missing Host is no problem document: `soundRequest` gives it.
  const server = createServer({ connectionsCheckingInterval: CHECKING_MS, requireHostHeader: false }, app);
  answerUnreadable(server);
  limitConnections(server, limits);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      resolve();
    });
  });
  return { server, port: (server.address() as AddressInfo).port };
}

/** Finishes the requests under way, then closes; idle connections go at once. */
export async function closeServer(server: Server): Promise<void> {
  const closed = new Promise<void>((resolve) => {
    server.close(() => resolve());
  });
  server.closeIdleConnections();
  const limit = setTimeout(() => server.closeAllConnections(), 3_000);
  await closed;
  clearTimeout(limit);
}
