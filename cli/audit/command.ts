import { Command } from 'commander';
import { taskQueues } from '../../platform/temporal.ts';
import { createStripeProvider } from '../../provider/stripe/adapter.ts';
import { loadEnvironment } from '../environment.ts';
import { positiveInteger, seconds, time, uuid } from '../options.ts';
import { EXIT, type ExitCode } from '../problem.ts';
import { openTemporal } from '../temporal.ts';
import { audit } from './audit.ts';
import { openDatabases } from './load/databases.ts';
import { temporalWorkflows } from './load/workflows.ts';
import { printReport } from './print.ts';
import type { Report } from './report.ts';
import { DEFAULT_OPTIONS } from './sources.ts';

type Options = {
  settle: number;
  campaign?: string;
  since?: Date;
  pageSize: number;
  workflowResults: number;
  verbose?: true;
  json?: true;
};

export function auditCommand(end: (exitCode: ExitCode) => void): Command {
  return new Command('audit')
    .description(
      'prove that provider, payments, ledger, pledges, totals, events and workflows agree on every donation',
    )
    .option(
      '--settle <seconds>',
      'unfinished work younger than this is in flight, not stuck',
      seconds,
      DEFAULT_OPTIONS.settleMs / 1_000,
    )
    .option('--campaign <id>', 'only the donations of this campaign', uuid)
    .option('--since <time>', 'only donations accepted from then on', time)
    .option(
      '--page-size <donations>',
      'how many donations are held in memory at once',
      positiveInteger,
      DEFAULT_OPTIONS.pageSize,
    )
    .option(
      '--workflow-results <n>',
      'of how many completed workflows, newest first, to compare what they returned',
      positiveInteger,
      DEFAULT_OPTIONS.maxResults,
    )
    .option('--verbose', 'list the checks that found nothing, too')
    .option('--json', 'print the whole report as JSON')
    .addHelpText(
      'after',
      '\nEnds with 0 when nothing is wrong, 1 when something is, 2 when a part of the system cannot be read.',
    )
    .action(async (options: Options) => {
      const report = await runAudit(options);
      console.log(
        options.json ? JSON.stringify(report, null, 2) : printReport(report, options.verbose === true),
      );
      end(report.ok ? EXIT.ok : EXIT.findings);
    });
}

async function runAudit(options: Options): Promise<Report> {
  const config = loadEnvironment([
    'DONATIONS_DATABASE_URL',
    'PAYMENTS_DATABASE_URL',
    'CAMPAIGNS_DATABASE_URL',
    'NOTIFICATIONS_DATABASE_URL',
    'TEMPORAL_ADDRESS',
    'STRIPE_SECRET_KEY',
  ]);
  await using opened = new AsyncDisposableStack();
  const temporal = await openTemporal(config.TEMPORAL_ADDRESS, config.TEMPORAL_NAMESPACE);
  opened.defer(() => temporal.close());
  const databases = openDatabases({
    donations: config.DONATIONS_DATABASE_URL,
    payments: config.PAYMENTS_DATABASE_URL,
    campaigns: config.CAMPAIGNS_DATABASE_URL,
    notifications: config.NOTIFICATIONS_DATABASE_URL,
  });
  opened.defer(() => databases.close());
  const provider = createStripeProvider({
    apiBase: config.STRIPE_API_BASE,
    secretKey: config.STRIPE_SECRET_KEY,
    timeoutMs: config.POLICY.providerCallTimeoutMs,
  });
  return await audit(
    {
      databases,
      provider,
      workflows: temporalWorkflows(temporal.client, taskQueues(config.NAME_PREFIX).donations),
      broker: config.RABBITMQ_URL !== undefined,
    },
    {
      ...DEFAULT_OPTIONS,
      settleMs: options.settle * 1_000,
      abandonAfterMs: config.POLICY.abandonAfterMs,
      pageSize: options.pageSize,
      maxResults: options.workflowResults,
      campaignId: options.campaign ?? null,
      since: options.since ?? null,
      progress: showProgress,
    },
  );
}

/** One line that is written over, for a person who waits; nothing when the output goes elsewhere. */
function showProgress(text: string): void {
  if (process.stderr.isTTY && process.stdout.isTTY) process.stderr.write(`\r\u001B[K${text} …\r`);
}
