import { count, printable, styled, table } from '../text.ts';
import { needsReplay } from './plan.ts';
import type { Replayed } from './replay.ts';
import type { Ending } from './runs.ts';

export type Report = {
  readonly dryRun: boolean;
  readonly reason: string;
  readonly replayed: readonly Replayed[];
  readonly notes: readonly string[];
};

export function asJson({ dryRun, reason, replayed, notes }: Report): object {
  const shown = replayed.filter(({ action }) => action.kind !== 'superseded');
  return {
    dryRun,
    reason,
    done: shown.filter(({ done }) => done).length,
    superseded: replayed.length - shown.length,
    workflows: shown.map(({ workflowId, run, action, newRunId, problem, ended }) => ({
      workflowId,
      runId: run?.runId ?? null,
      status: run?.status ?? null,
      action: action.kind,
      why: action.kind === 'leave' ? action.why : null,
      newRunId,
      problem,
      ended,
    })),
    notes,
  };
}

export function describe(what: string, { dryRun, replayed, notes }: Report): string {
  const shown = replayed.filter(({ action }) => action.kind !== 'superseded');
  const superseded = replayed.length - shown.length;
  const allNotes = [
    ...notes,
    ...(superseded > 0 ? [`${count(superseded, 'workflow')} among the matches has a newer run by now.`] : []),
  ].map((note) => styled('dim', printable(note)));
  if (shown.length === 0)
    return [...allNotes, styled('yellow', `Nothing to replay by ${printable(what)}.`)].join('\n');
  const rows = table(shown.map((one) => cellsOf(one, dryRun).map(printable)));
  return [...allNotes, ...rows, '', summaryOf(shown, dryRun)].join('\n');
}

function cellsOf(one: Replayed, dryRun: boolean): string[] {
  return [one.workflowId, one.run?.status ?? 'unknown to Temporal', doneTo(one, dryRun)];
}

function doneTo({ action, newRunId, done, problem, ended }: Replayed, dryRun: boolean): string {
  if (action.kind === 'leave') return `left alone: ${action.why}`;
  if (problem !== null) return `not replayed: ${problem}`;
  const again = action.kind === 'start again';
  if (dryRun || !done) return again ? 'would be started again' : 'would be reset';
  const begun = again ? 'handed to the relay to be started again' : `reset, now run ${newRunId ?? ''}`;
  return ended === null ? begun : `${begun}: ${endingOf(ended)}`;
}

function endingOf({ status, result, reason }: Ending): string {
  if (result !== null) return `${status}, ${result.status} v${result.version}`;
  if (status === 'RUNNING') return 'still RUNNING';
  return reason === null ? status : `${status} (${reason})`;
}

function summaryOf(shown: readonly Replayed[], dryRun: boolean): string {
  if (dryRun) {
    const acts = shown.filter(({ action }) => action.kind !== 'leave').length;
    return `${count(acts, 'workflow')} would be replayed; nothing was done.`;
  }
  const done = shown.filter((one) => one.done);
  const completed = done.filter(({ ended }) => ended?.status === 'COMPLETED').length;
  const followed = done.some(({ ended }) => ended !== null) ? `, ${completed} completed` : '';
  const unfinished = shown.filter((one) => !one.done && needsReplay(one)).length;
  const failed = unfinished > 0 ? `, ${unfinished} could not be` : '';
  return `${count(done.length, 'workflow')} replayed${followed}${failed}.`;
}
