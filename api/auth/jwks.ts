import type { RequestHandler } from 'express';
import type { AuthDeps } from './deps.ts';

/** RFC 7517, section 5. Cached shorter than a new key waits before it signs. */
export function jwks({ keys, settings }: AuthDeps): RequestHandler {
  return async (_request, response) => {
    const published = await keys.published();
    response
      .set('Cache-Control', `public, max-age=${settings.keysMaxAgeSeconds}`)
      .type('application/jwk-set+json')
      .send(JSON.stringify({ keys: published }));
  };
}
