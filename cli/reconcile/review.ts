import { Command } from 'commander';
import { createReconciliationReports } from '../../api/payments/reconciliation.ts';
import { createPool } from '../../platform/postgres.ts';
import { loadEnvironment } from '../environment.ts';
import { uuid } from '../options.ts';
import { CommandProblem, EXIT, reaching, type ExitCode } from '../problem.ts';
import { printReviews } from './print.ts';

type Options = { resolve?: string; note?: string; json?: true };

export function reviewCommand(end: (exitCode: ExitCode) => void): Command {
  return new Command('review')
    .description('what reconciliation leaves to people, with its age; or say that somebody has looked')
    .option(
      '--resolve <id>',
      'close this item: it comes back only when what it is about is no longer the same',
      uuid,
    )
    .option('--note <text>', 'what was found out; required with --resolve')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nEnds with 0 when nothing is left to look at, else with 1.')
    .action(async (options: Options) => {
      if (options.resolve !== undefined && !options.note?.trim())
        throw new CommandProblem('Say with --note what was found out');
      const { PAYMENTS_DATABASE_URL: url } = loadEnvironment(['PAYMENTS_DATABASE_URL']);
      await using opened = new AsyncDisposableStack();
      const pool = createPool({ url, max: 1, name: 'careforall-review' });
      opened.defer(() => pool.end());
      const reviews = await reaching('The payments database', async () => {
        const reports = createReconciliationReports(pool);
        if (options.resolve !== undefined) {
          const resolved = await reports.resolve(options.resolve, 'operator', options.note ?? '');
          if (!resolved) throw new CommandProblem(`There is nothing open to resolve by ${options.resolve}`);
        }
        return await reports.reviews();
      });
      console.log(options.json ? JSON.stringify({ reviews }, null, 2) : printReviews(reviews));
      end(reviews.length === 0 ? EXIT.ok : EXIT.findings);
    });
}
