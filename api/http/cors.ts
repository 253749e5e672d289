/** Pages of other origins that may use the API (the Fetch standard, "HTTP-CORS protocol"): those configured, no other. */
import type { RequestHandler } from 'express';

/** Not for pages: the provider's, our own services', the operators'. */
const NEVER = /^\/(?:webhooks|internal|admin|metrics)(?:\/|$)/i;

const ALLOWED_HEADERS = [
  'Authorization',
  'Content-Type',
  'Idempotency-Key',
  'If-Match',
  'If-None-Match',
  'Last-Event-ID',
  'Prefer',
  'traceparent',
  'tracestate',
].join(', ');

const EXPOSED_HEADERS = [
  'ETag',
  'Idempotent-Replayed',
  'Location',
  'Preference-Applied',
  'RateLimit-Limit',
  'RateLimit-Policy',
  'RateLimit-Remaining',
  'RateLimit-Reset',
  'Retry-After',
  'WWW-Authenticate',
].join(', ');

const PREFLIGHT_SECONDS = 600;

/**
 * No credentials: nothing here knows cookies, a token is shown by who has it. A preflight is answered by its route, which
 * knows its methods (see `methodNotAllowed`).
 */
export function crossOrigin(origins: readonly string[]): RequestHandler {
  const allowed = new Set(origins);
  return (request, response, next) => {
    if (allowed.size === 0 || NEVER.test(request.path)) {
      next();
      return;
    }
    // Also without an Origin: a cache must not give this answer to a page of another one.
    response.vary('Origin');
    const origin = request.headersDistinct['origin'] ?? [];
    if (origin.length === 1 && origin[0] !== undefined && allowed.has(origin[0])) {
      response.set({
        'Access-Control-Allow-Origin': origin[0],
        'Access-Control-Expose-Headers': EXPOSED_HEADERS,
      });
      if (request.method === 'OPTIONS' && request.headers['access-control-request-method'] !== undefined) {
        response.vary('Access-Control-Request-Method, Access-Control-Request-Headers');
        response.set({
          'Access-Control-Allow-Headers': ALLOWED_HEADERS,
          'Access-Control-Max-Age': String(PREFLIGHT_SECONDS),
        });
      }
    }
    next();
  };
}
