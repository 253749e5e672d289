/** Which workflows are meant: those of the donations that a text names, or those that a visibility query matches. */
import type { Client } from '@temporalio/client';
import { aftercareWorkflowId, donationWorkflowId } from '../../domain/ids.ts';
import type { Snapshot } from '../audit/load/databases.ts';
import { eachOf } from '../audit/load/provider.ts';
import { readDonations } from '../find/donations.ts';
import { lookUp } from '../find/look-up.ts';
import { reaching } from '../problem.ts';
import { needsReplay, plan, type Planned } from './plan.ts';
import { readRequests, type RequestStanding } from './requests.ts';
import { newestRun } from './runs.ts';

export type Targets = {
  readonly planned: readonly Planned[];
  readonly notes: readonly string[];
};

export type Looking = { readonly client: Client; readonly evenIfRunning: boolean };

/** Of one query; what is left over comes with the next call. */
const MAX_MATCHES = 10_000;
const CONCURRENT = 16;

/** A workflow id means that workflow. Anything else means donations, and of them what has not come to its end. */
export async function targetsOf(looking: Looking, snapshot: Snapshot, text: string): Promise<Targets> {
  const { matches, notes } = await lookUp(snapshot, text);
  const donations = await readDonations(snapshot, matches);
  const ids = donations.map(({ id }) => id);
  const requests = await readRequests(snapshot, ids);
  const named = donations.every(({ by }) => by.every((means) => means === 'workflow id'));
  const kinds = named ? [kindOf(text)] : (['donation', 'aftercare'] as const);
  const planned = await eachOf(ids, CONCURRENT, async (id) => {
    const both = await Promise.all(
      kinds.map((kind) => planNamed(looking, id, kind, requests.get(id) ?? null)),
    );
    const unfinished = both.filter(needsReplay);
    // Who names a single donation that is complete means it.
    return unfinished.length > 0 || ids.length > 1 ? unfinished : both.slice(0, 1);
  });
  const skipped =
    ids.length > 1 && planned.length === 0
      ? [`None of the ${ids.length} donations known by it has stopped short.`]
      : [];
  return { planned, notes: [...notes, ...skipped] };
}

type Kind = Planned['kind'];

async function planNamed(
  { client, evenIfRunning }: Looking,
  donationId: string,
  kind: Kind,
  request: RequestStanding | null,
): Promise<Planned> {
  const workflowId = kind === 'donation' ? donationWorkflowId(donationId) : aftercareWorkflowId(donationId);
  const run = await reaching('Temporal', () => newestRun(client, workflowId));
  return plan({ workflowId, kind, run, matchedRunIds: null, request }, evenIfRunning);
}

/** Of this installation alone: others may share the namespace. */
export async function targetsOfQuery(
  { client, evenIfRunning }: Looking,
  taskQueue: string,
  query: string,
): Promise<Targets> {
  const matched = new Map<string, Set<string>>();
  let [foreign, more] = [0, false];
  await reaching('Temporal', async () => {
    for await (const { workflowId, runId, type, taskQueue: queue } of client.workflow.list({ query })) {
      if (matched.size >= MAX_MATCHES) {
        more = true;
        return;
      }
      if (queue !== taskQueue || !(type === 'donation' || type === 'aftercare')) foreign += 1;
      else matched.set(workflowId, (matched.get(workflowId) ?? new Set()).add(runId));
    }
  });
  const planned = await eachOf([...matched], CONCURRENT, async ([workflowId, matchedRunIds]) => {
    const run = await reaching('Temporal', () => newestRun(client, workflowId));
    const kind = kindOf(workflowId);
    return [plan({ workflowId, kind, run, matchedRunIds, request: null }, evenIfRunning)];
  });
  return {
    planned,
    notes: [
      ...(foreign > 0 ? [`${foreign} more match and are no workflows of this installation.`] : []),
      ...(more ? [`More than ${MAX_MATCHES} match: call it again for the rest.`] : []),
    ],
  };
}

function kindOf(workflowId: string): Kind {
  return workflowId.startsWith('aftercare/') ? 'aftercare' : 'donation';
}
