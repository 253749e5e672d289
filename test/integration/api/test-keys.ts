/** Access tokens of a test run: signed with a key of its own, and checked as the platform checks every one. */
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { signAccessToken } from '../../../api/auth/access-token.ts';
import { accessTokens } from '../../../api/http/access-tokens.ts';
import type { Authenticate } from '../../../api/http/authentication.ts';
import { createVerificationKeys } from '../../../api/http/verification-keys.ts';
import type { User } from '../../../domain/actor.ts';
import { loadConfig } from '../../../platform/config.ts';
import { createLogger } from '../../../platform/log.ts';

const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2_048 });
const kid = randomBytes(16).toString('base64url');
const published = [{ ...publicKey.export({ format: 'jwk' }), use: 'sig', alg: 'RS256', kid }];
const settings = loadConfig([], {}).AUTH;

export const authenticate: Authenticate = accessTokens({
  keys: createVerificationKeys({
    published: () => Promise.resolve(published),
    settings,
    log: createLogger('test', 'silent'),
  }),
  settings,
});

/** Longer than any test runs. */
const LIFETIME_SECONDS = 86_400;

export function tokenOf(user: Pick<User, 'id' | 'role'>): string {
  return signedFor(user, LIFETIME_SECONDS);
}

/** Right in everything but that its time is over. */
export function expiredTokenOf(user: Pick<User, 'id' | 'role'>): string {
  return signedFor(user, -60);
}

function signedFor({ id, role }: Pick<User, 'id' | 'role'>, accessTokenSeconds: number): string {
  return signAccessToken(
    { kid, privateKey, retiresAt: null },
    { id, role },
    { ...settings, accessTokenSeconds },
  ).token;
}
