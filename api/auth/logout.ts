import type { RequestHandler } from 'express';
import { parseBody } from '../http/json-body.ts';
import { refreshBody } from './bodies.ts';
import type { AuthDeps } from './deps.ts';
import { endFamily } from './refresh-tokens.ts';

/** Whoever holds the refresh token may end what it belongs to; of one that is gone already nothing is left to do. */
export function logout({ pool }: AuthDeps): RequestHandler {
  return async (request, response) => {
    const { refreshToken } = parseBody(request, refreshBody);
    await endFamily(pool, refreshToken);
    response.status(204).end();
  };
}
