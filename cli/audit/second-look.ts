/** Reads again everything that a candidate is about, in new snapshots, and runs the same checks over it. */
import { aftercareWorkflowId, donationWorkflowId } from '../../domain/ids.ts';
import type { AuditSources } from './sources.ts';
import type { AuditContext } from './check.ts';
import {
  campaignChecks,
  chargeChecks,
  donationChecks,
  suspenseChecks,
  webhookChecks,
} from './checks/index.ts';
import { findAll, type Finding, type SubjectKind } from './finding.ts';
import { askProvider, gather, viewOfProvider, type ProviderView, type WorkflowView } from './gather.ts';
import { readCampaigns, recomputeTotals } from './load/campaigns.ts';
import { readDonations } from './load/donations.ts';
import {
  listAllPayments,
  listReversalsOf,
  PROVIDER_CLOCK_SLACK_MS,
  retrievePayments,
} from './load/provider.ts';
import { readSuspense } from './load/suspense.ts';
import { readOpenWebhooks } from './load/webhooks.ts';

const PAGE_SIZE = 1_000;
/** Beyond this many donations, a new list costs less than asking for each. */
const MAX_SINGLE_LOOKUPS = 500;

export async function secondLook(
  sources: AuditSources,
  candidates: readonly Finding[],
  context: AuditContext,
  firstProvider: ProviderView,
): Promise<Finding[]> {
  const ids = (kind: SubjectKind): string[] => [
    ...new Set(candidates.filter(({ subject }) => subject.kind === kind).map(({ subject }) => subject.id)),
  ];
  const donations = ids('donation');
  const provider = await lookAtProvider(sources, donations, firstProvider);
  const charges = await lookAtPayments(sources, [...ids('charge'), ...ids('suspense')]);
  const workflows = await lookAtWorkflows(sources, donations);

  const findings: Finding[] = [];
  const snapshot = await sources.databases.snapshot();
  try {
    const openWebhooks = await readOpenWebhooks(snapshot);
    for (let start = 0; start < donations.length; start += PAGE_SIZE) {
      const page = donations.slice(start, start + PAGE_SIZE);
      for (const donation of await gather(snapshot, { ids: page }, page, provider, workflows, openWebhooks)) {
        findings.push(...findAll(donationChecks, 'donation', donation.id, donation, context));
      }
    }
    const campaigns = new Set(ids('campaign'));
    if (campaigns.size > 0) {
      for (const campaign of await readCampaigns(snapshot, recomputeTotals())) {
        if (campaigns.has(campaign.id))
          findings.push(...findAll(campaignChecks, 'campaign', campaign.id, campaign, context));
      }
    }
    if (ids('webhook').length > 0) {
      for (const event of openWebhooks)
        findings.push(...findAll(webhookChecks, 'webhook', event.eventId, event, context));
    }
    if (ids('suspense').length > 0) {
      for (const rows of await readSuspense(snapshot)) {
        const posted = { ...rows, provider: charges.byId.get(rows.providerPaymentId) ?? null };
        findings.push(...findAll(suspenseChecks, 'suspense', posted.providerPaymentId, posted, context));
      }
    }
  } finally {
    await snapshot.close();
  }
  for (const id of ids('charge')) {
    const payment = charges.byId.get(id);
    const charge = payment && { payment, refunds: charges.refunds.get(id) ?? [] };
    if (charge !== undefined) findings.push(...findAll(chargeChecks, 'charge', id, charge, context));
  }
  return findings;
}

async function lookAtWorkflows(
  { workflows }: AuditSources,
  donations: readonly string[],
): Promise<WorkflowView> {
  const ids = new Set<string>(donations.flatMap((id) => [donationWorkflowId(id), aftercareWorkflowId(id)]));
  const runs =
    donations.length > MAX_SINGLE_LOOKUPS
      ? [...(await workflows.list())].filter(([workflowId]) => ids.has(workflowId))
      : await workflows.describe([...ids]);
  return {
    runs: await workflows.withResults(new Map(runs)),
    lookUp: async (missing) => workflows.withResults(await workflows.describe(missing)),
  };
}

async function lookAtPayments({ provider }: AuditSources, ids: readonly string[]): Promise<ProviderView> {
  const reversals = await listReversalsOf(provider, ids);
  return viewOfProvider(await retrievePayments(provider, ids), reversals);
}

/** The payments that were listed for these donations and the ones our rows name now; for the rest the list's newest part. */
async function lookAtProvider(
  sources: AuditSources,
  donations: readonly string[],
  first: ProviderView,
): Promise<ProviderView> {
  const { provider, databases } = sources;
  if (donations.length > MAX_SINGLE_LOOKUPS) return await askProvider(provider, null);
  if (donations.length === 0) return viewOfProvider([]);
  const snapshot = await databases.snapshot();
  let rows;
  try {
    rows = await readDonations(snapshot, { ids: donations });
  } finally {
    await snapshot.close();
  }
  const known = new Set<string>();
  let unseenSince: Date | null = null;
  for (const id of donations) {
    const { request, payment } = rows.get(id) ?? {};
    for (const { paymentId } of first.refunds.get(id) ?? []) if (paymentId !== null) known.add(paymentId);
    const payments = [
      ...(first.byDonation.get(id) ?? []).map((it) => it.id),
      payment?.providerPaymentId ?? [],
    ].flat();
    for (const paymentId of payments) known.add(paymentId);
    if (payments.length > 0 || request == null) continue;
    if (unseenSince === null || request.acceptedAt < unseenSince) unseenSince = request.acceptedAt;
  }
  // Not by search, which lags behind.
  const listed =
    unseenSince === null
      ? []
      : await listAllPayments(provider, new Date(unseenSince.getTime() - PROVIDER_CLOCK_SLACK_MS));
  const asked = new Set(donations);
  for (const { id, donationId } of listed) if (asked.has(donationId ?? '')) known.add(id);
  const reversals = await listReversalsOf(provider, [...known]);
  return viewOfProvider([...listed, ...(await retrievePayments(provider, [...known]))], reversals);
}
