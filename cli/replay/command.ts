import { Command } from 'commander';
import { taskQueues } from '../../platform/temporal.ts';
import { openDatabases } from '../audit/load/databases.ts';
import { loadEnvironment } from '../environment.ts';
import { seconds } from '../options.ts';
import { CommandProblem, EXIT, type ExitCode } from '../problem.ts';
import { openTemporal } from '../temporal.ts';
import { expectAgreement } from './agree.ts';
import type { Planned } from './plan.ts';
import { asJson, describe, type Report } from './print.ts';
import { replay, type Replayed } from './replay.ts';
import { targetsOf, targetsOfQuery, type Looking, type Targets } from './targets.ts';

type Options = {
  query?: string;
  evenIfRunning?: true;
  dryRun?: true;
  yes?: true;
  reason: string;
  wait?: true;
  timeout: number;
  json?: true;
};

export function replayCommand(end: (exitCode: ExitCode) => void): Command {
  return new Command('replay')
    .description('run failed donations again from their beginning; what is done already is found done')
    .argument('[text]', 'a donation or workflow id, an idempotency key, pi_…, evt_…: what `find` finds')
    .option('--query <query>', 'instead: all that match in Temporal, as in "NeedsAttention = true"')
    .option('--even-if-running', 'also one that runs; its current run is ended')
    .option('--dry-run', 'only say what would be done')
    .option('--yes', 'do not ask before more than one')
    .option('--reason <text>', 'stands in the history of the new run', 'careforall replay')
    .option('--wait', 'follow each to its end; exit 1 unless all complete')
    .option('--timeout <seconds>', 'how long to wait', seconds, 60)
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      '\nEnds with 0 when all of it was done; with 1 when there was nothing to do, or something could not be done.',
    )
    .action(async (text: string | undefined, options: Options) => {
      const report = await run(text?.trim(), options);
      const what = options.query ?? text ?? '';
      console.log(options.json ? JSON.stringify(asJson(report), null, 2) : describe(what, report));
      end(isWell(report) ? EXIT.ok : EXIT.findings);
    });
}

async function run(text: string | undefined, options: Options): Promise<Report> {
  await using opened = new AsyncDisposableStack();
  const { looking, donationsUrl, targets } = await look(opened, text, options);
  const { planned, notes } = targets;
  const { reason } = options;
  if (options.dryRun) return { dryRun: true, reason, replayed: planned.map(untouched), notes };
  await expectAgreement(planned.filter(isToBeDone).length, options.yes === true);
  const replayed = await replay(planned, {
    client: looking.client,
    donationsUrl,
    reason,
    waitMs: options.wait ? options.timeout * 1_000 : null,
  });
  return { dryRun: false, reason, replayed, notes };
}

type Looked = {
  readonly looking: Looking;
  readonly donationsUrl: string | undefined;
  readonly targets: Targets;
};

async function look(
  opened: AsyncDisposableStack,
  text: string | undefined,
  options: Options,
): Promise<Looked> {
  const { query, evenIfRunning = false } = options;
  if (query !== undefined && text !== undefined)
    throw new CommandProblem('Name a donation or give --query, not both.');
  if (query !== undefined) {
    const config = loadEnvironment(['TEMPORAL_ADDRESS']);
    const temporal = await openTemporal(config.TEMPORAL_ADDRESS, config.TEMPORAL_NAMESPACE);
    opened.defer(() => temporal.close());
    const looking = { client: temporal.client, evenIfRunning };
    const targets = await targetsOfQuery(looking, taskQueues(config.NAME_PREFIX).donations, query);
    return { looking, donationsUrl: undefined, targets };
  }
  if (text === undefined || text === '')
    throw new CommandProblem('Name a donation, or give --query: see `npm run careforall -- replay --help`.');
  const config = loadEnvironment([
    'DONATIONS_DATABASE_URL',
    'PAYMENTS_DATABASE_URL',
    'CAMPAIGNS_DATABASE_URL',
    'NOTIFICATIONS_DATABASE_URL',
    'TEMPORAL_ADDRESS',
  ]);
  const temporal = await openTemporal(config.TEMPORAL_ADDRESS, config.TEMPORAL_NAMESPACE);
  opened.defer(() => temporal.close());
  const databases = openDatabases({
    donations: config.DONATIONS_DATABASE_URL,
    payments: config.PAYMENTS_DATABASE_URL,
    campaigns: config.CAMPAIGNS_DATABASE_URL,
    notifications: config.NOTIFICATIONS_DATABASE_URL,
  });
  opened.defer(() => databases.close());
  const snapshot = await databases.snapshot();
  const looking = { client: temporal.client, evenIfRunning };
  try {
    const targets = await targetsOf(looking, snapshot, text);
    return { looking, donationsUrl: config.DONATIONS_DATABASE_URL, targets };
  } finally {
    // Before anything is done: a snapshot that stays open holds up the databases' own tidying.
    await snapshot.close();
  }
}

function isToBeDone({ action }: Planned): boolean {
  return action.kind === 'reset' || action.kind === 'start again';
}

function untouched(planned: Planned): Replayed {
  return { ...planned, newRunId: null, done: false, problem: null, ended: null };
}

function isWell({ dryRun, replayed }: Report): boolean {
  const meant = replayed.filter(({ action }) => action.kind !== 'superseded');
  return (
    meant.length > 0 &&
    meant.every((one) =>
      dryRun ? isToBeDone(one) : one.done && (one.ended === null || one.ended.status === 'COMPLETED'),
    )
  );
}
