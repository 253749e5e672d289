/** What a replay does with one workflow. Decided on what is known of it, before anything is touched. */
import type { RequestStanding } from './requests.ts';
import type { Run } from './runs.ts';

/** As it stands. */
export type Workflow = {
  readonly workflowId: string;
  readonly kind: 'donation' | 'aftercare';
  /** The newest run; null when Temporal knows none. */
  readonly run: Run | null;
  /** The runs that a query has matched; null when the workflow was named. */
  readonly matchedRunIds: ReadonlySet<string> | null;
  /** Null when there is no such request, or nobody looked. */
  readonly request: RequestStanding | null;
};

export type Action =
  | { readonly kind: 'reset' }
  /** Its history is gone: the request goes back to the relay, which starts a new workflow. */
  | { readonly kind: 'start again' }
  | { readonly kind: 'leave'; readonly why: string }
  /** A query also matches runs that have been reset; a newer run has taken their place. */
  | { readonly kind: 'superseded' };

export type Planned = Workflow & { readonly action: Action };

export function plan(workflow: Workflow, evenIfRunning: boolean): Planned {
  return { ...workflow, action: actionFor(workflow, evenIfRunning) };
}

function actionFor({ kind, run, matchedRunIds, request }: Workflow, evenIfRunning: boolean): Action {
  if (run === null)
    return kind === 'donation' && request !== null
      ? startAgain(request)
      : leave('Temporal knows no such workflow');
  if (matchedRunIds !== null && !matchedRunIds.has(run.runId)) return { kind: 'superseded' };
  if (run.status === 'RUNNING' && !evenIfRunning)
    return leave('it runs; --even-if-running resets it nevertheless');
  return { kind: 'reset' };
}

/** By the rule of the sweeper, which would do the same in its own time. */
function startAgain({ waiting, recent, status }: RequestStanding): Action {
  if (waiting) return leave('it waits to be started: look whether the API runs and reaches Temporal');
  if (status !== null && status !== 'INITIATED' && status !== 'AUTHORIZED')
    return leave(`its history is gone from Temporal, and the donation is ${status}: nothing is left to do`);
  if (!recent)
    return leave(
      'its history is gone from Temporal, and it was accepted over 30 days ago: ask the donor to give again',
    );
  return { kind: 'start again' };
}

function leave(why: string): Action {
  return { kind: 'leave', why };
}

/** Whether it has stopped short of its end. */
export function needsReplay({ run, action }: Planned): boolean {
  if (action.kind === 'start again') return true;
  return action.kind === 'reset' && run?.status !== 'COMPLETED' && run?.status !== 'RUNNING';
}
