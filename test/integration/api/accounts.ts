/** Accounts of a test's own: what the API knows of one is the user whose access token it is. */
import { randomBytes, randomUUID } from 'node:crypto';
import type { Authenticate } from '../../../api/http/authentication.ts';
import type { Role, User } from '../../../domain/actor.ts';
import { authenticate, tokenOf } from './test-keys.ts';

export type Account = {
  readonly user: User;
  readonly token: string;
  readonly header: readonly [string, string];
};

export type Accounts = {
  readonly authenticate: Authenticate;
  add(role: Role): Account;
  /** From now on its token counts no more. */
  expire(account: Account): void;
  /** Another token of the same account. */
  renew(account: Account): Account;
};

export function createAccounts(): Accounts {
  const expired = new Set<string>();
  const withToken = (user: User): Account => {
    const token = tokenOf(user);
    return { user, token, header: ['Authorization', `Bearer ${token}`] };
  };
  return {
    authenticate: async (token) => (expired.has(token) ? null : await authenticate(token)),
    add: (role) => withToken({ kind: 'user', id: randomUUID(), role }),
    expire: ({ token }) => {
      expired.add(token);
    },
    renew: ({ user }) => withToken(user),
  };
}

/** In the shape of a JWS; of nobody. */
export function accessToken(): string {
  return Array.from({ length: 3 }, () => randomBytes(12).toString('base64url')).join('.');
}
