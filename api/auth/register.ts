import type { RequestHandler } from 'express';
import { parseBody } from '../http/json-body.ts';
import { Problem } from '../http/problem.ts';
import { createAccount } from './accounts.ts';
import { refuseFlawed, registerBody } from './bodies.ts';
import type { AuthDeps } from './deps.ts';
import { judged } from './login-limits.ts';
import { beginSession } from './sessions.ts';

/** Whoever registers is a donor; other roles are given by an operator. */
export function register(deps: AuthDeps): RequestHandler {
  return async (request, response) => {
    const { email, password, name = null } = parseBody(request, registerBody);
    refuseFlawed(password, email, '/password');
    // A taken address is told, so asking for many counts like guessing.
    const address = deps.clientAddress(request);
    const attempt = await deps.limits.begin({ email, address, device: null });
    const created = await judged(attempt, async () => {
      // What fails after the account was made would be told as taken when it is tried again.
      await deps.keys.current();
      const passwordHash = await deps.passwords.hash(password, address);
      return await createAccount(deps.pool, { email, name, role: 'donor', passwordHash });
    });
    if (created === null) throw new Problem('email_taken');
    await attempt.takeBack();
    response.status(201).json(await beginSession(deps, created));
  };
}
