import { openSigningKeys, rotateSigningKeys } from '../api/auth/signing-keys.ts';
import { ConfigError, loadConfig } from '../platform/config.ts';
import { createPool } from '../platform/postgres.ts';

/**
 * Another checkout may have left these databases, and its secret with itself: then nobody can read its keys any more, and
 * new ones take their place. Sessions go on, each with its next refresh. Whether that was so.
 */
export async function replaceForeignKeys(authDatabaseUrl: string, authSecret: string): Promise<boolean> {
  const pool = createPool({ url: authDatabaseUrl, max: 2, name: 'careforall-launch' });
  try {
    await openSigningKeys(pool, authSecret);
    return false;
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const { keyActivationSeconds, accessTokenSeconds } = loadConfig().AUTH;
    await rotateSigningKeys(pool, authSecret, {
      activationSeconds: keyActivationSeconds,
      accessTokenSeconds,
      isSecretLost: true,
    });
    return true;
  } finally {
    await pool.end();
  }
}
