/** What a client holds after it has shown who it is: a short access token and the refresh token for the next one. */
import type { z } from 'zod';
import type { Role } from '../../domain/actor.ts';
import { Problem } from '../http/problem.ts';
import { signAccessToken } from './access-token.ts';
import type { Account } from './accounts.ts';
import type { sessionAnswer, tokenPairAnswer, userAnswer } from './answers.ts';
import type { AuthDeps } from './deps.ts';
import { beginFamily, rotate, type RefreshToken } from './refresh-tokens.ts';

type TokenPair = z.infer<typeof tokenPairAnswer>;
type Session = z.infer<typeof sessionAnswer>;

type SessionDeps = Pick<AuthDeps, 'pool' | 'keys' | 'devices' | 'settings'>;

/** Throws `invalid_credentials` when the password was changed since it was checked. */
export async function beginSession(deps: SessionDeps, account: Account): Promise<Session> {
  const refresh = await beginFamily(deps.pool, account, deps.settings.refreshTokenSeconds);
  if (refresh === null) throw new Problem('invalid_credentials');
  const pair = await pairOf(deps, account, refresh);
  return { user: userJson(account), ...pair, deviceToken: deps.devices.issue(account.id) };
}

/** Throws `session_ended` when the token is not the one that its family waits for. */
export async function refreshSession(deps: SessionDeps, refreshToken: string): Promise<TokenPair> {
  const rotated = await rotate(deps.pool, refreshToken, deps.settings.refreshTokenSeconds);
  if (rotated === null) throw new Problem('session_ended');
  return await pairOf(deps, { id: rotated.userId, role: rotated.role }, rotated);
}

async function pairOf(
  { keys, settings }: SessionDeps,
  user: { readonly id: string; readonly role: Role },
  refresh: RefreshToken,
): Promise<TokenPair> {
  const access = signAccessToken(await keys.current(), user, settings);
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
