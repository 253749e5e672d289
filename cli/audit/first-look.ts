/** Reads everything once and runs every check over it. What it finds are candidates: the parts are not read at one instant. */
import { isUuid } from '../../domain/ids.ts';
import type { AuditContext } from './check.ts';
import {
  campaignChecks,
  chargeChecks,
  donationChecks,
  suspenseChecks,
  webhookChecks,
} from './checks/index.ts';
import type { Clock } from './clock.ts';
import { findAll, type Finding } from './finding.ts';
import { askProvider, gather, outsideIds, type ProviderView, type WorkflowView } from './gather.ts';
import { readCampaigns, readCurrencies, recomputeTotals, type Recomputation } from './load/campaigns.ts';
import type { Snapshot } from './load/databases.ts';
import { nextRange } from './load/donations.ts';
import { PROVIDER_CLOCK_SLACK_MS } from './load/provider.ts';
import { readSuspense } from './load/suspense.ts';
import { readOpenWebhooks } from './load/webhooks.ts';
import type { Workflows } from './load/workflows.ts';
import type {
  ChargeSnapshot,
  DonationSnapshot,
  SuspenseSnapshot,
  WebhookRow,
  WorkflowRun,
} from './snapshot.ts';
import type { AuditOptions, AuditSources } from './sources.ts';
import { createTally, type Tally } from './tally.ts';

export type FirstLook = {
  readonly context: AuditContext;
  readonly candidates: readonly Finding[];
  readonly tally: Tally;
  readonly provider: ProviderView;
  readonly runs: ReadonlyMap<string, WorkflowRun>;
  readonly campaigns: number;
  readonly openWebhooks: number;
};

/** Provider and Temporal first, the databases after them: what those two show has long been written down by then. */
export async function firstLook(
  sources: AuditSources,
  options: AuditOptions,
  clock: Clock,
): Promise<FirstLook> {
  const { workflows } = sources;
  const now = await sources.databases.now();
  options.progress('reading the provider and Temporal');
  const createdFrom =
    options.since === null ? null : new Date(options.since.getTime() - PROVIDER_CLOCK_SLACK_MS);
  const [provider, runs, retentionMs] = await Promise.all([
    clock.time('provider', () => askProvider(sources.provider, createdFrom)),
    clock.time('temporal', () => listWorkflows(workflows, options.maxResults)),
    workflows.retentionMs(),
  ]);
  const snapshot = await sources.databases.snapshot();
  try {
    return await clock.time('databases and checks', async () => {
      const context: AuditContext = {
        now,
        settleMs: options.settleMs,
        retentionMs,
        abandonAfterMs: options.abandonAfterMs,
        broker: sources.broker,
        currencies: await readCurrencies(snapshot),
      };
      const recomputation = recomputeTotals();
      const workflowView = {
        runs,
        lookUp: async (ids: readonly string[]) => workflows.withResults(await workflows.describe(ids)),
      };
      const openWebhooks = await readOpenWebhooks(snapshot);
      const donations = await lookAtDonations(
        snapshot,
        provider,
        workflowView,
        openWebhooks,
        context,
        recomputation,
        options,
      );
      const campaigns = await readCampaigns(snapshot, recomputation);
      const suspense = options.campaignId === null ? await readSuspense(snapshot) : [];
      const candidates = [
        ...donations.candidates,
        ...campaigns
          .filter(({ id }) => options.campaignId === null || id === options.campaignId)
          .flatMap((campaign) => findAll(campaignChecks, 'campaign', campaign.id, campaign, context)),
        ...openWebhooks.flatMap((event) => findAll(webhookChecks, 'webhook', event.eventId, event, context)),
        ...unattributed(provider, donations.claimed, options).flatMap((charge) =>
          findAll(chargeChecks, 'charge', charge.payment.id, charge, context),
        ),
        ...suspense
          .map((rows): SuspenseSnapshot => ({
            ...rows,
            provider: provider.byId.get(rows.providerPaymentId) ?? null,
          }))
          .flatMap((posted) =>
            findAll(suspenseChecks, 'suspense', posted.providerPaymentId, posted, context),
          ),
      ];
      const { tally } = donations;
      return {
        context,
        candidates,
        tally,
        provider,
        runs,
        campaigns: campaigns.length,
        openWebhooks: openWebhooks.length,
      };
    });
  } finally {
    await snapshot.close();
  }
}

async function lookAtDonations(
  snapshot: Snapshot,
  provider: ProviderView,
  workflows: WorkflowView,
  openWebhooks: readonly WebhookRow[],
  context: AuditContext,
  recomputation: Recomputation,
  options: AuditOptions,
): Promise<{ readonly candidates: Finding[]; readonly claimed: ReadonlySet<string>; readonly tally: Tally }> {
  const tally = createTally();
  const candidates: Finding[] = [];
  const claimed = new Set<string>();
  let outside = outsideIds(provider, workflows);
  let after: string | null = null;
  do {
    const range = await nextRange(snapshot, after, options.pageSize);
    const { upTo } = range;
    const inRange = outside.filter((id) => upTo === null || id <= upTo);
    outside = outside.slice(inRange.length);
    for (const donation of await gather(snapshot, range, inRange, provider, workflows, openWebhooks)) {
      recomputation.add(donation.applied);
      for (const { id } of donation.provider) claimed.add(id);
      if (!inScope(donation, options)) continue;
      if (donation.request !== null && donation.request.acceptedAt > context.now) {
        tally.countNewer();
        continue;
      }
      if (donation.request !== null) tally.count(donation, context);
      const findings = findAll(donationChecks, 'donation', donation.id, donation, context);
      candidates.push(...findings);
      if (findings.length === 0) recomputation.compare(donation);
    }
    options.progress(`${tally.totals().donations} donations compared`);
    after = upTo;
  } while (after !== null);
  return { candidates, claimed, tally };
}

async function listWorkflows(workflows: Workflows, maxResults: number): Promise<Map<string, WorkflowRun>> {
  const runs = await workflows.list();
  const newest = [...runs]
    .filter(([, run]) => isCompleted(run))
    .toSorted(([, a], [, b]) => b.startedAt.getTime() - a.startedAt.getTime());
  return new Map([...runs, ...(await workflows.withResults(new Map(newest.slice(0, maxResults))))]);
}

export function isCompleted({ status }: WorkflowRun): boolean {
  return status === 'COMPLETED';
}

function inScope(
  { request, payment, provider }: DonationSnapshot,
  { campaignId, since }: AuditOptions,
): boolean {
  if (since !== null && request !== null && request.acceptedAt < since) return false;
  const campaign = request?.campaignId ?? payment?.campaignId ?? provider[0]?.campaignId;
  return campaignId === null || campaign === campaignId;
}

/** Payments that name no donation of ours, and that none of our rows names. */
function unattributed(
  { byId, refunds }: ProviderView,
  claimed: ReadonlySet<string>,
  { campaignId }: AuditOptions,
): ChargeSnapshot[] {
  const payments = [...byId.values()].filter(
    (payment) =>
      !isUuid(payment.donationId) &&
      !claimed.has(payment.id) &&
      (campaignId === null || payment.campaignId === campaignId),
  );
  return payments.map((payment) => ({ payment, refunds: refunds.get(payment.id) ?? [] }));
}
