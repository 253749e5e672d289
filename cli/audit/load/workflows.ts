/** What Temporal says of the donations' workflows: the newest run of each, and what it returned. */
import { WorkflowNotFoundError, type Client, type WorkflowExecutionInfo } from '@temporalio/client';
import { z } from 'zod';
import type { WorkflowRun, WorkflowStatus } from '../snapshot.ts';
import { reaching } from '../../problem.ts';
import { eachOf } from './provider.ts';

export type Workflows = {
  /** The newest run of every workflow that Temporal's visibility knows, by workflow id. */
  list(): Promise<Map<string, WorkflowRun>>;
  /** Asked one by one: visibility may lag behind. */
  describe(workflowIds: readonly string[]): Promise<Map<string, WorkflowRun>>;
  /** The same runs, completed ones with what they returned. One question each: it takes its time. */
  withResults(runs: ReadonlyMap<string, WorkflowRun>): Promise<Map<string, WorkflowRun>>;
  retentionMs(): Promise<number | null>;
};

const PAGE_SIZE = 1_000;
const CONCURRENT = 64;

const settled = z.object({ status: z.string(), version: z.number() });

export function temporalWorkflows(client: Client, taskQueue: string): Workflows {
  const asking = <T>(work: () => Promise<T>): Promise<T> => reaching('Temporal', work);
  return {
    list: () =>
      asking(async () => {
        const newest = new Map<string, WorkflowRun>();
        const query = `WorkflowType IN ('donation', 'aftercare') AND TaskQueue = '${taskQueue}'`;
        for await (const info of client.workflow.list({ query, pageSize: PAGE_SIZE })) {
          const run = toRun(info);
          const known = newest.get(info.workflowId);
          if (known === undefined || isNewer(run, known)) newest.set(info.workflowId, run);
        }
        return newest;
      }),
    describe: (workflowIds) =>
      asking(
        async () =>
          new Map(
            await eachOf(
              workflowIds,
              CONCURRENT,
              async (workflowId): Promise<readonly [string, WorkflowRun][]> => {
                try {
                  return [[workflowId, toRun(await client.workflow.getHandle(workflowId).describe())]];
                } catch (error) {
                  if (error instanceof WorkflowNotFoundError) return [];
                  throw error;
                }
              },
            ),
          ),
      ),
    withResults: (runs) =>
      asking(
        async () =>
          new Map(
            await eachOf(
              [...runs],
              CONCURRENT,
              async ([workflowId, run]): Promise<readonly [string, WorkflowRun][]> => {
                if (run.status !== 'COMPLETED') return [[workflowId, run]];
                const returned = settled.safeParse(
                  await client.workflow.getHandle(workflowId, run.runId, { followRuns: false }).result(),
                );
                return [
                  [
                    workflowId,
                    {
                      ...run,
                      result: returned.success ? returned.data : { status: 'unreadable', version: 0 },
                    },
                  ],
                ];
              },
            ),
          ),
      ),
    retentionMs: () =>
      asking(async () => {
        const { namespace } = client.options;
        const described = await client.workflowService.describeNamespace({ namespace });
        const seconds = described.config?.workflowExecutionRetentionTtl?.seconds;
        return seconds == null ? null : Number(seconds) * 1_000;
      }),
  };
}

/** A reset ends one run and starts another; only one of them can be running. */
function isNewer(run: WorkflowRun, known: WorkflowRun): boolean {
  if (run.status === 'RUNNING' || known.status === 'RUNNING') return run.status === 'RUNNING';
  return run.startedAt > known.startedAt;
}

function toRun(
  info: Pick<WorkflowExecutionInfo, 'runId' | 'status' | 'startTime' | 'typedSearchAttributes'> & {
    readonly closeTime?: Date | undefined;
  },
): WorkflowRun {
  return {
    runId: info.runId,
    status: statusOf(info.status.name),
    startedAt: info.startTime,
    closedAt: info.closeTime ?? null,
    needsAttention: info.typedSearchAttributes
      .getAll()
      .some(({ key, value }) => key.name === 'NeedsAttention' && value === true),
    result: null,
  };
}

function statusOf(name: string): WorkflowStatus {
  switch (name) {
    case 'RUNNING':
    case 'COMPLETED':
    case 'FAILED':
    case 'CANCELLED':
    case 'TERMINATED':
    case 'CONTINUED_AS_NEW':
    case 'TIMED_OUT':
      return name;
    default:
      return 'UNKNOWN';
  }
}
