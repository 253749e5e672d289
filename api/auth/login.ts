import { randomUUID } from 'node:crypto';
import type { RequestHandler } from 'express';
import { parseBody } from '../http/json-body.ts';
import { Problem } from '../http/problem.ts';
import { findAccountByEmail, storeRehash } from './accounts.ts';
import { loginBody } from './bodies.ts';
import type { AuthDeps } from './deps.ts';
import { judged } from './login-limits.ts';
import { beginSession } from './sessions.ts';

/** Does the same work for an account that is not there, so that neither answer nor time tells which ones are. */
export function login(deps: AuthDeps): RequestHandler {
  const { pool, passwords, limits, devices } = deps;
  const nobody = randomUUID();
  return async (request, response) => {
    const { email, password, deviceToken } = parseBody(request, loginBody);
    const account = await findAccountByEmail(pool, email);
    const device = deviceToken === undefined ? null : devices.deviceOf(deviceToken, account?.id ?? nobody);
    const address = deps.clientAddress(request);
    const attempt = await limits.begin({ email, address, device });
    const matches = await judged(attempt, () =>
      passwords.matches(password, account?.passwordHash ?? null, address),
    );
    if (!matches || account === null) throw new Problem('invalid_credentials');
    await attempt.takeBack();
    if (passwords.isOutdated(account.passwordHash))
      await storeRehash(pool, account, await passwords.hash(password, address));
    response.json(await beginSession(deps, account));
  };
}
