import {
  DefaultLogger,
  makeTelemetryFilterString,
  Runtime,
  Worker,
  type WorkerPlugin,
  type WorkflowBundle,
} from '@temporalio/worker';
import type { StoredHistory } from './stored.ts';

export type Code = { readonly bundle: WorkflowBundle; readonly plugins: WorkerPlugin[] };

export type Misfit = { readonly name: string; readonly message: string };

/** The histories on which this code would decide otherwise than the code that made them, one after the other. */
export async function* misfits(
  { bundle, plugins }: Code,
  histories: readonly StoredHistory[],
): AsyncGenerator<Misfit> {
  const replays = Worker.runReplayHistories(
    { workflowBundle: bundle, plugins },
    histories.map(({ name, text }) => ({ workflowId: name, history: JSON.parse(text) as unknown })),
  );
  for await (const { workflowId: name, error } of replays)
    if (error !== undefined) yield { name, message: error.message };
}

/** A history that does not fit is a result here, no news for the log. Before the first replay of a process. */
export function replayQuietly(): void {
  Runtime.install({
    logger: new DefaultLogger('ERROR', () => undefined),
    telemetryOptions: { logging: { filter: makeTelemetryFilterString({ core: 'ERROR', other: 'ERROR' }) } },
  });
}
