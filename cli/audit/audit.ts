/**
 * The audit: everything that each part of the system says, compared. Provider and Temporal are read first and the
 * databases after them, a range of donations at a time; whatever looks wrong is read once more before it is reported,
 * because the parts are not read at the same instant.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { allChecks } from './checks/index.ts';
import { createClock } from './clock.ts';
import { identityOf, type Finding } from './finding.ts';
import { firstLook, isCompleted, type FirstLook } from './first-look.ts';
import { REPORT_SCHEMA, type Report } from './report.ts';
import { secondLook } from './second-look.ts';
import type { AuditOptions, AuditSources } from './sources.ts';

export async function audit(sources: AuditSources, options: AuditOptions): Promise<Report> {
  const clock = createClock();
  const finished = clock.start('all');
  const first = await firstLook(sources, options, clock);
  const findings = await clock.time('second look', () => confirmed(sources, options, first));
  finished();

  const { context, runs } = first;
  return {
    schema: REPORT_SCHEMA,
    startedAt: context.now.toISOString(),
    settleSeconds: options.settleMs / 1_000,
    scope: { campaignId: options.campaignId, since: options.since?.toISOString() ?? null },
    ok: findings.length === 0,
    discrepancies: findings.length,
    totals: {
      ...first.tally.totals(),
      providerPayments: first.provider.byId.size,
      providerRefunds: first.provider.allRefunds,
      providerDisputes: first.provider.allDisputes,
      workflows: runs.size,
      campaigns: first.campaigns,
      openWebhooks: first.openWebhooks,
    },
    checks: allChecks.map(({ name, class: kind, meaning, fix }) => ({
      name,
      class: kind,
      meaning,
      fix,
      findings: findings.filter(({ check }) => check === name).length,
    })),
    findings,
    notes: notesOf(first),
    timingsMs: clock.timings(),
  };
}

/** Reported is what both looks found, as the second one saw it. */
async function confirmed(
  sources: AuditSources,
  options: AuditOptions,
  { candidates, context, provider }: FirstLook,
): Promise<Finding[]> {
  if (candidates.length === 0) return [];
  options.progress(`looking again at ${candidates.length} candidates`);
  await sleep(options.pauseMs);
  const again = await secondLook(sources, candidates, context, provider);

  const first = new Set(candidates.map(identityOf));
  const atOnce = new Set(allChecks.filter((check) => check.atOnce === true).map(({ name }) => name));
  const order = new Map(allChecks.map(({ name }, index) => [name, index]));
  const findings = [
    ...candidates.filter(({ check }) => atOnce.has(check)),
    ...again.filter((finding) => first.has(identityOf(finding)) && !atOnce.has(finding.check)),
  ];
  return findings.toSorted((a, b) => (order.get(a.check) ?? 0) - (order.get(b.check) ?? 0));
}

function notesOf({ context, runs }: FirstLook): string[] {
  const notes: string[] = [];
  if (!context.broker) {
    notes.push('No RabbitMQ is configured: events wait in the outbox, and receipts are not expected.');
  }
  if (context.retentionMs === null) {
    notes.push(
      'Temporal did not say how long it keeps closed workflows: a finished donation without one is taken to be expired.',
    );
  }
  const completed = [...runs.values()].filter(isCompleted);
  const read = completed.filter(({ result }) => result !== null).length;
  if (read < completed.length) {
    notes.push(
      `Of ${completed.length} completed workflows, what the newest ${read} returned was compared (--workflow-results).`,
    );
  }
  return notes;
}
