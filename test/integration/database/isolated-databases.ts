import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll } from 'vitest';
import {
  dropDatabases,
  ensureDatabases,
  migrate,
  SERVICES,
  type Service,
} from '../../../platform/migrate.ts';

// oxlint-disable-next-line node/no-process-env -- which server to use is the tester's choice
export const ADMIN_URL = process.env['POSTGRES_URL'] ?? 'postgres://postgres@127.0.0.1:5432/postgres';

/** Awkward on purpose: it has to survive SQL and a URL. */
const PASSWORD = `p'w"d @/:%é\\`;
export const PASSWORDS: Readonly<Record<Service, string>> = {
  auth: PASSWORD,
  campaigns: PASSWORD,
  donations: PASSWORD,
  payments: PASSWORD,
  notifications: PASSWORD,
};

/** A prefix no other run has. */
export function randomPrefix(): string {
  return `cfa_test_${randomBytes(5).toString('hex')}`;
}

/** Databases of this test file's own, migrated (all of them, or those named) and dropped at its end. */
export function isolatedDatabases(migrated: readonly Service[] = SERVICES): {
  readonly prefix: string;
  readonly urls: Record<Service, string>;
} {
  const prefix = randomPrefix();
  const urls: Record<Service, string> = {
    auth: '',
    campaigns: '',
    donations: '',
    payments: '',
    notifications: '',
  };
  beforeAll(async () => {
    Object.assign(urls, await ensureDatabases({ adminUrl: ADMIN_URL, prefix, passwords: PASSWORDS }));
    for (const service of migrated) await migrate({ url: urls[service], service });
  });
  afterAll(async () => {
    await dropDatabases({ adminUrl: ADMIN_URL, prefix });
  });
  return { prefix, urls };
}
