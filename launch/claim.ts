import pg from 'pg';

/** Any constant of ours, different from those of the migrations. */
const LOCK_CLASS = 7_218_003;

/**
 * Two checkouts on one PostgreSQL server would share databases of the same name while each has its own provider
 * simulator: donations of one could never be found by the other. The claim holds as long as this process lives.
 * undefined when another process holds it.
 */
export async function claimDatabases(
  adminUrl: string,
  prefix: string,
): Promise<{ release(): Promise<void> } | undefined> {
  const client = new pg.Client({
    connectionString: adminUrl,
    application_name: 'careforall-launcher',
    connectionTimeoutMillis: 5_000,
    keepAlive: true,
  });
  // The server going away is reported by those who need it for more than this.
  client.on('error', () => undefined);
  await client.connect();
  const { rows } = await client.query<{ held: boolean }>(
    'select pg_try_advisory_lock($1, hashtext($2)) as held',
    [LOCK_CLASS, prefix],
  );
  const release = async (): Promise<void> => {
    await client.end().catch(() => undefined);
  };
  if (rows[0]?.held === true) return { release };
  await release();
  return undefined;
}
