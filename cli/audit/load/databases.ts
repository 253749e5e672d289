/** The databases that money is written in, read-only, each seen as it was at one moment. */
import type { Pool, PoolClient, QueryResultRow } from 'pg';
import { createPool } from '../../../platform/postgres.ts';
import { reaching } from '../../problem.ts';

const STATEMENT_TIMEOUT_MS = 120_000;
/**
 * A donation's request is committed before all that follows from it, so its database is looked at last: what the other
 * snapshots show of a donation has its request in this one.
 */
const SNAPSHOT_ORDER = ['notifications', 'campaigns', 'payments', 'donations'] as const;
/** Whose books are compared; accounts have nothing to do with money. */
export type BookService = (typeof SNAPSHOT_ORDER)[number];

export type Snapshot = {
  query<Row extends QueryResultRow>(
    service: BookService,
    text: string,
    values?: readonly unknown[],
  ): Promise<Row[]>;
  close(): Promise<void>;
};

export type Databases = {
  /** The time of the donations database: rows' times are compared with it, not with this machine's clock. */
  now(): Promise<Date>;
  snapshot(): Promise<Snapshot>;
  close(): Promise<void>;
};

export function openDatabases(urls: Readonly<Record<BookService, string>>): Databases {
  const pools = Object.fromEntries(
    SNAPSHOT_ORDER.map((service) => [
      service,
      createPool({
        url: readOnly(urls[service]),
        max: 1,
        name: 'careforall-audit',
        statementTimeoutMs: STATEMENT_TIMEOUT_MS,
      }),
    ]),
  ) as Record<BookService, Pool>;

  return {
    now: () =>
      reaching('The donations database', async () => {
        const { rows } = await pools.donations.query<{ now: Date }>('SELECT now()');
        return rows[0]?.now ?? new Date();
      }),
    snapshot: () => openSnapshot(pools),
    close: async () => {
      await Promise.all(Object.values(pools).map((pool) => pool.end()));
    },
  };
}

async function openSnapshot(pools: Readonly<Record<BookService, Pool>>): Promise<Snapshot> {
  const clients = new Map<BookService, PoolClient>();
  const close = async (): Promise<void> => {
    for (const client of clients.values()) {
      const broken = await client.query('ROLLBACK').then(
        () => false,
        () => true,
      );
      client.release(broken);
    }
    clients.clear();
  };
  try {
    for (const service of SNAPSHOT_ORDER) {
      await reaching(`The ${service} database`, async () => {
        const client = await pools[service].connect();
        clients.set(service, client);
        await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
        // Pages are read between other work: the snapshot must outlive the pauses.
        await client.query(`SET LOCAL idle_in_transaction_session_timeout = '10min'`);
        await client.query('SELECT 1');
      });
    }
  } catch (error) {
    await close();
    throw error;
  }
  return {
    query: <Row extends QueryResultRow>(
      service: BookService,
      text: string,
      values: readonly unknown[] = [],
    ) =>
      reaching(`The ${service} database`, async () => {
        const client = clients.get(service);
        if (client === undefined) throw new Error('the snapshot is closed');
        return (await client.query<Row>(text, [...values])).rows;
      }),
    close,
  };
}

/** The server itself refuses every write on such a connection, whatever a query says. */
function readOnly(url: string): string {
  const address = new URL(url);
  const options = address.searchParams.get('options');
  address.searchParams.set(
    'options',
    `${options === null ? '' : `${options} `}-c default_transaction_read_only=on`,
  );
  return address.href;
}
