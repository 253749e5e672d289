/** Reconciliation begins by itself: hourly what is new, daily everything, hourly the rules of the databases. */
import {
  ScheduleAlreadyRunning,
  type Client,
  type ScheduleOptions,
  type ScheduleUpdateOptions,
} from '@temporalio/client';
import type { ReconciliationKind } from '../domain/reconciliation.ts';
import type { ReconciliationSettings } from '../platform/config.ts';
import type { Logger } from '../platform/log.ts';
import { reconciliationSchedules } from '../platform/temporal.ts';
import type { Queues, ReconciliationInput } from '../workflows/messages.ts';

type ScheduleDeps = {
  readonly prefix: string;
  readonly settings: ReconciliationSettings;
  readonly queues: Queues;
};

const RETRY_MS = 5_000;

/** Temporal may be away when a process starts: they are set up as soon as it is there. */
export function keepSchedules(client: Client, deps: ScheduleDeps, log: Logger): { stop(): void } {
  let timer: NodeJS.Timeout | undefined;
  let stopped = false;
  const attempt = (): void => {
    ensureSchedules(client, deps).catch((err: unknown) => {
      log.warn({ err }, 'the schedules of reconciliation could not be set up yet');
      if (!stopped) timer = setTimeout(attempt, RETRY_MS);
    });
  };
  attempt();
  return {
    stop: () => {
      stopped = true;
      clearTimeout(timer);
    },
  };
}

/** Created, or brought up to the settings; one that an operator has paused stays so. */
async function ensureSchedules(client: Client, deps: ScheduleDeps): Promise<void> {
  const { prefix, settings, queues } = deps;
  const { deltaEveryMs, fullEveryMs, invariantsEveryMs, ...policy } = settings;
  const everyMs = { delta: deltaEveryMs, full: fullEveryMs, invariants: invariantsEveryMs };
  for (const [kind, scheduleId] of Object.entries(reconciliationSchedules(prefix)) as [
    ReconciliationKind,
    string,
  ][]) {
    const input: ReconciliationInput = {
      kind,
      dryRun: false,
      sinceMs: null,
      whenBusy: 'wait',
      policy,
      queues,
    };
    const wanted = {
      spec: { intervals: [{ every: everyMs[kind] }] },
      action: {
        type: 'startWorkflow',
        workflowType: 'reconciliation',
        workflowId: scheduleId,
        taskQueue: queues.donations,
        args: [input],
      },
      // What was missed while Temporal was away is in the window of the next run.
      policies: { overlap: 'SKIP', catchupWindow: '1 minute' },
    } satisfies Omit<ScheduleOptions, 'scheduleId'>;
    try {
      await client.schedule.create({ scheduleId, ...wanted });
    } catch (error) {
      if (!(error instanceof ScheduleAlreadyRunning)) throw error;
      await client.schedule
        .getHandle(scheduleId)
        .update(({ state }): ScheduleUpdateOptions => ({ ...wanted, state }));
    }
  }
}
