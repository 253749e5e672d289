import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { z } from 'zod';
import { ensureDirectory } from './paths.ts';

const schema = z.object({
  /** What the private keys of access tokens are encrypted with. */
  authSecret: z.string().min(32),
  /** The simulator's API key, in the shape that the provider's library expects. */
  providerSecretKey: z.string().startsWith('sk_test_'),
  webhookSecret: z.string().startsWith('whsec_'),
  /** Superuser of a PostgreSQL server that the launcher runs itself. */
  postgresPassword: z.string().min(16),
  /** By service: the password of its database role. */
  databasePasswords: z.record(z.string(), z.string().min(16)),
});

export type Secrets = z.infer<typeof schema>;

/** Reads the secrets of this checkout, makes the missing ones, keeps them in a file that only this user can read. */
export function loadSecrets(file: string, services: readonly string[]): Secrets {
  const known: Record<string, unknown> = existsSync(file)
    ? z.record(z.string(), z.unknown()).parse(JSON.parse(readFileSync(file, 'utf8')))
    : {};
  const made = makeSecrets(services);
  const passwords = z.record(z.string(), z.string()).safeParse(known['databasePasswords']);
  const secrets = schema.parse({
    ...made,
    ...known,
    databasePasswords: { ...made.databasePasswords, ...(passwords.success ? passwords.data : {}) },
  });
  ensureDirectory(dirname(file));
  writePrivately(file, secrets);
  return secrets;
}

function makeSecrets(services: readonly string[]): Secrets {
  return {
    authSecret: random(32),
    providerSecretKey: `sk_test_${random(24)}`,
    webhookSecret: `whsec_${random(24)}`,
    postgresPassword: random(24),
    databasePasswords: Object.fromEntries(services.map((service) => [service, random(24)])),
  };
}

/** Writes JSON that only this user can read; who reads meanwhile finds what was there before. */
export function writePrivately(file: string, value: unknown): void {
  const next = `${file}.${process.pid}.next`;
  writeFileSync(next, `${JSON.stringify(value, null, 2)}\n`, { mode: 0o600 });
  renameSync(next, file);
}

function random(bytes: number): string {
  return randomBytes(bytes).toString('hex');
}
