/** The relay of one service's outbox to RabbitMQ. */
import type { Pool } from 'pg';
import type { Failpoint } from '../platform/failpoint.ts';
import type { Logger } from '../platform/log.ts';
import type { Broker } from '../platform/rabbit.ts';
import { startRelay, type Relay } from '../platform/relay.ts';
import { OUTBOX_TABLE, publishOutboxRow, type OutboxRow } from './outbox.ts';
import { SUBSCRIPTIONS } from './topology.ts';

const CONCURRENCY = 128;
const POLL_MS = 1_000;

/** Without a broker the rows wait: they are part of what was committed. */
export function startOutboxRelay(options: {
  readonly service: string;
  readonly pool: Pool;
  readonly broker: Broker | null;
  readonly failpoint: Failpoint;
  readonly log: Logger;
  readonly leaseMs: number;
  readonly minOverdueMs?: number;
}): Relay {
  const { service, pool, broker, failpoint, log, leaseMs, minOverdueMs = 0 } = options;
  if (broker === null) return { wake: () => undefined, stop: () => Promise.resolve() };
  // Before the first row: what no queue is bound to, the broker confirms and drops.
  let declared = false;
  const declaring = Promise.all(
    Object.entries(SUBSCRIPTIONS).map(([queue, types]) => broker.declare(queue, types)),
  );
  void declaring.then(() => {
    declared = true;
  });
  return startRelay<OutboxRow>({
    pool,
    table: OUTBOX_TABLE,
    deliver: publishOutboxRow(broker, failpoint),
    log: log.child({ outbox: service }),
    concurrency: CONCURRENCY,
    leaseMs,
    pollMs: POLL_MS,
    minOverdueMs,
    receiver: { admits: () => (declared ? broker.breaker.admits() : 'none') },
  });
}
