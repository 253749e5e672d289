/** What donations cost that met no trouble, by Temporal's own account: signals, and runs of `aftercare`. */
import type { Client } from '@temporalio/client';
import { aftercareWorkflowId, donationWorkflowId } from '../../domain/ids.ts';

export type Extras = { readonly signals: number; readonly aftercareRuns: number };

const AT_ONCE = 16;

export async function countExtras(temporal: Client, donationIds: readonly string[]): Promise<Extras> {
  const ours = new Set<string>(donationIds.map(aftercareWorkflowId));
  let aftercareRuns = 0;
  for await (const { workflowId } of temporal.workflow.list({ query: `WorkflowType = 'aftercare'` }))
    if (ours.has(workflowId)) aftercareRuns += 1;

  let signals = 0;
  const left = [...donationIds];
  const reader = async (): Promise<void> => {
    for (let id = left.pop(); id !== undefined; id = left.pop()) {
      const { events } = await temporal.workflow.getHandle(donationWorkflowId(id)).fetchHistory();
      if (events == null) throw new Error(`the workflow of ${id} has no history`);
      signals += events.filter((event) => event.workflowExecutionSignaledEventAttributes != null).length;
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, reader));
  return { signals, aftercareRuns };
}
