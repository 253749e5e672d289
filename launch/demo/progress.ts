/** What can be seen of the storm while it lasts. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Donors } from '../stage/donors.ts';
import type { LiveLine } from '../stage/live-line.ts';
import type { Stage } from '../stage/stage.ts';

const LOOK_EVERY_MS = 500;

/** Shows numbers until it is disposed of. */
export function showProgress(
  stage: Stage,
  donors: Donors,
  expected: number,
  line: LiveLine,
): AsyncDisposable {
  const ended = new AbortController();
  const showing = (async (): Promise<void> => {
    while (!ended.signal.aborted) {
      // A look that fails is no part of the story: the next one comes.
      const text = await look(stage, donors, expected).catch(() => undefined);
      if (text !== undefined && !ended.signal.aborted) line.update(text);
      await sleep(LOOK_EVERY_MS, undefined, { signal: ended.signal }).catch(() => undefined);
    }
  })();
  return {
    async [Symbol.asyncDispose]() {
      ended.abort();
      await showing;
      line.end();
    },
  };
}

async function look(stage: Stage, donors: Donors, expected: number): Promise<string> {
  const { accepted, repeats } = donors.totals();
  const [pledges, webhooks, fired, flushes] = await Promise.all([
    stage.pools.donations.query<{ captured: number; failed: number }>(
      `SELECT count(*) FILTER (WHERE status = 'CAPTURED')::int AS captured,
              count(*) FILTER (WHERE status = 'FAILED')::int AS failed FROM pledges`,
    ),
    stage.simulator.webhooks(),
    stage.simulator.fired(),
    stage.redis?.flushes() ?? 0,
  ]);
  const { captured = 0, failed = 0 } = pledges.rows[0] ?? {};
  // Latency is weather, not damage.
  const { latency: _, ...damage } = fired;
  const faults =
    Object.values(damage).reduce((sum, count) => sum + count, 0) + stage.processes.killed() + flushes;
  return [
    `accepted ${accepted}/${expected}`,
    `captured ${captured}`,
    `failed ${failed}`,
    `retries answered ${repeats}`,
    `webhooks ${webhooks.attempts}`,
    `faults ${faults}`,
  ].join('  ');
}
