/** Puts together, for one range of donations, what databases, provider and Temporal say of each. */
import { aftercareWorkflowId, donationWorkflowId, isUuid } from '../../domain/ids.ts';
import type {
  PaymentProvider,
  ProviderDispute,
  ProviderPayment,
  ProviderRefund,
} from '../../provider/port.ts';
import { emptyRows, readDonations, type DonationRows, type Slice } from './load/donations.ts';
import type { Snapshot } from './load/databases.ts';
import { listAllPayments, listAllReversals, type ProviderReversals } from './load/provider.ts';
import type { DonationSnapshot, WebhookRow, WorkflowRun } from './snapshot.ts';

export type ProviderView = {
  readonly byId: ReadonlyMap<string, ProviderPayment>;
  readonly byDonation: ReadonlyMap<string, readonly ProviderPayment[]>;
  /** By the payment's id, and by the donation that their metadata names. */
  readonly refunds: ReadonlyMap<string, readonly ProviderRefund[]>;
  readonly disputes: ReadonlyMap<string, readonly ProviderDispute[]>;
  /** How many there are, those of unknown payments included. */
  readonly allRefunds: number;
  readonly allDisputes: number;
};

export type WorkflowView = {
  readonly runs: ReadonlyMap<string, WorkflowRun>;
  /** Asks for those that the list did not have. */
  readonly lookUp: (workflowIds: readonly string[]) => Promise<ReadonlyMap<string, WorkflowRun>>;
};

/** Payments last: what was given back by then, or is disputed, is a payment that is listed. */
export async function askProvider(
  provider: PaymentProvider,
  createdFrom: Date | null,
): Promise<ProviderView> {
  const reversals = await listAllReversals(provider, createdFrom);
  return viewOfProvider(await listAllPayments(provider, createdFrom), reversals);
}

/** One that is told twice counts once, as it was told last: nobody is charged twice by a list and a look-up. */
export function viewOfProvider(
  payments: readonly ProviderPayment[],
  { refunds, disputes }: ProviderReversals = { refunds: [], disputes: [] },
): ProviderView {
  const byId = new Map(payments.map((payment) => [payment.id, payment]));
  const ofDonations = [...byId.values()].filter(({ donationId }) => isUuid(donationId));
  const paymentOfCharge = new Map(
    payments.flatMap(({ id, chargeId }) => (chargeId === null ? [] : [[chargeId, id]])),
  );
  const paymentOf = (it: ProviderRefund | ProviderDispute): string | undefined =>
    it.paymentId ?? paymentOfCharge.get(it.chargeId ?? '');
  return {
    byId,
    byDonation: Map.groupBy(ofDonations, ({ donationId }) => donationId ?? ''),
    refunds: index(refunds, (refund) => [paymentOf(refund), refund.donationId]),
    disputes: index(disputes, (dispute) => [paymentOf(dispute)]),
    allRefunds: refunds.length,
    allDisputes: disputes.length,
  };
}

function index<Item extends { readonly id: string }>(
  items: readonly Item[],
  keysOf: (item: Item) => readonly (string | null | undefined)[],
): ReadonlyMap<string, readonly Item[]> {
  const once = [...new Map(items.map((item) => [item.id, item])).values()];
  const keyed = once.flatMap((item) => keysOf(item).flatMap((key) => (key == null ? [] : [{ key, item }])));
  return new Map(
    [...Map.groupBy(keyed, ({ key }) => key)].map(([key, found]) => [key, found.map(({ item }) => item)]),
  );
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
  openWebhooks: readonly WebhookRow[],
): Promise<DonationSnapshot[]> {
  const rows = await readDonations(snapshot, slice);
  const known = new Set([...rows.keys(), ...outside]);
  const missing = [...known].filter(
    (id) => needsWorkflow(rows.get(id)) && !workflows.runs.has(donationWorkflowId(id)),
  );
  const found = missing.length === 0 ? null : await workflows.lookUp(missing.map(donationWorkflowId));
  const openEvents = eventsByName(openWebhooks);

  return [...known].map((id) => {
    const donation = rows.get(id) ?? emptyRows(id);
    const ours = donation.payment?.providerPaymentId ?? null;
    const named = ours === null ? undefined : provider.byId.get(ours);
    const theirs = provider.byDonation.get(id) ?? [];
    const workflowId = donationWorkflowId(id);
    const payments = named === undefined || theirs.includes(named) ? theirs : [...theirs, named];
    const names = [id, ...payments.map((payment) => payment.id)];
    const charges = payments.flatMap(({ chargeId }) => chargeId ?? []);
    return {
      ...donation,
      id,
      provider: payments,
      providerRefunds: [...new Set(names.flatMap((name) => provider.refunds.get(name) ?? []))],
      providerDisputes: names.flatMap((name) => provider.disputes.get(name) ?? []),
      openEvents: [...names, ...charges].flatMap((name) => openEvents.get(name) ?? []),
      workflow: workflows.runs.get(workflowId) ?? found?.get(workflowId) ?? null,
      aftercare: workflows.runs.get(aftercareWorkflowId(id)) ?? null,
    };
  });
}

function needsWorkflow(donation: DonationRows | undefined): boolean {
  return donation?.request?.startedAt != null;
}

/** By whatever an event names: donation, payment or charge. A parked one is nobody's news any more. */
function eventsByName(events: readonly WebhookRow[]): ReadonlyMap<string, readonly Date[]> {
  const named = events
    .filter(({ parkedAt }) => parkedAt === null)
    .flatMap(({ donationId, objectId, chargeId, receivedAt }) =>
      [...new Set([donationId, objectId, chargeId])].flatMap((name) =>
        name === null ? [] : [{ name, receivedAt }],
      ),
    );
  return new Map(
    [...Map.groupBy(named, ({ name }) => name)].map(([name, found]) => [
      name,
      found.map(({ receivedAt }) => receivedAt),
    ]),
  );
}
