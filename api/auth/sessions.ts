/** What a client holds after it has shown who it is: a short access token and the refresh token for the next one. */
import type { z } from 'zod';
import type { Role } from '../../domain/actor.ts';
import { Problem } from '../http/problem.ts';
import { signAccessToken } from './access-token.ts';
import type { Account } from './accounts.ts';
import type { sessionAnswer, tokenPairAnswer, userAnswer } from './answers.ts';
import type { AuthDeps } from './deps.ts';
import type { SigningKey } from './signing-keys.ts';
import { beginFamily, rotate, type RefreshToken } from './refresh-tokens.ts';

type TokenPair = z.infer<typeof tokenPairAnswer>;
type Session = z.infer<typeof sessionAnswer>;

type SessionDeps = Pick<AuthDeps, 'pool' | 'keys' | 'devices' | 'settings'>;

/** Throws `invalid_credentials` when the password was changed since it was checked. */
export async function beginSession(deps: SessionDeps, account: Account): Promise<Session> {
  const key = await deps.keys.current();
  const begun = await beginFamily(deps.pool, account, deps.settings.refreshTokenSeconds);
  if (begun === null) throw new Problem('invalid_credentials');
  // As it is now: an operator may have changed it while the password was checked.
  const user = { ...account, role: begun.role };
  const pair = pairOf(deps, key, user, begun);
  return { user: userJson(user), ...pair, deviceToken: deps.devices.issue(account.id) };
}

/** Throws `session_ended` when the token is not the one that its family waits for. */
export async function refreshSession(deps: SessionDeps, refreshToken: string): Promise<TokenPair> {
  // Before: what fails after the rotation would be tried again with a token that counts as stolen by then.
  const key = await deps.keys.current();
  const rotated = await rotate(deps.pool, refreshToken, deps.settings.refreshTokenSeconds);
  if (rotated === null) throw new Problem('session_ended');
  return pairOf(deps, key, { id: rotated.userId, role: rotated.role }, rotated);
}

function pairOf(
  { settings }: SessionDeps,
  key: SigningKey,
  user: { readonly id: string; readonly role: Role },
  refresh: RefreshToken,
): TokenPair {
  const access = signAccessToken(key, user, settings);
  return {
    accessToken: access.token,
    tokenType: 'Bearer',
    expiresIn: access.expiresInSeconds,
    refreshToken: refresh.token,
    refreshExpiresIn: refresh.expiresInSeconds,
  };
}

export function userJson({ id, email, name, role, createdAt }: Account): z.infer<typeof userAnswer> {
  return { id, email, name, role, createdAt: createdAt.toISOString() };
}
