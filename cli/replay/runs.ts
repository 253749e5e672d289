/** Runs of workflows: the newest one, its reset to the beginning, and how the run after that ends. */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  isGrpcServiceError,
  ServiceError,
  WorkflowFailedError,
  WorkflowNotFoundError,
  type Client,
} from '@temporalio/client';
import { z } from 'zod';
import { CommandProblem, EXIT, reasonOf } from '../problem.ts';

export type Run = { readonly runId: string; readonly status: string };

export type Ending = {
  /** Temporal's; `NOT STARTED` when nobody has started it in time. */
  readonly status: string;
  /** What a completed run returned. */
  readonly result: { readonly status: string; readonly version: number } | null;
  /** Why it ended otherwise. */
  readonly reason: string | null;
};

/** temporal.api.enums.v1.ResetReapplyType: signals and updates of the old run go into the new one. */
const ALL_ELIGIBLE = 3;
/** temporal.api.enums.v1.EventType */
const WORKFLOW_TASK_SCHEDULED = 5;
const WORKFLOW_TASK_COMPLETED = 7;
const PAGE_SIZE = 250;
/** https://grpc.io/docs/guides/status-codes/ */
const DEADLINE_EXCEEDED = 4;
const LOOK_EVERY_MS = 200;

const settled = z.object({ status: z.string(), version: z.number() });

/** Null when Temporal knows no workflow of that id. */
export async function newestRun(client: Client, workflowId: string): Promise<Run | null> {
  try {
    const { runId, status } = await client.workflow.getHandle(workflowId).describe();
    return { runId, status: status.name };
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return null;
    throw error;
  }
}

/** As `temporal workflow reset --type FirstWorkflowTask` does it; returns the id of the new run. */
export async function resetToFirstTask(
  client: Client,
  execution: { readonly workflowId: string; readonly runId: string },
  reason: string,
): Promise<string> {
  const { namespace, identity } = client.options;
  const { runId } = await client.workflowService.resetWorkflowExecution({
    namespace,
    workflowExecution: execution,
    reason,
    identity,
    requestId: randomUUID(),
    workflowTaskFinishEventId: await firstTaskEnd(client, execution),
    resetReapplyType: ALL_ELIGIBLE,
  });
  return runId;
}

/** The end of the first workflow task that was completed; of a run without one, what follows its first scheduling. */
async function firstTaskEnd(
  client: Client,
  execution: { readonly workflowId: string; readonly runId: string },
) {
  const { namespace } = client.options;
  let scheduled;
  let nextPageToken: Uint8Array | null | undefined;
  do {
    const page = await client.workflowService.getWorkflowExecutionHistory({
      namespace,
      execution,
      maximumPageSize: PAGE_SIZE,
      ...(nextPageToken == null ? {} : { nextPageToken }),
    });
    for (const { eventType, eventId } of page.history?.events ?? []) {
      if (isCode(eventType ?? 0, WORKFLOW_TASK_COMPLETED) && eventId != null) return eventId;
      if (isCode(eventType ?? 0, WORKFLOW_TASK_SCHEDULED)) scheduled ??= eventId;
    }
    ({ nextPageToken } = page);
  } while (nextPageToken != null && nextPageToken.length > 0);
  if (scheduled == null)
    throw new CommandProblem('its history holds no workflow task to go back to', EXIT.findings);
  return scheduled.add(1);
}

/** Follows a run to its end, or to the deadline; without an id, the run that somebody is about to start. */
export async function followRun(
  client: Client,
  workflowId: string,
  runId: string | null,
  deadline: number,
): Promise<Ending> {
  const followed = runId ?? (await startedRun(client, workflowId, deadline));
  if (followed === null) return { status: 'NOT STARTED', result: null, reason: null };
  const handle = client.workflow.getHandle(workflowId, followed, { followRuns: false });
  try {
    const returned = settled.safeParse(await client.withDeadline(deadline, () => handle.result()));
    return { status: 'COMPLETED', result: returned.success ? returned.data : null, reason: null };
  } catch (error) {
    if (isDeadline(error)) return { status: 'RUNNING', result: null, reason: null };
    if (!(error instanceof WorkflowFailedError)) throw error;
    const { status } = await handle.describe();
    return { status: status.name, result: null, reason: reasonOf(error) };
  }
}

async function startedRun(client: Client, workflowId: string, deadline: number): Promise<string | null> {
  for (;;) {
    const run = await newestRun(client, workflowId);
    if (run !== null) return run.runId;
    if (Date.now() + LOOK_EVERY_MS > deadline) return null;
    await sleep(LOOK_EVERY_MS);
  }
}

function isDeadline(error: unknown): boolean {
  const cause = error instanceof ServiceError ? error.cause : error;
  return isGrpcServiceError(cause) && isCode(cause.code, DEADLINE_EXCEEDED);
}

/** Two numbers to compare, where the compiler sees an enum of a package that is not ours to import. */
function isCode(found: number, wanted: number): boolean {
  return found === wanted;
}
