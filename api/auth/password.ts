import type { RequestHandler } from 'express';
import { userOf } from '../http/authentication.ts';
import { parseBody } from '../http/json-body.ts';
import { Problem } from '../http/problem.ts';
import { changePassword, findAccount } from './accounts.ts';
import { passwordBody, refuseFlawed } from './bodies.ts';
import type { AuthDeps } from './deps.ts';
import { judged } from './login-limits.ts';
import { revokeFamilies } from './refresh-tokens.ts';
import { beginSession } from './sessions.ts';

/** A wrong current password is a 400 and no 401: the access token is fine, and no client should throw it away. */
export function password(deps: AuthDeps): RequestHandler {
  const { pool, passwords, limits } = deps;
  return async (request, response) => {
    const { currentPassword, newPassword } = parseBody(request, passwordBody);
    const account = await findAccount(pool, userOf(request).id);
    if (account === null) throw new Problem('unauthorized');
    refuseFlawed(newPassword, account.email, '/newPassword');
    const address = deps.clientAddress(request);
    // A stolen access token is no licence to guess: whoever goes on from address to address ends every session, their own
    // too. None of it counts against the owner's next sign-in.
    const attempt = await limits.beginSignedIn({ email: account.email, address }, () =>
      revokeFamilies(pool, account.id, 'reuse'),
    );
    const matches = await judged(attempt, () =>
      passwords.matches(currentPassword, account.passwordHash, address),
    );
    if (!matches) throw wrongPassword();
    await attempt.takeBack();
    const changed = await changePassword(pool, account, await passwords.hash(newPassword, address));
    if (changed === null) throw wrongPassword();
    response.json(await beginSession(deps, changed));
  };
}

function wrongPassword(): Problem {
  const detail = 'is not the password of this account';
  return new Problem('invalid_body', { errors: [{ pointer: '/currentPassword', detail }] });
}
