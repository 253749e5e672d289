/** Who is signed in on this machine, per API: kept in `.careforall/`, readable by this user alone. */
import { readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { z } from 'zod';
import { ensureDirectory, LOGIN_FILE } from '../../launch/paths.ts';
import { writePrivately } from '../../launch/secrets.ts';
import type { Environment } from '../../platform/config.ts';
import { apiUrl } from '../environment.ts';
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

export type LoginStore = {
  find(): Login | null;
  deviceTokenOf(email: string): string | undefined;
  /** Keeps what `change` makes of the login, null for none, while no other command changes it; returns that. */
  change(make: (before: Login | null) => Promise<Login | null>, deviceToken?: string): Promise<Login | null>;
};

/** What is known of the API that the commands ask. */
export function loginStore(config: Environment): LoginStore {
  const path = config.CAREFORALL_LOGIN_FILE ?? LOGIN_FILE;
  const url = apiUrl(config);
  const find = (): Login | null => read(path).logins[url] ?? null;
  return {
    find,
    deviceTokenOf: (email) => read(path).devices[nameOf(url, email)],
    async change(make, deviceToken) {
      ensureDirectory(dirname(path));
      return await exclusively(`${path}.lock`, async () => {
        const after = await make(find());
        const { logins, devices } = read(path);
        const others = Object.fromEntries(Object.entries(logins).filter(([of]) => of !== url));
        const isKnown = after !== null && deviceToken !== undefined;
        writePrivately(path, {
          logins: after === null ? others : { ...others, [url]: after },
          devices: isKnown ? { ...devices, [nameOf(url, after.email)]: deviceToken } : devices,
        } satisfies Credentials);
        return after;
      });
    },
  };
}

function nameOf(url: string, email: string): string {
  return `${url} ${email.toLowerCase()}`;
}

function read(path: string): Credentials {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch {
    return { logins: {}, devices: {} };
  }
  try {
    return file.parse(JSON.parse(text));
  } catch (cause) {
    throw new CommandProblem(`${path} is not as it was written: remove it and sign in again`, 2, { cause });
  }
}
