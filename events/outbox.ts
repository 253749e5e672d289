/** The transactional outbox: an event is a row of the transaction that made it true, and is published from there. */
import { createHash } from 'node:crypto';
import type { ClientBase } from 'pg';
import { uuidV8 } from '../domain/ids.ts';
import type { Failpoint } from '../platform/failpoint.ts';
import type { Broker } from '../platform/rabbit.ts';
import type { ClaimedRow, Delivery, RelayTable } from '../platform/relay.ts';
import { activeTraceparent, inSpan } from '../platform/telemetry.ts';
import type { EventType, OutboxEvent } from './contracts.ts';

/** The same fact always gets the same id, so a replay adds no row and consumers see a repetition as one. */
export function outboxEventId(aggregateId: string, version: number, type: EventType): string {
  return uuidV8(createHash('sha256').update(`${aggregateId}:${version}:${type}`).digest());
}

/** Writes events within the caller's transaction. */
export async function insertOutboxEvents(client: ClientBase, events: readonly OutboxEvent[]): Promise<void> {
  if (events.length === 0) return;
  const traceparent = activeTraceparent();
  await client.query({
    name: 'outbox-insert',
    text: `INSERT INTO outbox_events (id, aggregate_id, version, type, payload, traceparent)
           SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::int[], $4::text[], $5::jsonb[], $6::text[])
           ON CONFLICT DO NOTHING`,
    values: [
      events.map((event) => outboxEventId(event.aggregateId, event.version, event.type)),
      events.map((event) => event.aggregateId),
      events.map((event) => event.version),
      events.map((event) => event.type),
      events.map((event) => JSON.stringify(event.payload)),
      events.map(() => traceparent),
    ],
  });
}

export const OUTBOX_TABLE: RelayTable = {
  name: 'outbox_events',
  idColumn: 'id',
  idType: 'uuid',
  columns: 'type, payload, traceparent',
  pending: 'NOT processed',
  delivered: 'processed = true, processed_at = now()',
};

export type OutboxRow = ClaimedRow & {
  readonly type: string;
  readonly payload: unknown;
  readonly traceparent: string | null;
};

/** Publishes one row; done only when the broker has confirmed. */
export function publishOutboxRow(
  broker: Broker,
  failpoint: Failpoint,
): (row: OutboxRow) => Promise<Delivery> {
  return (row) =>
    inSpan(
      `publish ${row.type}`,
      { traceparent: row.traceparent, attributes: { 'messaging.message.id': row.id } },
      async () => {
        await broker.publish({
          id: row.id,
          type: row.type,
          traceparent: activeTraceparent(),
          content: Buffer.from(JSON.stringify(row.payload)),
        });
        failpoint('outbox.published');
        return { kind: 'delivered' };
      },
    );
}
