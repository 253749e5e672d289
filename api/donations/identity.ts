/** Ids and tokens of donations, both derived from the installation's secret, which is made once and kept for ever. */
import { createHmac, randomBytes } from 'node:crypto';
import type { Pool } from 'pg';
import type { scopeOf } from '../../domain/actor.ts';
import { uuidV8 } from '../../domain/ids.ts';
import { ConfigError } from '../../platform/config.ts';
import { equalInConstantTime } from '../../platform/constant-time.ts';

/** Two principals with the same key are two donations. */
export type Scope = ReturnType<typeof scopeOf>;

export type DonationIdentity = {
  /** The same scope and key always give the same id, and nobody can guess a key from an id. */
  donationId(scope: Scope, key: string): string;
  /** What a guest shows to see the donation again. */
  donorToken(donationId: string): string;
  isDonorToken(donationId: string, token: string): boolean;
  /** 16 bytes that tell whether two of a kind are the same, and nothing else to whoever lacks the secret. */
  digest(kind: 'address' | 'account' | 'campaign' | 'card', ...parts: readonly string[]): Buffer;
};

const SECRET_BYTES = 32;

/** Reads the secret from the database, where the first process stored it; a configured one must stay the same. */
export async function openIdentity(pool: Pool, configured: string | undefined): Promise<DonationIdentity> {
  const proposed = configured === undefined ? randomBytes(SECRET_BYTES) : Buffer.from(configured);
  await pool.query('INSERT INTO installation (id, secret) VALUES (1, $1) ON CONFLICT DO NOTHING', [proposed]);
  const { rows } = await pool.query<{ secret: Buffer }>('SELECT secret FROM installation WHERE id = 1');
  const secret = rows[0]?.secret;
  if (secret === undefined) throw new Error('the installation has no secret');
  if (configured !== undefined && !secret.equals(proposed)) {
    throw new ConfigError(
      'INSTALLATION_SECRET is not the one this database was made with: every donation would get another id.',
    );
  }
  return createIdentity(secret);
}

export function createIdentity(secret: Buffer): DonationIdentity {
  const hmac = (...parts: string[]): Buffer => {
    const mac = createHmac('sha256', secret);
    // Lengths keep ('ab', 'c') and ('a', 'bc') apart.
    for (const part of parts) mac.update(`${Buffer.byteLength(part)}:${part}`);
    return mac.digest();
  };
  const donorToken = (donationId: string): string => hmac('donor-token', donationId).toString('base64url');
  return {
    donationId: (scope, key) => uuidV8(hmac('donation', scope, key)),
    donorToken,
    isDonorToken: (donationId, token) => equalInConstantTime(token, donorToken(donationId)),
    digest: (kind, ...parts) => hmac('digest', kind, ...parts).subarray(0, 16),
  };
}
