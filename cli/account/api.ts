/** Accounts over the HTTP API. */
import type { z } from 'zod';
import { sessionAnswer, tokenPairAnswer, userAnswer } from '../../api/auth/answers.ts';
import { answered, apiClient, type Refusal } from '../api.ts';
import type { Login } from './credentials.ts';

const me = userAnswer.omit({ createdAt: true });

type Pair = z.infer<typeof tokenPairAnswer>;
type Session = z.infer<typeof sessionAnswer>;
type Me = z.infer<typeof me>;

export async function signIn(
  apiUrl: string,
  body: { readonly email: string; readonly password: string; readonly deviceToken?: string },
): Promise<Session | Refusal> {
  return (await answered(apiClient(apiUrl).POST('/auth/login', { body }), sessionAnswer)).answer;
}

export async function renew(apiUrl: string, refreshToken: string): Promise<Pair | Refusal> {
  const asked = apiClient(apiUrl).POST('/auth/refresh', { body: { refreshToken } });
  return (await answered(asked, tokenPairAnswer)).answer;
}

export async function signOut(apiUrl: string, refreshToken: string): Promise<void> {
  await apiClient(apiUrl).POST('/auth/logout', { body: { refreshToken } });
}

export async function whoAmI(apiUrl: string, accessToken: string): Promise<Me | Refusal> {
  const headers = { authorization: `Bearer ${accessToken}` };
  return (await answered(apiClient(apiUrl).GET('/auth/me', { headers }), me)).answer;
}

export function loginOf(email: string, { accessToken, expiresIn, refreshToken }: Pair): Login {
  return { email, accessToken, accessExpiresAt: Date.now() + expiresIn * 1_000, refreshToken };
}
