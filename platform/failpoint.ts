import { renameSync } from 'node:fs';
import { join } from 'node:path';

/**
 * A place where a test may let this process die the way a power cut would: kill -9, no handler, nothing flushed.
 * Armed by a file of its name in the directory; renaming it is the atomic claim, so exactly one process dies, once.
 */
export type Failpoint = (name: FailpointName) => void;

export type FailpointName =
  | 'accept.stored'
  | 'start.claimed'
  | 'start.started'
  | 'pledge.before-commit'
  | 'pledge.committed'
  | 'provider.before-call'
  | 'provider.answer-read'
  | 'payment.recorded'
  | 'totals.before-commit'
  | 'totals.committed'
  | 'outcome.committed'
  | 'outbox.published'
  | 'webhook.stored'
  | 'webhook.claimed'
  | 'webhook.delivered'
  | 'event.applied'
  | 'reconciliation.page';

export function createFailpoint(directory: string | undefined): Failpoint {
  if (directory === undefined) return () => undefined;
  return (name) => {
    const armed = join(directory, name);
    try {
      renameSync(armed, `${armed}.fired`);
    } catch {
      return; // not armed
    }
    process.kill(process.pid, 'SIGKILL');
    // SIGKILL is delivered asynchronously: block this thread so that not one more statement runs.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10_000);
  };
}
