import pg from 'pg';
import { messageOf } from './component.ts';

export const OLDEST_MAJOR = 14;

export type Inspection =
  | {
      readonly usable: true;
      readonly version: string;
      readonly freeConnections: number;
      /** Null when the user may not know it. */
      readonly dataDir: string | null;
    }
  | { readonly usable: false; readonly why: string };

/** Connects and asks whether the user may create what the services need. */
export async function inspect(url: string): Promise<Inspection> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 3_000 });
  client.on('error', () => undefined);
  try {
    await client.connect();
    const { rows } = await client.query<{
      version: string;
      number: string;
      allowed: boolean;
      free: number;
      directory: string | null;
    }>(
      `select current_setting('server_version') as version, current_setting('server_version_num') as number,
              rolsuper or (rolcreatedb and rolcreaterole) as allowed,
              current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
                - (select count(*)::int from pg_stat_activity where backend_type = 'client backend') as free,
              case when rolsuper then current_setting('data_directory') end as directory
         from pg_roles where rolname = current_user`,
    );
    const answer = rows[0];
    if (answer === undefined) return { usable: false, why: 'its user is unknown' };
    const version = answer.version.split(' ')[0] ?? answer.version;
    if (Number(answer.number) < OLDEST_MAJOR * 10_000)
      return { usable: false, why: `version ${version} is older than ${OLDEST_MAJOR}` };
    if (!answer.allowed) return { usable: false, why: 'its user may not create databases and roles' };
    return { usable: true, version, freeConnections: answer.free, dataDir: answer.directory };
  } catch (error) {
    return { usable: false, why: messageOf(error) };
  } finally {
    await client.end().catch(() => undefined);
  }
}
