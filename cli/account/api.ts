/** Accounts over the HTTP API. */
import { z } from 'zod';
import { ask, type Refusal } from '../api.ts';
import type { Login } from './credentials.ts';

const pair = z.object({ accessToken: z.string(), expiresIn: z.number(), refreshToken: z.string() });
const session = pair.extend({
  user: z.object({ email: z.string(), role: z.string() }),
  deviceToken: z.string(),
});
const me = z.object({ id: z.string(), email: z.string(), name: z.string().nullable(), role: z.string() });

export type Pair = z.infer<typeof pair>;
export type Session = z.infer<typeof session>;
export type Me = z.infer<typeof me>;

export async function signIn(
  apiUrl: string,
  credentials: { readonly email: string; readonly password: string; readonly deviceToken?: string },
): Promise<Session | Refusal> {
  return (await ask(`${apiUrl}/auth/login`, session, post(credentials))).answer;
}

export async function renew(apiUrl: string, refreshToken: string): Promise<Pair | Refusal> {
  return (await ask(`${apiUrl}/auth/refresh`, pair, post({ refreshToken }))).answer;
}

export async function signOut(apiUrl: string, refreshToken: string): Promise<void> {
  await ask(
    `${apiUrl}/auth/logout`,
    z.unknown().transform(() => ({})),
    post({ refreshToken }),
  );
}

export async function whoAmI(apiUrl: string, accessToken: string): Promise<Me | Refusal> {
  const headers = { authorization: `Bearer ${accessToken}` };
  return (await ask(`${apiUrl}/auth/me`, me, { headers })).answer;
}

export function loginOf(email: string, { accessToken, expiresIn, refreshToken }: Pair): Login {
  return { email, accessToken, accessExpiresAt: Date.now() + expiresIn * 1_000, refreshToken };
}

function post(body: object): RequestInit {
  return { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) };
}
