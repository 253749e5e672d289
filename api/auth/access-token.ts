/** Signs access tokens: JWT, RS256, in the profile of RFC 9068. */
import { randomUUID } from 'node:crypto';
import jwt from 'jsonwebtoken';
import type { Role } from '../../domain/actor.ts';
import {
  ACCESS_TOKEN_ALGORITHM,
  ACCESS_TOKEN_TYPE,
  type AccessTokenSettings,
} from '../http/access-tokens.ts';
import type { SigningKey } from './signing-keys.ts';

export type AccessToken = { readonly token: string; readonly expiresInSeconds: number };

export function signAccessToken(
  { kid, privateKey, retiresAt }: SigningKey,
  user: { readonly id: string; readonly role: Role },
  settings: AccessTokenSettings & { readonly accessTokenSeconds: number },
): AccessToken {
  const nowSeconds = Math.floor(Date.now() / 1_000);
  // It ends with its key, whatever the setting was when the key was rotated.
  const keyEndsSeconds = retiresAt === null ? Infinity : Math.floor(retiresAt.getTime() / 1_000);
  const exp = Math.min(nowSeconds + settings.accessTokenSeconds, keyEndsSeconds);
  const token = jwt.sign({ role: user.role, iat: nowSeconds, exp }, privateKey, {
    algorithm: ACCESS_TOKEN_ALGORITHM,
    header: { alg: ACCESS_TOKEN_ALGORITHM, typ: ACCESS_TOKEN_TYPE, kid },
    issuer: settings.issuer,
    audience: settings.audience,
    subject: user.id,
    jwtid: randomUUID(),
  });
  return { token, expiresInSeconds: exp - nowSeconds };
}
