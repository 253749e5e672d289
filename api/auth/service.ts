/** Accounts as a part of a process: their database, the keys that sign access tokens, their routes. */
import type { Router } from 'express';
import { accessTokens } from '../http/access-tokens.ts';
import type { Authenticate } from '../http/authentication.ts';
import { createVerificationKeys } from '../http/verification-keys.ts';
import { openPool, type ApiProcess } from '../process.ts';
import { createDeviceTokens } from './device-tokens.ts';
import { createLoginLimits } from './login-limits.ts';
import { createPasswords } from './passwords.ts';
import { deleteExpiredTokens } from './refresh-tokens.ts';
import { authRouter } from './router.ts';
import { openSigningKeys } from './signing-keys.ts';

export const AUTH_NEEDS = ['AUTH_DATABASE_URL', 'AUTH_SECRET'] as const;

const POOL_SIZE = 4;
const HOUSEKEEPING_MS = 600_000;

/** What is opened knows the keys from their own database; `authenticate` serves every service of the process. */
export async function openAuth(
  it: ApiProcess<(typeof AUTH_NEEDS)[number]>,
): Promise<{ readonly router: Router; readonly authenticate: Authenticate }> {
  const { config, log, opened } = it;
  const { AUTH: settings, AUTH_SECRET: secret } = config;
  const pool = openPool(it, 'auth', config.AUTH_DATABASE_URL, POOL_SIZE);
  const keys = await openSigningKeys(pool, secret);
  const verification = createVerificationKeys({ published: keys.published, settings, log });
  await verification.load();
  const housekeeping = setInterval(() => {
    deleteExpiredTokens(pool).catch((err: unknown) =>
      log.warn({ err }, 'expired refresh tokens could not be deleted'),
    );
  }, HOUSEKEEPING_MS);
  opened.use('auth housekeeping', housekeeping, (started) => clearInterval(started));
  const authenticate = accessTokens({ keys: verification, settings });
  const router = authRouter({
    pool,
    keys,
    passwords: createPasswords(),
    limits: createLoginLimits(settings, secret, it.redis?.redis ?? null),
    devices: createDeviceTokens(secret, settings.deviceTokenSeconds),
    authenticate,
    clientAddress: (request) => it.clientOf(request).network,
    settings,
  });
  return { router, authenticate };
}
