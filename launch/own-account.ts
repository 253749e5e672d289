/** Accounts that a launcher or a test makes for itself. Nobody knows their password, so nobody else can be them. */
import { randomBytes } from 'node:crypto';
import { signAccessToken } from '../api/auth/access-token.ts';
import { createAccount, findAccountByEmail } from '../api/auth/accounts.ts';
import { createPasswords } from '../api/auth/passwords.ts';
import { openSigningKeys } from '../api/auth/signing-keys.ts';
import type { Role } from '../domain/actor.ts';
import { loadConfig } from '../platform/config.ts';
import { createPool } from '../platform/postgres.ts';

export type OwnAccount = {
  readonly authDatabaseUrl: string;
  readonly authSecret: string;
  /** Its name at `.invalid`, where no mail ever arrives (RFC 2606). */
  readonly name: string;
  readonly role: Role;
  readonly lifetimeSeconds: number;
};

/** An access token of the account, which is made when it is not there yet. */
export async function ownAccessToken(account: OwnAccount): Promise<string> {
  const pool = createPool({ url: account.authDatabaseUrl, max: 2, name: 'careforall-launch' });
  try {
    const email = `${account.name}@careforall.invalid`;
    const passwordHash = await createPasswords().hash(randomBytes(32).toString('base64url'));
    const user =
      (await createAccount(pool, { email, name: account.name, role: account.role, passwordHash })) ??
      (await findAccountByEmail(pool, email));
    if (user === null) throw new Error(`${email} is neither free nor taken`);
    const key = await (await openSigningKeys(pool, account.authSecret)).current();
    const settings = { ...loadConfig().AUTH, accessTokenSeconds: account.lifetimeSeconds };
    return signAccessToken(key, user, settings).token;
  } finally {
    await pool.end();
  }
}
