import type { RequestHandler } from 'express';
import { userOf } from '../http/authentication.ts';
import { Problem } from '../http/problem.ts';
import { findAccount } from './accounts.ts';
import type { AuthDeps } from './deps.ts';
import { userJson } from './sessions.ts';

export function me({ pool }: AuthDeps): RequestHandler {
  return async (request, response) => {
    const account = await findAccount(pool, userOf(request).id);
    if (account === null) throw new Problem('unauthorized');
    response.json(userJson(account));
  };
}
