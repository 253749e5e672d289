/** Makes operators in the accounts' own database: whoever can write there needs nobody's leave, and the first one has none. */
import { randomBytes } from 'node:crypto';
import type { Pool } from 'pg';
import { createAccount, findAccountByEmail, setRole, type Account } from '../../api/auth/accounts.ts';
import { flawOf } from '../../api/auth/password-rules.ts';
import { createPasswords } from '../../api/auth/passwords.ts';
import { transaction } from '../../platform/postgres.ts';
import { CommandProblem } from '../problem.ts';

/** 128 bits, in letters that survive being read aloud. */
export function madePassword(): string {
  return randomBytes(16)
    .toString('hex')
    .replaceAll(/(.{8})(?=.)/g, '$1-');
}

/** Throws a CommandProblem when the address is taken or the password is no good. */
export async function createOperator(
  pool: Pool,
  {
    email,
    name,
    password,
  }: { readonly email: string; readonly name: string | null; readonly password: string },
): Promise<Account> {
  const flaw = flawOf(password, email);
  if (flaw !== null) throw new CommandProblem(`The password ${flaw}.`);
  const passwordHash = await createPasswords().hash(password);
  const created = await createAccount(pool, { email, name, role: 'operator', passwordHash });
  if (created === null) throw new CommandProblem(taken(email));
  return created;
}

export async function refuseTaken(pool: Pool, email: string): Promise<void> {
  if ((await findAccountByEmail(pool, email)) !== null) throw new CommandProblem(taken(email));
}

/** Their sessions end: the next sign-in has the new role. */
export async function promote(pool: Pool, email: string): Promise<Account> {
  const account = await findAccountByEmail(pool, email);
  if (account === null) throw new CommandProblem(`There is no account of ${email} to promote.`);
  if (account.role === 'operator') return account;
  return await transaction(pool, (client) => setRole(client, account.id, 'operator'));
}

function taken(email: string): string {
  return `There is an account of ${email}: say --promote to make it an operator's.`;
}
