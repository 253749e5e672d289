import type { RequestHandler } from 'express';
import { parseBody } from '../http/json-body.ts';
import { refreshBody } from './bodies.ts';
import type { AuthDeps } from './deps.ts';
import { refreshSession } from './sessions.ts';

export function refresh(deps: AuthDeps): RequestHandler {
  return async (request, response) => {
    const { refreshToken } = parseBody(request, refreshBody);
    response.json(await refreshSession(deps, refreshToken));
  };
}
