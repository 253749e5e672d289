/** Rows for a relay to deliver, in the tables that have one. */
import { createHash, randomUUID } from 'node:crypto';
import type { Pool } from 'pg';
import { OUTBOX_TABLE, type OutboxRow } from '../../../events/outbox.ts';
import { createLogger } from '../../../platform/log.ts';
import { startRelay, type Delivery, type Relay, type RelayOptions } from '../../../platform/relay.ts';

export const silent = createLogger('test', 'silent');

/** Writes outbox rows, due as long ago as told, and gives their ids in the order they are due. */
export async function insertRows(pool: Pool, count: number, overdueMs = 0): Promise<string[]> {
  const ids = Array.from({ length: count }, () => randomUUID());
  await pool.query(
    `INSERT INTO outbox_events (id, aggregate_id, version, type, payload, next_attempt_at)
     SELECT id, gen_random_uuid(), 1, 'test.v1', '{}', now() - $2 * interval '1 millisecond' + n * interval '1 microsecond'
     FROM unnest($1::uuid[]) WITH ORDINALITY AS t(id, n)`,
    [ids, overdueMs],
  );
  return ids;
}

export async function insertRequests(pool: Pool, count: number): Promise<string[]> {
  const ids = Array.from({ length: count }, () => randomUUID());
  await pool.query(
    `INSERT INTO donation_requests (id, scope, idempotency_key, fingerprint, campaign_id, amount, currency, payment_method, body)
     SELECT id, 'guest', id::text, $2, gen_random_uuid(), 2500, 'USD', 'pm_card_visa', '{}' FROM unnest($1::uuid[]) AS id`,
    [ids, createHash('sha256').digest()],
  );
  return ids;
}

export async function insertWebhooks(pool: Pool, count: number): Promise<string[]> {
  const ids = Array.from({ length: count }, () => `evt_${randomUUID()}`);
  await pool.query(
    `INSERT INTO webhook_events (event_id, type, object_id, livemode, payload)
     SELECT id, 'test', 'pi_1', false, '{}' FROM unnest($1::text[]) AS id`,
    [ids],
  );
  return ids;
}

export type RowState = {
  readonly processed: boolean;
  readonly attempts: number;
  readonly claimed: boolean;
  readonly last_error: string | null;
  readonly parked: boolean;
  readonly due_in_ms: number;
};

export async function stateOf(pool: Pool, id: string | undefined): Promise<RowState> {
  const { rows } = await pool.query<RowState>(
    `SELECT processed, attempts, claimed_until IS NOT NULL AS claimed, last_error, parked_at IS NOT NULL AS parked,
       (extract(epoch FROM next_attempt_at - now()) * 1000)::float8 AS due_in_ms
     FROM outbox_events WHERE id = $1`,
    [id],
  );
  const [row] = rows;
  if (row === undefined) throw new Error(`no row ${String(id)}`);
  return row;
}

export async function unprocessed(pool: Pool): Promise<number> {
  const { rows } = await pool.query<{ count: number }>(
    'SELECT count(*) AS count FROM outbox_events WHERE NOT processed AND parked_at IS NULL',
  );
  return rows[0]?.count ?? -1;
}

export const DELIVERED: Delivery = { kind: 'delivered' };

/** Polls so rarely that in a test nothing happens by time alone. */
export const NEVER_MS = 3_600_000;

export function relay(
  pool: Pool,
  deliver: (row: OutboxRow) => Promise<Delivery>,
  options: Partial<RelayOptions<OutboxRow>> = {},
): Relay {
  return startRelay<OutboxRow>({
    pool,
    table: OUTBOX_TABLE,
    deliver,
    log: silent,
    concurrency: 16,
    leaseMs: 30_000,
    pollMs: 20,
    ...options,
  });
}

/** A promise that a test resolves. */
export function gate(): { readonly opened: Promise<void>; readonly open: () => void } {
  const { promise, resolve } = Promise.withResolvers<undefined>();
  return { opened: promise.then(() => undefined), open: () => resolve(undefined) };
}
