import { Socket } from 'node:net';
import { Client } from 'pg';
import { MigrationChangedError, migrationState, readMigrations } from '../../platform/migrations.ts';
import type { Service } from '../../platform/databases.ts';
import type { Answer, Limits } from './probe.ts';

const FEW_CONNECTIONS = 10;

export async function askServer(url: string, limits: Limits): Promise<Answer> {
  return await connected(url, limits, async (client) => {
    const { rows } = await client.query<{
      version: string;
      standby: boolean;
      used: number;
      max: number;
    }>(
      `SELECT current_setting('server_version') AS version, pg_is_in_recovery() AS standby,
              (SELECT sum(numbackends)::int FROM pg_stat_database) AS used, current_setting('max_connections')::int AS max`,
    );
    const [server] = rows;
    if (server === undefined) return { health: 'unhealthy', detail: 'it says nothing about itself' };
    const { standby, used, max } = server;
    const version = server.version.split(' ')[0] ?? server.version;
    const detail = `${used} of ${max} connections in use`;
    if (standby)
      return {
        health: 'unhealthy',
        version,
        detail: 'it is a standby, which takes no writes',
        fix: 'give the address of the primary',
      };
    if (max - used < FEW_CONNECTIONS)
      return {
        health: 'attention',
        version,
        detail,
        fix: 'raise max_connections, or end who does not need theirs',
      };
    return { version, detail };
  });
}

/** Whether it can be reached as its service's role, and is at the schema that this checkout knows. */
export async function askDatabase(service: Service, url: string, limits: Limits): Promise<Answer> {
  const known = await readMigrations(service);
  return await connected(url, limits, async (client) => {
    try {
      const { pending } = await migrationState(client, service, known);
      const detail = `${known.length - pending.length} of ${known.length} migrations applied`;
      if (pending.length === 0) return { detail };
      const names = pending.map(({ name }) => name).join(', ');
      return { health: 'unhealthy', detail: `${detail}, not ${names}`, fix: '`npm start` applies them' };
    } catch (error) {
      if (!(error instanceof MigrationChangedError)) throw error;
      return {
        health: 'unhealthy',
        detail: 'a migration was changed after it was applied',
        fix: error.message,
      };
    }
  });
}

async function connected(
  url: string,
  { signal }: Limits,
  ask: (client: Client) => Promise<Answer>,
): Promise<Answer> {
  const client = new Client({
    connectionString: url,
    application_name: 'careforall-doctor',
    // A socket of ours ends with the signal; the client's own would wait for a silent server.
    stream: () => new Socket({ signal }),
  });
  client.on('error', () => undefined);
  await client.connect();
  const answer = await ask(client);
  await client.end();
  return answer;
}
