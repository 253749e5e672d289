import type { Client } from '@temporalio/client';
import type { Breaker } from '../platform/breaker.ts';
import type { Policy } from '../platform/config.ts';
import type { Failpoint } from '../platform/failpoint.ts';
import type { Logger } from '../platform/log.ts';
import type { ClaimedRow, RelayOptions } from '../platform/relay.ts';
import type { Queues } from '../workflows/messages.ts';

/** What the relays towards Temporal share: in the process that writes the rows, and in the sweeper. */
export type RelaySettings = {
  readonly temporal: { readonly client: Client; readonly breaker: Breaker };
  readonly queues: Queues;
  readonly policy: Policy;
  readonly failpoint: Failpoint;
  readonly log: Logger;
  /** Default: that of the process which writes the rows. */
  readonly concurrency?: number;
  readonly minOverdueMs?: number;
};

const POLL_MS = 1_000;
const CONCURRENCY = 64;

export function relayOptions(
  settings: RelaySettings,
): Pick<
  RelayOptions<ClaimedRow>,
  'log' | 'concurrency' | 'leaseMs' | 'pollMs' | 'minOverdueMs' | 'receiver'
> {
  return {
    log: settings.log,
    concurrency: settings.concurrency ?? CONCURRENCY,
    leaseMs: settings.policy.leaseMs,
    pollMs: POLL_MS,
    minOverdueMs: settings.minOverdueMs ?? 0,
    receiver: settings.temporal.breaker,
  };
}
