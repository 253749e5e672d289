/** Puts together, for one range of donations, what databases, provider and Temporal say of each. */
import { aftercareWorkflowId, donationWorkflowId, isUuid } from '../../domain/ids.ts';
import type { ProviderPayment } from '../../provider/port.ts';
import { readDonations, type DonationRows, type Slice } from './load/donations.ts';
import type { Snapshot } from './load/databases.ts';
import type { DonationSnapshot, WorkflowRun } from './snapshot.ts';

export type ProviderView = {
  readonly byId: ReadonlyMap<string, ProviderPayment>;
  readonly byDonation: ReadonlyMap<string, readonly ProviderPayment[]>;
};

export type WorkflowView = {
  readonly runs: ReadonlyMap<string, WorkflowRun>;
  /** Asks for those that the list did not have. */
  readonly lookUp: (workflowIds: readonly string[]) => Promise<ReadonlyMap<string, WorkflowRun>>;
};

/** One that is told twice counts once, as it was told last: nobody is charged twice by a list and a look-up. */
export function viewOfProvider(payments: readonly ProviderPayment[]): ProviderView {
  const byId = new Map(payments.map((payment) => [payment.id, payment]));
  const ofDonations = [...byId.values()].filter(({ donationId }) => isUuid(donationId));
  return { byId, byDonation: Map.groupBy(ofDonations, ({ donationId }) => donationId ?? '') };
}

/** Ids that only the provider or Temporal may know, sorted: they are looked at with the range they fall into. */
export function outsideIds(provider: ProviderView, workflows: WorkflowView): string[] {
  const ids = new Set(provider.byDonation.keys());
  for (const workflowId of workflows.runs.keys()) {
    const id = workflowId.slice(workflowId.indexOf('/') + 1);
    if (isUuid(id)) ids.add(id);
  }
  return [...ids].toSorted((a, b) => (a < b ? -1 : 1));
}

export async function gather(
  snapshot: Snapshot,
  slice: Slice,
  outside: readonly string[],
  provider: ProviderView,
  workflows: WorkflowView,
): Promise<DonationSnapshot[]> {
  const rows = await readDonations(snapshot, slice);
  const known = new Set([...rows.keys(), ...outside]);
  const missing = [...known].filter(
    (id) => needsWorkflow(rows.get(id)) && !workflows.runs.has(donationWorkflowId(id)),
  );
  const found = missing.length === 0 ? null : await workflows.lookUp(missing.map(donationWorkflowId));

  return [...known].map((id) => {
    const donation = rows.get(id) ?? NOTHING;
    const ours = donation.payment?.providerPaymentId ?? null;
    const named = ours === null ? undefined : provider.byId.get(ours);
    const theirs = provider.byDonation.get(id) ?? [];
    const workflowId = donationWorkflowId(id);
    return {
      ...donation,
      id,
      provider: named === undefined || theirs.includes(named) ? theirs : [...theirs, named],
      workflow: workflows.runs.get(workflowId) ?? found?.get(workflowId) ?? null,
      aftercare: workflows.runs.get(aftercareWorkflowId(id)) ?? null,
    };
  });
}

function needsWorkflow(donation: DonationRows | undefined): boolean {
  return donation?.request?.startedAt != null;
}

const NOTHING: DonationRows = {
  id: '',
  request: null,
  pledge: null,
  payment: null,
  operations: [],
  transitions: [],
  refunds: [],
  disputes: [],
  ledger: [],
  applied: [],
  outbox: [],
  receipt: null,
};
