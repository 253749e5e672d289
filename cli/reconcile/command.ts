import { writeFile } from 'node:fs/promises';
import { WorkflowExecutionAlreadyStartedError } from '@temporalio/client';
import { Command } from 'commander';
import {
  createReconciliationReports,
  reportCsv,
  type ReconciliationReport,
} from '../../api/payments/reconciliation.ts';
import { createPool } from '../../platform/postgres.ts';
import { taskQueues } from '../../platform/temporal.ts';
import type { ReconciliationInput, ReconciliationResult } from '../../workflows/messages.ts';
import { loadEnvironment } from '../environment.ts';
import { span } from '../options.ts';
import { CommandProblem, EXIT, reaching, type ExitCode } from '../problem.ts';
import { openTemporal } from '../temporal.ts';
import { printReport } from './print.ts';

type Options = { full?: true; dryRun?: true; since?: number; csv?: string; json?: true };

export function reconcileCommand(end: (exitCode: ExitCode) => void): Command {
  return new Command('reconcile')
    .description(
      'compare the provider with payments, and payments with pledges and totals, now; what differs is mended by its owner',
    )
    .option(
      '--full',
      'everything within the window, not only what is new or open; checks the invariants, too',
    )
    .option('--dry-run', 'find and report, and change nothing')
    .option('--since <span>', 'how far back: 90m, 24h, 7d', span)
    .option('--csv <file>', 'write the findings, one row each')
    .option('--json', 'print the report as JSON')
    .addHelpText(
      'after',
      '\nEnds with 0 when nothing is left to do, 1 when something is, 2 when a part of the system cannot be reached or another run is at work.',
    )
    .action(async (options: Options) => {
      const report = await run(options);
      if (options.csv !== undefined) await writeFile(options.csv, reportCsv(report));
      console.log(options.json ? JSON.stringify(report, null, 2) : printReport(report));
      end(isClean(report) ? EXIT.ok : EXIT.findings);
    });
}

function isClean({ run: { dryRun, counts }, findings, reviews }: ReconciliationReport): boolean {
  return reviews.length === 0 && (dryRun ? findings.length === 0 : counts.unrepaired === 0);
}

async function run({ full, dryRun, since }: Options): Promise<ReconciliationReport> {
  const config = loadEnvironment(['PAYMENTS_DATABASE_URL', 'TEMPORAL_ADDRESS']);
  const { deltaEveryMs: _1, fullEveryMs: _2, invariantsEveryMs: _3, ...policy } = config.RECONCILIATION;
  await using opened = new AsyncDisposableStack();
  const temporal = await openTemporal(config.TEMPORAL_ADDRESS, config.TEMPORAL_NAMESPACE);
  opened.defer(() => temporal.close());
  const pool = createPool({ url: config.PAYMENTS_DATABASE_URL, max: 1, name: 'careforall-reconcile' });
  opened.defer(() => pool.end());

  const queues = taskQueues(config.NAME_PREFIX);
  const input: ReconciliationInput = {
    kind: full ? 'full' : 'delta',
    dryRun: dryRun ?? false,
    sinceMs: since ?? null,
    whenBusy: 'say',
    policy,
    queues,
  };
  const result = await reaching('Temporal', async () => {
    try {
      const handle = await temporal.client.workflow.start('reconciliation', {
        workflowId: `${config.NAME_PREFIX}-reconciliation-on-demand`,
        taskQueue: queues.donations,
        args: [input],
      });
      return (await handle.result()) as ReconciliationResult;
    } catch (error) {
      if (error instanceof WorkflowExecutionAlreadyStartedError) throw alreadyRunning();
      throw error;
    }
  });
  if (result.status === 'busy') throw alreadyRunning(result.runId);
  const report = await reaching('The payments database', () =>
    createReconciliationReports(pool).report(result.runId),
  );
  if (report === null) throw new CommandProblem(`Run ${result.runId} has left no report`);
  return report;
}

function alreadyRunning(runId?: string): CommandProblem {
  return new CommandProblem(
    `Reconciliation is already running${runId === undefined ? '' : ` (run ${runId})`}: try again when it has ended`,
  );
}
