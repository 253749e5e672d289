/**
 * Brings every service's role, database and schema up to date, then ends: `node prisma/migrate.ts`. Needs POSTGRES_URL,
 * a login that may create roles and databases, and each service's own URL, as that service will use it.
 */
import { ConfigError, loadConfig } from '../platform/config.ts';
import { createLogger } from '../platform/log.ts';
import { databaseName, ensureDatabases, migrate, SERVICES, type Service } from '../platform/migrate.ts';

const NEEDED = [
  'POSTGRES_URL',
  'AUTH_DATABASE_URL',
  'CAMPAIGNS_DATABASE_URL',
  'DONATIONS_DATABASE_URL',
  'NOTIFICATIONS_DATABASE_URL',
  'PAYMENTS_DATABASE_URL',
] as const;

const log = createLogger('migrate', 'info');
try {
  const config = loadConfig(NEEDED);
  const prefix = config.NAME_PREFIX;
  const urls: Readonly<Record<Service, string>> = {
    auth: config.AUTH_DATABASE_URL,
    campaigns: config.CAMPAIGNS_DATABASE_URL,
    donations: config.DONATIONS_DATABASE_URL,
    notifications: config.NOTIFICATIONS_DATABASE_URL,
    payments: config.PAYMENTS_DATABASE_URL,
  };
  const passwords = Object.fromEntries(
    SERVICES.map((service) => [service, passwordOf(urls[service], databaseName(prefix, service))]),
  ) as Record<Service, string>;
  await ensureDatabases({ adminUrl: config.POSTGRES_URL, prefix, passwords });
  for (const service of SERVICES) {
    const { applied } = await migrate({ url: urls[service], service });
    log.info({ service, applied }, 'up to date');
  }
} catch (err) {
  process.exitCode = 1;
  if (err instanceof ConfigError) log.fatal(err.message);
  else log.fatal({ err }, 'could not migrate');
}

/** What is made is what the service will use: role and database of another name would be made for nobody. */
function passwordOf(url: string, name: string): string {
  const { username, password, pathname } = new URL(url);
  if (username !== name || pathname !== `/${name}`)
    throw new ConfigError(
      `Role and database of a URL must both be "${name}" (NAME_PREFIX), not "${username}${pathname}".`,
    );
  return decodeURIComponent(password);
}
