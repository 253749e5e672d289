/**
 * The keys that sign access tokens. A new one is published before it signs, an old one stays published until its last
 * token has expired: during a rotation two are live and nobody is signed out.
 */
import { createPrivateKey, generateKeyPair, randomBytes, type KeyObject } from 'node:crypto';
import { promisify } from 'node:util';
import type { ClientBase, Pool } from 'pg';
import { ConfigError } from '../../platform/config.ts';
import { transaction } from '../../platform/postgres.ts';
import type { PublicJwk } from '../http/verification-keys.ts';
import { deriveKey, seal, unseal } from './sealing.ts';

export type SigningKey = {
  readonly kid: string;
  readonly privateKey: KeyObject;
  /** No token of it may last longer. */
  readonly retiresAt: Date | null;
};

export type SigningKeys = {
  /** The one that signs now. */
  readonly current: () => Promise<SigningKey>;
  /** What the JWKS shows, read anew. */
  readonly published: () => Promise<PublicJwk[]>;
};

export type KeyRow = {
  readonly kid: string;
  readonly generation: number;
  readonly createdAt: Date;
  readonly activatesAt: Date;
  readonly retiresAt: Date | null;
  readonly state: 'waiting' | 'signing' | 'verifying' | 'retired';
};

/** RFC 7518, section 3.3: 2048 bits or more. */
const MODULUS_BITS = 2_048;
/** Processes hear of a rotation this late at most; until then the old key signs on. */
const REREAD_MS = 10_000;

/** Makes the first key where there is none. Throws a ConfigError when the secret is not the one of the keys that are there. */
export async function openSigningKeys(pool: Pool, secret: string): Promise<SigningKeys> {
  const sealingKey = deriveKey(secret, 'signing keys');
  await insertKey(pool, sealingKey, 1, 0);
  let current = await readCurrent(pool, sealingKey, undefined);
  let readAtMs = performance.now();
  let reading: Promise<void> | undefined;

  const reread = async (): Promise<void> => {
    try {
      current = await readCurrent(pool, sealingKey, current);
      readAtMs = performance.now();
    } finally {
      reading = undefined;
    }
  };
  return {
    current: async () => {
      if (performance.now() - readAtMs >= REREAD_MS) await (reading ??= reread());
      return current;
    },
    published: async () => await publishedKeys(pool),
  };
}

/**
 * Publishes a new key that signs from `activationSeconds` on, and lets the one before it retire once the tokens that it
 * has signed until then have expired. `atOnce` is for a key that has leaked: its tokens count no more, everybody's client
 * refreshes. `isSecretLost` is for keys that nobody can read any more: as `atOnce`, and `secret` need not be theirs. Null
 * when somebody else rotates at the same moment.
 */
export async function rotateSigningKeys(
  pool: Pool,
  secret: string,
  options: {
    readonly activationSeconds: number;
    readonly accessTokenSeconds: number;
    readonly atOnce?: boolean;
    readonly isSecretLost?: boolean;
  },
): Promise<string | null> {
  const { activationSeconds, accessTokenSeconds, isSecretLost = false } = options;
  const atOnce = isSecretLost || options.atOnce === true;
  const sealingKey = deriveKey(secret, 'signing keys');
  return await transaction(pool, async (client) => {
    const { rows } = await client.query<{ generation: number }>(
      'SELECT coalesce(max(generation), 0) + 1 AS generation FROM signing_keys',
    );
    const generation = rows[0]?.generation ?? 1;
    if (generation > 1 && !isSecretLost) await readCurrent(client, sealingKey, undefined);
    const kid = await insertKey(client, sealingKey, generation, atOnce ? 0 : activationSeconds);
    if (kid === null) return null;
    const remainsSeconds = atOnce ? 0 : activationSeconds + 2 * (REREAD_MS / 1_000) + accessTokenSeconds;
    await client.query(
      `UPDATE signing_keys SET retires_at = now() + make_interval(secs => $2)
       WHERE generation < $1 AND (retires_at IS NULL OR retires_at > now() + make_interval(secs => $2))`,
      [generation, remainsSeconds],
    );
    return kid;
  });
}

/** Newest first, the retired ones too. */
export async function listSigningKeys(pool: Pool): Promise<KeyRow[]> {
  const { rows } = await pool.query<KeyRow>(
    `SELECT kid, generation, created_at AS "createdAt", activates_at AS "activatesAt", retires_at AS "retiresAt",
       CASE WHEN retires_at <= now() THEN 'retired' WHEN activates_at > now() THEN 'waiting'
            WHEN generation = (SELECT max(generation) FROM signing_keys WHERE ${SIGNS}) THEN 'signing' ELSE 'verifying' END AS state
     FROM signing_keys ORDER BY generation DESC`,
  );
  return rows;
}

const LIVE = '(retires_at IS NULL OR retires_at > now())';
const SIGNS = `activates_at <= now() AND ${LIVE}`;

async function publishedKeys(pool: Pool): Promise<PublicJwk[]> {
  const { rows } = await pool.query<{ jwk: PublicJwk }>({
    name: 'published-keys',
    text: `SELECT public_jwk AS jwk FROM signing_keys WHERE ${LIVE} ORDER BY generation DESC`,
  });
  return rows.map(({ jwk }) => jwk);
}

/** Null when another process has made the key of that generation first. */
async function insertKey(
  db: Pool | ClientBase,
  sealingKey: Buffer,
  generation: number,
  activationSeconds: number,
): Promise<string | null> {
  const { rowCount: taken } = await db.query('SELECT FROM signing_keys WHERE generation = $1', [generation]);
  if (taken !== 0) return null;
  const { publicKey, privateKey } = await promisify(generateKeyPair)('rsa', { modulusLength: MODULUS_BITS });
  const kid = randomBytes(16).toString('base64url');
  const { n, e } = publicKey.export({ format: 'jwk' });
  const jwk = { kty: 'RSA', use: 'sig', alg: 'RS256', kid, n, e };
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  const { rowCount } = await db.query(
    `INSERT INTO signing_keys (kid, generation, public_jwk, private_key, activates_at)
     VALUES ($1, $2, $3, $4, now() + make_interval(secs => $5)) ON CONFLICT DO NOTHING`,
    [kid, generation, JSON.stringify(jwk), seal(sealingKey, pem, kid), activationSeconds],
  );
  return rowCount === 1 ? kid : null;
}

async function readCurrent(
  db: Pool | ClientBase,
  sealingKey: Buffer,
  known: SigningKey | undefined,
): Promise<SigningKey> {
  const { rows } = await db.query<{ kid: string; sealed: Buffer; retiresAt: Date | null }>(
    `SELECT kid, private_key AS sealed, retires_at AS "retiresAt" FROM signing_keys
     WHERE ${SIGNS} ORDER BY generation DESC LIMIT 1`,
  );
  const [row] = rows;
  if (row === undefined) throw new Error('no key may sign access tokens now');
  const { kid, sealed, retiresAt } = row;
  if (known?.kid === kid) return { ...known, retiresAt };
  return { kid, privateKey: createPrivateKey(open(sealingKey, sealed, kid)), retiresAt };
}

function open(sealingKey: Buffer, sealed: Buffer, kid: string): string {
  try {
    return unseal(sealingKey, sealed, kid);
  } catch (cause) {
    throw new ConfigError('AUTH_SECRET is not the one that the keys of access tokens were encrypted with.', {
      cause,
    });
  }
}
