/** The access token that a command sends: the environment's, else that of who is signed in, renewed when it is due. */
import type { Environment } from '../../platform/config.ts';
import { apiUrl } from '../environment.ts';
import { CommandProblem } from '../problem.ts';
import { loginOf, renew } from './api.ts';
import { loginStore, type Login } from './credentials.ts';

/** It has to reach the API and be checked there before it ends. */
const RENEW_BEFORE_MS = 30_000;

/** Throws a CommandProblem that says exactly what to type when nobody is signed in, or no longer. */
export async function accessToken(config: Environment): Promise<string> {
  if (config.CAREFORALL_ACCESS_TOKEN !== undefined) return config.CAREFORALL_ACCESS_TOKEN;
  const url = apiUrl(config);
  const store = loginStore(config);
  const login = store.find();
  if (login !== null && isFresh(login)) return login.accessToken;
  if (login === null)
    throw new CommandProblem(
      `Nobody is signed in at ${url}: type \`${LOGIN} you@example.org\` (without an operator yet: \`${CREATE} you@example.org\`).`,
    );
  // A refresh token works once, so two commands must not both use it: the second one finds what the first one got.
  const renewed = await store.change(async (now) => {
    if (now === null || isFresh(now)) return now;
    const answer = await renew(url, now.refreshToken);
    if (!('refused' in answer)) return loginOf(now.email, answer);
    if (answer.status === 401) return null;
    throw new CommandProblem(`The session at ${url} cannot be renewed: ${answer.detail}`);
  });
  if (renewed === null)
    throw new CommandProblem(`The session at ${url} has ended: type \`${LOGIN} ${login.email}\`.`);
  return renewed.accessToken;
}

const LOGIN = 'npm run careforall -- login --email';
const CREATE = 'npm run careforall -- operator create --email';

function isFresh({ accessExpiresAt }: Login): boolean {
  return accessExpiresAt - Date.now() > RENEW_BEFORE_MS;
}
