import { Client, escapeIdentifier, escapeLiteral } from 'pg';

/** The services that own a database. */
export const SERVICES = ['auth', 'campaigns', 'donations', 'payments', 'notifications'] as const;
export type Service = (typeof SERVICES)[number];

type Target = {
  /** A login that may create roles and databases. */
  readonly adminUrl: string;
  /** Database and role of a service are both named `<prefix>_<service>`. */
  readonly prefix: string;
};

/** Any constant of ours: one process at a time makes or drops databases on a server. */
const LOCK = 7_218_001;
const LOCK_TIMEOUT_MS = 60_000;

/**
 * Makes each service's role and database where they are missing and returns their URLs. A role can connect to its own
 * database and to none of another service. Safe to run again and by several processes at once.
 */
export async function ensureDatabases(
  target: Target & { readonly passwords: Readonly<Record<Service, string>> },
): Promise<Record<Service, string>> {
  await withAdmin(target.adminUrl, async (admin) => {
    for (const service of SERVICES) {
      await ensureDatabase(admin, databaseName(target.prefix, service), target.passwords[service]);
    }
  });
  return serviceUrls(target);
}

/** Drops databases and roles of this prefix, whoever is connected. What is missing is no error. */
export async function dropDatabases(target: Target): Promise<void> {
  await withAdmin(target.adminUrl, async (admin) => {
    for (const service of SERVICES) {
      const name = escapeIdentifier(databaseName(target.prefix, service));
      await admin.query(`drop database if exists ${name} with (force)`);
      await admin.query(`drop role if exists ${name}`);
    }
  });
}

/** The URL of each service's database, with its own role; nothing is created. */
function serviceUrls(
  target: Target & { readonly passwords: Readonly<Record<Service, string>> },
): Record<Service, string> {
  const urlOf = (service: Service): string => {
    const url = new URL(target.adminUrl);
    const name = databaseName(target.prefix, service);
    url.username = name;
    url.password = encodeURIComponent(target.passwords[service]);
    url.pathname = `/${name}`;
    return url.href;
  };
  return {
    auth: urlOf('auth'),
    campaigns: urlOf('campaigns'),
    donations: urlOf('donations'),
    payments: urlOf('payments'),
    notifications: urlOf('notifications'),
  };
}

/** Throws a RangeError on a prefix that is no plain lower-case name: it ends up in names of roles and databases. */
export function databaseName(prefix: string, service: Service): string {
  if (!/^[a-z][a-z0-9_]{0,40}$/.test(prefix)) throw new RangeError(`"${prefix}" is no prefix for a database`);
  return `${prefix}_${service}`;
}

async function ensureDatabase(admin: Client, name: string, password: string): Promise<void> {
  const role = escapeIdentifier(name);
  const known = await admin.query<{ role: boolean; database: boolean; superuser: boolean }>(
    `select exists (select 1 from pg_roles where rolname = $1) as role,
            exists (select 1 from pg_database where datname = $1) as database,
            (select rolsuper from pg_roles where rolname = current_user) as superuser`,
    [name],
  );
  const { role: hasRole, database: hasDatabase, superuser } = known.rows[0] ?? {};
  const rights = `login password ${escapeLiteral(password)}`;
  if (hasRole === true) await admin.query(`alter role ${role} ${rights}`);
  else await admin.query(`create role ${role} ${rights} nosuperuser nocreatedb nocreaterole`);
  if (hasDatabase !== true) {
    // A managed server's administrator is no superuser, and gives a database only to a role it belongs to.
    if (superuser !== true) await admin.query(`grant ${role} to current_user`);
    // Not the server's own locale: text must sort and compare the same on every machine.
    await admin.query(`create database ${role} owner ${role} template template0 encoding 'UTF8' locale 'C'`);
  }
  // PostgreSQL lets everybody connect to a new database.
  await admin.query(`revoke connect, temporary on database ${role} from public`);
}

async function withAdmin(adminUrl: string, work: (admin: Client) => Promise<void>): Promise<void> {
  const admin = new Client({
    connectionString: adminUrl,
    application_name: 'careforall-migrate',
    connectionTimeoutMillis: 5_000,
    lock_timeout: LOCK_TIMEOUT_MS,
  });
  // A connection that breaks is reported by the query it breaks, not by ending the process.
  admin.on('error', () => undefined);
  await admin.connect();
  try {
    await admin.query('select pg_advisory_lock($1)', [LOCK]);
    await work(admin);
  } finally {
    // Closing the session gives the lock back.
    await admin.end();
  }
}
