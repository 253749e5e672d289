/** Who is signed in on this machine, per API: kept in `.careforall/`, readable by this user alone. */
import { readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { z } from 'zod';
import { ensureDirectory, LOGIN_FILE } from '../../launch/paths.ts';
import { writePrivately } from '../../launch/secrets.ts';
import { CommandProblem } from '../problem.ts';
import { exclusively } from './exclusively.ts';

const login = z.object({
  email: z.string(),
  accessToken: z.string(),
  /** Milliseconds since 1970. */
  accessExpiresAt: z.number(),
  refreshToken: z.string(),
});
export type Login = z.infer<typeof login>;

const file = z.object({
  logins: z.record(z.string(), login).default({}),
  /** By API and address; they outlive a logout, since this machine stays its owner's. */
  devices: z.record(z.string(), z.string()).default({}),
});
type Credentials = z.infer<typeof file>;

export function findLogin(apiUrl: string): Login | null {
  return read().logins[apiUrl] ?? null;
}

export function deviceTokenOf(apiUrl: string, email: string): string | undefined {
  return read().devices[`${apiUrl} ${email.toLowerCase()}`];
}

/** What `change` makes of the login, null for none; no other command changes it meanwhile. Returns the result. */
export async function changeLogin(
  apiUrl: string,
  change: (before: Login | null) => Promise<Login | null>,
  deviceToken?: string,
): Promise<Login | null> {
  ensureDirectory(dirname(LOGIN_FILE));
  return await exclusively(`${LOGIN_FILE}.lock`, async () => {
    const after = await change(findLogin(apiUrl));
    const { logins, devices } = read();
    const others = Object.fromEntries(Object.entries(logins).filter(([url]) => url !== apiUrl));
    const email = after?.email.toLowerCase() ?? '';
    writePrivately(LOGIN_FILE, {
      logins: after === null ? others : { ...others, [apiUrl]: after },
      devices: deviceToken === undefined ? devices : { ...devices, [`${apiUrl} ${email}`]: deviceToken },
    } satisfies Credentials);
    return after;
  });
}

function read(): Credentials {
  let text: string;
  try {
    text = readFileSync(LOGIN_FILE, 'utf8');
  } catch {
    return { logins: {}, devices: {} };
  }
  try {
    return file.parse(JSON.parse(text));
  } catch (cause) {
    throw new CommandProblem(`${LOGIN_FILE} is not as it was written: remove it and sign in again`, 2, {
      cause,
    });
  }
}
