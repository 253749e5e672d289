/** Carries out what was planned: every reset first, then the new runs are followed together. */
import type { Client } from '@temporalio/client';
import { eachOf } from '../audit/load/provider.ts';
import { CommandProblem, EXIT, reaching, reasonOf } from '../problem.ts';
import type { Planned } from './plan.ts';
import { startAgain } from './requests.ts';
import { followRun, resetToFirstTask, type Ending } from './runs.ts';

export type Replayed = Planned & {
  /** Null when nothing was done, or when the relay is yet to start it. */
  readonly newRunId: string | null;
  readonly done: boolean;
  /** Why it could not be done. */
  readonly problem: string | null;
  /** Null unless the new run was followed. */
  readonly ended: Ending | null;
};

export type ReplayOptions = {
  readonly client: Client;
  /** Needed to start a request again. */
  readonly donationsUrl: string | undefined;
  readonly reason: string;
  /** Null: nobody waits. */
  readonly waitMs: number | null;
};

/** A reset is heavy for the server: it writes a history anew. */
const CONCURRENT_RESETS = 8;
const CONCURRENT_FOLLOWERS = 64;

export async function replay(
  planned: readonly Planned[],
  options: ReplayOptions,
): Promise<readonly Replayed[]> {
  const begun = await eachOf(planned, CONCURRENT_RESETS, async (one) => [await begin(one, options)]);
  const { client, waitMs } = options;
  if (waitMs === null) return begun;
  const deadline = Date.now() + waitMs;
  return await reaching('Temporal', () =>
    eachOf(begun, CONCURRENT_FOLLOWERS, async (one) => [
      one.done ? { ...one, ended: await followRun(client, one.workflowId, one.newRunId, deadline) } : one,
    ]),
  );
}

/** One that cannot be replayed does not keep the others from it. */
async function begin(one: Planned, { client, donationsUrl, reason }: ReplayOptions): Promise<Replayed> {
  const nothing: Replayed = { ...one, newRunId: null, done: false, problem: null, ended: null };
  const { workflowId, run, action } = one;
  try {
    switch (action.kind) {
      case 'reset': {
        if (run === null) return nothing;
        const newRunId = await resetToFirstTask(client, { workflowId, runId: run.runId }, reason);
        return { ...nothing, newRunId, done: true };
      }
      case 'start again': {
        const id = one.request?.id;
        if (id === undefined || donationsUrl === undefined) return nothing;
        if (await startAgain(donationsUrl, id)) return { ...nothing, done: true };
        throw new CommandProblem('the donation has come to its end meanwhile', EXIT.findings);
      }
      case 'leave':
      case 'superseded':
        return nothing;
      default:
        return action satisfies never;
    }
  } catch (error) {
    return { ...nothing, problem: reasonOf(error) };
  }
}
