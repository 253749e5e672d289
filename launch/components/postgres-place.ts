import { createHash } from 'node:crypto';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { ComponentMissing } from './component.ts';

export type Unprivileged = { readonly uid: number; readonly gid: number };

export type Place = {
  readonly dataDir: string;
  readonly user: Unprivileged | undefined;
  readonly binaryCopy: string | undefined;
};

/**
 * PostgreSQL refuses to run as root, so root's server runs as another user. That user must be able to reach the data:
 * when the checkout lies in a folder closed to others (such as /root), data and embedded binaries live in /var/lib.
 */
export function placeFor(dataDir: string): Place {
  if (process.getuid?.() !== 0) return { dataDir, user: undefined, binaryCopy: undefined };
  const user = unprivilegedUser();
  if (isOpenToOthers(dirname(dataDir))) return { dataDir, user, binaryCopy: undefined };
  const id = createHash('sha256').update(dataDir).digest('hex').slice(0, 12);
  const base = join('/var/lib', `careforall-${id}`);
  return { dataDir: join(base, 'postgres'), user, binaryCopy: join(base, 'binaries') };
}

function unprivilegedUser(): Unprivileged {
  const accounts = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map((line) => line.split(':'));
  for (const name of ['postgres', 'nobody']) {
    const [, , uid, gid] = accounts.find(([account]) => account === name) ?? [];
    if (uid !== undefined && gid !== undefined) return { uid: Number(uid), gid: Number(gid) };
  }
  throw new ComponentMissing(
    'PostgreSQL does not run as root and this machine has no user "postgres" or "nobody": start as another user.',
  );
}

/** Whether others may walk through this folder and all above it; those not made yet will be open. */
function isOpenToOthers(folder: string): boolean {
  const OTHERS_EXECUTE = 0o001;
  for (let path = folder; ; path = dirname(path)) {
    if (existsSync(path) && (statSync(path).mode & OTHERS_EXECUTE) === 0) return false;
    if (path === dirname(path)) return true;
  }
}
