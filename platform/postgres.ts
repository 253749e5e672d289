import { Pool, types, type PoolClient } from 'pg';

export type PoolSettings = {
  readonly url: string;
  /** Its share of the connection budget. */
  readonly max: number;
  /** Shown in pg_stat_activity. */
  readonly name: string;
  readonly statementTimeoutMs?: number;
  /** The server gives up first and says why; the client's own limit comes this much later, for a server that is silent. */
  readonly answerGraceMs?: number;
};

const DEFAULT_STATEMENT_TIMEOUT_MS = 10_000;
const CONNECT_TIMEOUT_MS = 5_000;
const IDLE_IN_TRANSACTION_TIMEOUT_MS = 30_000;
const DEFAULT_ANSWER_GRACE_MS = 2_000;

/**
 * A connection pool with a limit on everything. `bigint` columns arrive as numbers (minor units, counts); one that a
 * number cannot hold exactly throws a RangeError. `sum(bigint)` is `numeric` in PostgreSQL and stays a string: cast it.
 */
export function createPool(settings: PoolSettings): Pool {
  const statementTimeoutMs = settings.statementTimeoutMs ?? DEFAULT_STATEMENT_TIMEOUT_MS;
  const pool = new Pool({
    connectionString: settings.url,
    max: settings.max,
    application_name: settings.name,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    statement_timeout: statementTimeoutMs,
    query_timeout: statementTimeoutMs + (settings.answerGraceMs ?? DEFAULT_ANSWER_GRACE_MS),
    idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_TIMEOUT_MS,
    keepAlive: true,
    types: exactTypes,
  });
  // A connection that breaks between two queries has nobody to tell and would end the process. The pool drops an idle
  // one; the holder of one in use hears of it with the next query.
  pool.on('error', () => undefined);
  pool.on('connect', (client) => client.on('error', () => undefined));
  return pool;
}

/**
 * Runs `work` in one transaction: committed when it returns, rolled back when it throws. A connection that failed is
 * not given to anybody else. When the connection breaks during COMMIT the outcome is unknown: callers are idempotent.
 */
export async function transaction<T>(pool: Pool, work: (client: PoolClient) => Promise<T>): Promise<T> {
  const client = await pool.connect();
  let broken: Error | undefined;
  try {
    await client.query('begin');
    const result = await work(client);
    const { command } = await client.query('commit');
    // PostgreSQL answers COMMIT of a failed transaction with ROLLBACK and no error: `work` swallowed one.
    if (command !== 'COMMIT')
      throw new Error('the transaction was rolled back: a failed statement was ignored');
    return result;
  } catch (error) {
    await client.query('rollback').catch((cause: unknown) => {
      broken = new Error('the connection failed', { cause });
    });
    throw error;
  } finally {
    client.release(broken);
  }
}

const INT8 = 20;
const INT8_ARRAY = 1016;

function exactNumber(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value)) throw new RangeError(`bigint ${text} does not fit a number exactly`);
  return value;
}

type Parse = (text: string) => unknown;
const usualParser = types.getTypeParser as unknown as (oid: number, format?: string) => Parse;

function exactParser(oid: number, format?: string): Parse {
  const parse = usualParser(oid, format);
  if (format === 'binary') return parse;
  if (oid === INT8) return exactNumber;
  if (oid !== INT8_ARRAY) return parse;
  return (text) =>
    (parse(text) as (string | null)[]).map((item) => (item === null ? null : exactNumber(item)));
}

const exactTypes = { getTypeParser: exactParser as typeof types.getTypeParser };
