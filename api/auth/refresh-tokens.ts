/**
 * Refresh tokens: each is used once, for the next one of its family (RFC 9700, section 4.14). A used one that comes back
 * was copied, and nobody can tell who has it: the whole family ends.
 */
import { createHash, randomBytes, randomUUID } from 'node:crypto';
import type { ClientBase, Pool } from 'pg';
import type { Role } from '../../domain/actor.ts';
import { transaction } from '../../platform/postgres.ts';

export type RefreshToken = { readonly token: string; readonly expiresInSeconds: number };
export type Rotated = RefreshToken & { readonly userId: string; readonly role: Role };
export type RevokedFor = 'logout' | 'reuse' | 'password' | 'role';

const TOKEN_BYTES = 32;

/** The first token of a new family; null when the password that was checked is no longer the account's. */
export async function beginFamily(
  pool: Pool,
  account: { readonly id: string; readonly passwordVersion: number },
  lifetimeSeconds: number,
): Promise<(RefreshToken & { readonly role: Role }) | null> {
  return await transaction(pool, async (client) => {
    // Shared with other sign-ins, not with a change of password or role: that ends the families it can see.
    const { rows } = await client.query<{ role: Role }>(
      'SELECT role FROM users WHERE id = $1 AND password_version = $2 FOR SHARE',
      [account.id, account.passwordVersion],
    );
    const [user] = rows;
    if (user === undefined) return null;
    const familyId = randomUUID();
    await client.query('INSERT INTO token_families (id, user_id) VALUES ($1, $2)', [familyId, account.id]);
    return { role: user.role, ...(await insertToken(client, familyId, lifetimeSeconds)) };
  });
}

/** The next token for one that was not used yet; null for every other, and then a used one has ended its family. */
export async function rotate(pool: Pool, token: string, lifetimeSeconds: number): Promise<Rotated | null> {
  const tokenHash = hashOf(token);
  return await transaction(pool, async (client) => {
    const family = await lockFamily(client, tokenHash);
    if (family === null || family.isRevoked) return null;
    const { rowCount } = await client.query(
      'UPDATE refresh_tokens SET used_at = now() WHERE token_hash = $1 AND used_at IS NULL AND expires_at > now()',
      [tokenHash],
    );
    if (rowCount === 1) {
      const next = await insertToken(client, family.id, lifetimeSeconds);
      return { ...next, userId: family.userId, role: family.role };
    }
    await client.query(
      `UPDATE token_families SET revoked_at = now(), revoked_for = 'reuse'
       WHERE id = $1 AND EXISTS (SELECT FROM refresh_tokens WHERE token_hash = $2 AND used_at IS NOT NULL)`,
      [family.id, tokenHash],
    );
    return null;
  });
}

/** Ends the family of a token, used or not; of one that nobody knows there is nothing to end. */
export async function endFamily(pool: Pool, token: string): Promise<void> {
  await pool.query(
    `UPDATE token_families SET revoked_at = now(), revoked_for = 'logout'
     WHERE revoked_at IS NULL AND id = (SELECT family_id FROM refresh_tokens WHERE token_hash = $1)`,
    [hashOf(token)],
  );
}

export async function revokeFamilies(db: Pool | ClientBase, userId: string, why: RevokedFor): Promise<void> {
  await db.query(
    `UPDATE token_families SET revoked_at = now(), revoked_for = $2 WHERE user_id = $1 AND revoked_at IS NULL`,
    [userId, why],
  );
}

/**
 * Deletes tokens that have expired, since nothing can be learnt from their reuse any more, and families that have no other.
 * Returns how many tokens.
 */
export async function deleteExpiredTokens(pool: Pool, batch = 1_000): Promise<number> {
  let all = 0;
  for (;;) {
    const deleted = await deleteSome(pool, batch);
    all += deleted;
    if (deleted < batch) return all;
  }
}

async function deleteSome(pool: Pool, limit: number): Promise<number> {
  return await transaction(pool, async (client) => {
    const { rows } = await client.query<{ familyId: string }>(
      `DELETE FROM refresh_tokens WHERE token_hash IN (
         SELECT token_hash FROM refresh_tokens WHERE expires_at <= now() ORDER BY expires_at LIMIT $1 FOR UPDATE SKIP LOCKED)
       RETURNING family_id AS "familyId"`,
      [limit],
    );
    await client.query(
      `DELETE FROM token_families f WHERE id = ANY($1::uuid[])
         AND NOT EXISTS (SELECT FROM refresh_tokens WHERE family_id = f.id)`,
      [[...new Set(rows.map(({ familyId }) => familyId))]],
    );
    return rows.length;
  });
}

type Family = {
  readonly id: string;
  readonly userId: string;
  readonly role: Role;
  readonly isRevoked: boolean;
};

/** One at a time per family: its end must not miss a token that is being made. */
async function lockFamily(client: ClientBase, tokenHash: Buffer): Promise<Family | null> {
  const { rows } = await client.query<Family>(
    `SELECT f.id, f.user_id AS "userId", u.role, f.revoked_at IS NOT NULL AS "isRevoked"
     FROM token_families f JOIN users u ON u.id = f.user_id
     WHERE f.id = (SELECT family_id FROM refresh_tokens WHERE token_hash = $1) FOR UPDATE OF f`,
    [tokenHash],
  );
  return rows[0] ?? null;
}

async function insertToken(
  client: ClientBase,
  familyId: string,
  lifetimeSeconds: number,
): Promise<RefreshToken> {
  const token = randomBytes(TOKEN_BYTES).toString('base64url');
  await client.query(
    `INSERT INTO refresh_tokens (token_hash, family_id, expires_at)
     VALUES ($1, $2, now() + make_interval(secs => $3))`,
    [hashOf(token), familyId, lifetimeSeconds],
  );
  return { token, expiresInSeconds: lifetimeSeconds };
}

function hashOf(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}
