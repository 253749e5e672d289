/**
 * One relay, several uses: starts workflows, delivers webhooks, publishes outbox rows.
 *
 * Claim = one short UPDATE … SKIP LOCKED that commits before anything is delivered, so no transaction is
 * open during a delivery and a row that cannot be delivered blocks no other. Delivery is at least once: what is
 * delivered must be idempotent.
 */
import type { Pool } from 'pg';
import { createBatcher } from './batcher.ts';
import { ReceiverAway, type Breaker } from './breaker.ts';
import type { Logger } from './log.ts';

/** A table of pending work. All names and predicates are constants of ours, never input. */
export type RelayTable = {
  readonly name: string;
  readonly idColumn: string;
  readonly idType: 'uuid' | 'text';
  /** What `deliver` needs of a row. */
  readonly columns: string;
  /** True for a row that still has to be delivered. */
  readonly pending: string;
  /** The SET clause that says a row is delivered; `r` is its row of results with `outcome`. */
  readonly delivered: string;
};

export type Delivery =
  | { readonly kind: 'delivered'; readonly outcome?: string }
  /** Not now, through no fault of the row (an operation is in flight, the receiver is away): no back-off, no attempt. */
  | { readonly kind: 'later'; readonly afterMs: number; readonly reason?: string }
  | { readonly kind: 'failed'; readonly reason: string; readonly afterMs?: number }
  /** Never: kept aside for an operator. */
  | { readonly kind: 'parked'; readonly reason: string };

export type ClaimedRow = { readonly id: string; readonly attempts: number };

export type Relay = {
  /** Says that rows were written; the relay claims them at once. */
  readonly wake: () => void;
  /** Stops claiming and waits for what is being delivered. */
  readonly stop: () => Promise<void>;
};

export type RelayOptions<Row extends ClaimedRow> = {
  readonly pool: Pool;
  readonly table: RelayTable;
  readonly deliver: (row: Row) => Promise<Delivery>;
  readonly log: Logger;
  readonly concurrency: number;
  readonly leaseMs: number;
  /** How often to look without being woken: retries become due by time alone. */
  readonly pollMs: number;
  /** Only rows due for this long: a sweeper leaves fresh rows to the process that wrote them. */
  readonly minOverdueMs?: number;
  /** The breaker that `deliver` calls through: while it is open nothing is claimed, when it lets one call look, one row. */
  readonly receiver?: Pick<Breaker, 'admits'>;
};

const FIRST_RETRY_MS = 200;
const MAX_RETRY_MS = 5_000;
/** A receiver that is away: how long a row waits that was claimed already, and how often the breaker is looked at. */
const AWAY_MS = 250;

/** Exponential from 200 ms to 5 s: after an outage the backlog drains within seconds. */
export function retryDelayMs(attempts: number): number {
  return Math.min(MAX_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(attempts - 1, 10));
}

type Result = { id: string; delivery: Delivery; attempts: number };

export function startRelay<Row extends ClaimedRow>(options: RelayOptions<Row>): Relay {
  const { pool, table, deliver, concurrency, leaseMs, pollMs, minOverdueMs = 0, receiver } = options;
  const log = options.log.child({ relay: table.name });
  const sql = relaySql(table);

  let inFlight = 0;
  let stopping = false;
  let more = true;
  let notify: (() => void) | undefined;
  const changed = (): void => notify?.();

  const marks = createBatcher<Result, undefined>({
    maxBatch: concurrency,
    maxWaiting: concurrency * 4,
    run: async (results) => {
      await mark(pool, sql, results);
      return results.map(() => undefined);
    },
  });

  const handle = async (row: Row): Promise<void> => {
    let delivery: Delivery;
    try {
      delivery = await deliver(row);
    } catch (error) {
      const reason = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
      // The breaker has said so already, once for all rows.
      delivery =
        error instanceof ReceiverAway
          ? { kind: 'later', afterMs: AWAY_MS, reason }
          : { kind: 'failed', reason };
    }
    if (delivery.kind === 'failed')
      log.warn({ id: row.id, attempts: row.attempts, reason: delivery.reason }, 'not delivered, will retry');
    if (delivery.kind === 'parked') log.error({ id: row.id, reason: delivery.reason }, 'parked');
    try {
      await marks.add({ id: row.id, delivery, attempts: row.attempts });
    } catch (err) {
      // The lease expires and the row is delivered again.
      log.warn({ err, id: row.id }, 'could not mark a delivered row');
    }
  };

  const room = (): number => {
    const admitted = receiver?.admits() ?? 'all';
    if (admitted === 'all') return concurrency - inFlight;
    return admitted === 'one' && inFlight === 0 ? 1 : 0;
  };

  const claim = async (free: number): Promise<void> => {
    // Before the query: a wake that comes while it runs may speak of rows that it does not see.
    more = false;
    const { rows } = await pool.query<Row>(sql.claim, [free, leaseMs, minOverdueMs]);
    for (const row of rows) {
      inFlight += 1;
      void handle(row).finally(() => {
        inFlight -= 1;
        changed();
      });
    }
    if (rows.length === free) more = true;
  };

  const wait = (ms: number): Promise<void> =>
    new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        notify = undefined;
        resolve();
      };
      const timer = setTimeout(done, ms);
      notify = done;
    });

  const loop = (async () => {
    let failures = 0;
    while (!stopping) {
      if (!more) await wait(pollMs);
      if (stopping) break;
      const free = room();
      if (free <= 0) {
        more = true;
        await wait(Math.min(pollMs, AWAY_MS));
        continue;
      }
      try {
        await claim(free);
        failures = 0;
      } catch (err) {
        failures += 1;
        if (failures === 1) log.warn({ err }, 'cannot claim; the database may be down');
        more = false;
        await wait(retryDelayMs(failures));
      }
    }
    while (inFlight > 0) await wait(1_000);
    await marks.idle();
  })();

  return {
    wake: () => {
      more = true;
      changed();
    },
    stop: async () => {
      stopping = true;
      changed();
      await loop;
    },
  };
}

type RelaySql = {
  readonly claim: string;
  readonly delivered: string;
  readonly retry: string;
  readonly park: string;
};

function relaySql({ name, idColumn, idType, columns, pending, delivered }: RelayTable): RelaySql {
  return {
    // SKIP LOCKED: relays of several processes share the table without waiting for each other.
    claim: `
      UPDATE ${name} SET claimed_until = now() + $2 * interval '1 millisecond', attempts = attempts + 1
      WHERE ${idColumn} IN (
        SELECT ${idColumn} FROM ${name}
        WHERE ${pending} AND parked_at IS NULL AND next_attempt_at <= now() - $3 * interval '1 millisecond'
          AND (claimed_until IS NULL OR claimed_until < now())
        ORDER BY next_attempt_at LIMIT $1
        FOR NO KEY UPDATE SKIP LOCKED)
      RETURNING ${idColumn} AS id, attempts, ${columns}`,
    delivered: `
      UPDATE ${name} t SET ${delivered}, claimed_until = NULL, last_error = NULL
      FROM unnest($1::${idType}[], $2::text[]) AS r(id, outcome) WHERE t.${idColumn} = r.id`,
    retry: `
      UPDATE ${name} t SET claimed_until = NULL, next_attempt_at = now() + r.after_ms * interval '1 millisecond',
        last_error = coalesce(r.reason, t.last_error), attempts = t.attempts - CASE WHEN r.counts THEN 0 ELSE 1 END
      FROM unnest($1::${idType}[], $2::float8[], $3::text[], $4::boolean[]) AS r(id, after_ms, reason, counts)
      WHERE t.${idColumn} = r.id AND ${pending}`,
    park: `
      UPDATE ${name} t SET claimed_until = NULL, parked_at = now(), last_error = r.reason
      FROM unnest($1::${idType}[], $2::text[]) AS r(id, reason) WHERE t.${idColumn} = r.id AND ${pending}`,
  };
}

async function mark(pool: Pool, sql: RelaySql, results: readonly Result[]): Promise<void> {
  const done: [string, string | null][] = [];
  const again: [string, number, string | null, boolean][] = [];
  const parked: [string, string][] = [];
  for (const { id, delivery, attempts } of results) {
    switch (delivery.kind) {
      case 'delivered':
        done.push([id, delivery.outcome ?? null]);
        break;
      case 'later':
        again.push([
          id,
          delivery.afterMs,
          delivery.reason === undefined ? null : storable(delivery.reason),
          false,
        ]);
        break;
      case 'failed':
        again.push([id, delivery.afterMs ?? retryDelayMs(attempts), storable(delivery.reason), true]);
        break;
      case 'parked':
        parked.push([id, storable(delivery.reason)]);
        break;
      default:
        delivery satisfies never;
    }
  }
  if (done.length > 0) await pool.query(sql.delivered, toColumns(done, 2));
  if (again.length > 0) await pool.query(sql.retry, toColumns(again, 4));
  if (parked.length > 0) await pool.query(sql.park, toColumns(parked, 2));
}

const MAX_REASON_LENGTH = 1_000;

/** PostgreSQL has no NUL: one in an error's message would fail the marks of the whole batch, again and again. */
function storable(reason: string): string {
  return reason.replaceAll('\0', '').slice(0, MAX_REASON_LENGTH);
}

/** Rows to the column arrays that `unnest` takes. */
function toColumns(rows: readonly (readonly unknown[])[], width: number): unknown[][] {
  return Array.from({ length: width }, (_, index) => rows.map((row) => row[index]));
}
