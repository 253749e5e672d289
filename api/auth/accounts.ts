/** Accounts as rows. */
import { randomUUID } from 'node:crypto';
import type { ClientBase, Pool } from 'pg';
import type { Role } from '../../domain/actor.ts';
import { transaction } from '../../platform/postgres.ts';
import { revokeFamilies } from './refresh-tokens.ts';

export type Account = {
  readonly id: string;
  readonly email: string;
  readonly name: string | null;
  readonly role: Role;
  readonly passwordHash: string;
  /** Whoever signs in with an older password than the account has by then is refused. */
  readonly passwordVersion: number;
  readonly createdAt: Date;
};

export type NewAccount = Pick<Account, 'email' | 'name' | 'role' | 'passwordHash'>;

const COLUMNS = `id, email, name, role, password_hash AS "passwordHash", password_version AS "passwordVersion",
  created_at AS "createdAt"`;

/** Null when the address is taken. `email` is normalised, as everywhere here. */
export async function createAccount(pool: Pool, account: NewAccount): Promise<Account | null> {
  const { rows } = await pool.query<Account>(
    `INSERT INTO users (id, email, name, role, password_hash) VALUES ($1, $2, $3, $4, $5)
     ON CONFLICT ON CONSTRAINT users_email_key DO NOTHING RETURNING ${COLUMNS}`,
    [randomUUID(), account.email, account.name, account.role, account.passwordHash],
  );
  return rows[0] ?? null;
}

export async function findAccount(pool: Pool, id: string): Promise<Account | null> {
  const { rows } = await pool.query<Account>({
    name: 'account-by-id',
    text: `SELECT ${COLUMNS} FROM users WHERE id = $1`,
    values: [id],
  });
  return rows[0] ?? null;
}

export async function findAccountByEmail(pool: Pool, email: string): Promise<Account | null> {
  const { rows } = await pool.query<Account>({
    name: 'account-by-email',
    text: `SELECT ${COLUMNS} FROM users WHERE email = $1`,
    values: [email],
  });
  return rows[0] ?? null;
}

/**
 * Takes the place of the password that was checked, and ends every session. Null when that password is no longer the
 * account's: of two changes at once one wins.
 */
export async function changePassword(pool: Pool, checked: Account, newHash: string): Promise<Account | null> {
  return await transaction(pool, async (client) => {
    const { rows } = await client.query<Account>(
      `UPDATE users SET password_hash = $3, password_version = password_version + 1, updated_at = now()
       WHERE id = $1 AND password_version = $2 RETURNING ${COLUMNS}`,
      [checked.id, checked.passwordVersion, newHash],
    );
    if (rows[0] !== undefined) await revokeFamilies(client, checked.id, 'password');
    return rows[0] ?? null;
  });
}

/** The same password under today's parameters; nothing else changes, and nobody is signed out. */
export async function storeRehash(pool: Pool, checked: Account, newHash: string): Promise<void> {
  await pool.query('UPDATE users SET password_hash = $3 WHERE id = $1 AND password_hash = $2', [
    checked.id,
    checked.passwordHash,
    newHash,
  ]);
}

/**
 * `by` must still be an operator: their token may be older than what they may do. The sessions of who gets another role
 * end, so that none goes on with the old one.
 * @throws the database's refusal `users_last_operator_kept`
 */
export async function changeRole(
  pool: Pool,
  { id, role, by }: { readonly id: string; readonly role: Role; readonly by: string },
): Promise<Account | 'not-found' | 'forbidden'> {
  return await transaction(pool, async (client) => {
    // By id, so that two operators who change each other don't wait for each other for ever.
    const { rows } = await client.query<Account>(
      `SELECT ${COLUMNS} FROM users WHERE id = ANY ($1::uuid[]) ORDER BY id FOR UPDATE`,
      [[id, by]],
    );
    if (rows.find((row) => row.id === by)?.role !== 'operator') return 'forbidden';
    const before = rows.find((row) => row.id === id);
    if (before === undefined) return 'not-found';
    return before.role === role ? before : await setRole(client, id, role);
  });
}

/** For whoever holds the database's own address (the command line): nobody is asked for their role. */
export async function setRole(client: ClientBase, id: string, role: Role): Promise<Account> {
  const { rows } = await client.query<Account>(
    `UPDATE users SET role = $2, updated_at = now() WHERE id = $1 RETURNING ${COLUMNS}`,
    [id, role],
  );
  const [changed] = rows;
  if (changed === undefined) throw new Error(`there is no account ${id}`);
  await revokeFamilies(client, id, 'role');
  return changed;
}
