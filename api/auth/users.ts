/** Accounts as operators see them. */
import type { RequestHandler } from 'express';
import { z } from 'zod';
import { normalisedEmail } from '../../domain/email.ts';
import { isDatabaseRefusal } from '../../platform/database-errors.ts';
import { userOf } from '../http/authentication.ts';
import { parseBody } from '../http/json-body.ts';
import { pathId } from '../http/path-id.ts';
import { Problem } from '../http/problem.ts';
import { changeRole, findAccountByEmail } from './accounts.ts';
import type { usersAnswer } from './answers.ts';
import { roleBody } from './bodies.ts';
import type { AuthDeps } from './deps.ts';
import { userJson } from './sessions.ts';

export function findUsers({ pool }: AuthDeps): RequestHandler {
  return async (request, response) => {
    const email = z.email().safeParse(request.query['email']);
    if (!email.success) throw new Problem('invalid_parameter', { detail: 'email must be an e-mail address' });
    const account = await findAccountByEmail(pool, normalisedEmail(email.data));
    const answer: z.infer<typeof usersAnswer> = {
      data: account === null ? [] : [userJson(account)],
      nextCursor: null,
    };
    response.json(answer);
  };
}

export function putRole({ pool }: AuthDeps): RequestHandler {
  return async (request, response) => {
    const { role } = parseBody(request, roleBody);
    const id = pathId(request);
    const changed = await changeRole(pool, { id, role, by: userOf(request).id }).catch((error: unknown) => {
      throw isDatabaseRefusal(error, 'users_last_operator_kept') ? new Problem('last_operator') : error;
    });
    if (changed === 'not-found') throw new Problem('not_found');
    if (changed === 'forbidden') throw new Problem('forbidden');
    response.json(userJson(changed));
  };
}
