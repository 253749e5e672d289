import { setTimeout as sleep } from 'node:timers/promises';
import { Argument, Command } from 'commander';
import { aftercareWorkflowId, donationWorkflowId } from '../../domain/ids.ts';
import { RANK } from '../../domain/payment.ts';
import { openDatabases, type Databases } from '../audit/load/databases.ts';
import { loadEnvironment } from '../environment.ts';
import { seconds, uuid } from '../options.ts';
import { CommandProblem, EXIT, reasonOf, type ExitCode } from '../problem.ts';
import { openTemporal } from '../temporal.ts';
import { styled } from '../text.ts';
import { readHistory, type WorkflowHistory } from './history.ts';
import { readRows, type DonationRows } from './rows.ts';
import { formatLines, formatState, merge, type Happening, type Timeline } from './timeline.ts';

type Options = { follow?: true; timeout: number; json?: true };
type Histories = (
  donationId: string,
) => Promise<{ donation: WorkflowHistory | null; aftercare: WorkflowHistory | null }>;

const REFRESH_MS = 500;

export function watchCommand(end: (exitCode: ExitCode) => void): Command {
  return new Command('watch')
    .description(
      'one donation’s timeline: request, workflow, provider, webhooks, payment, refunds, disputes, totals, events',
    )
    .addArgument(new Argument('<donationId>').argParser(uuid))
    .option('--follow', 'go on until it has come to its end')
    .option('--timeout <seconds>', 'how long to follow', seconds, 120)
    .option('--json', 'print JSON: the timeline as it is at the end')
    .addHelpText(
      'after',
      '\nEnds with 0; with 1 when there is no such donation, or when it was followed in vain.',
    )
    .action(async (donationId: string, options: Options) => {
      const config = loadEnvironment([
        'DONATIONS_DATABASE_URL',
        'PAYMENTS_DATABASE_URL',
        'CAMPAIGNS_DATABASE_URL',
        'NOTIFICATIONS_DATABASE_URL',
      ]);
      await using opened = new AsyncDisposableStack();
      const databases = openDatabases({
        donations: config.DONATIONS_DATABASE_URL,
        payments: config.PAYMENTS_DATABASE_URL,
        campaigns: config.CAMPAIGNS_DATABASE_URL,
        notifications: config.NOTIFICATIONS_DATABASE_URL,
      });
      opened.defer(() => databases.close());
      const { histories, note } = await openHistories(
        opened,
        config.TEMPORAL_ADDRESS,
        config.TEMPORAL_NAMESPACE,
      );

      const shown = new Set<string>();
      const deadline = Date.now() + options.timeout * 1_000;
      let timeline = await readTimeline(databases, histories, note, donationId);
      if (!options.json) show(timeline, shown);
      while (options.follow && !timeline.state.final && Date.now() < deadline) {
        await sleep(REFRESH_MS);
        timeline = await readTimeline(databases, histories, note, donationId);
        if (!options.json) show(timeline, shown);
      }
      console.log(
        options.json
          ? JSON.stringify(
              { ...timeline.state, notes: timeline.notes, timeline: timeline.happenings },
              null,
              2,
            )
          : footer(timeline),
      );
      end(options.follow && !timeline.state.final ? EXIT.findings : EXIT.ok);
    });
}

/** A donation is also worth a look while Temporal is away: then the databases alone tell. */
async function openHistories(
  opened: AsyncDisposableStack,
  address: string | undefined,
  namespace: string,
): Promise<{ histories: Histories; note: string | null }> {
  const nothing: Histories = () => Promise.resolve({ donation: null, aftercare: null });
  if (address === undefined)
    return { histories: nothing, note: 'TEMPORAL_ADDRESS is not set: the workflow’s history is left out.' };
  try {
    const temporal = await openTemporal(address, namespace);
    opened.defer(() => temporal.close());
    const { client } = temporal;
    const histories: Histories = async (id) => ({
      donation: await readHistory(client, donationWorkflowId(id), 'workflow'),
      aftercare: await readHistory(client, aftercareWorkflowId(id), 'aftercare'),
    });
    return { histories, note: null };
  } catch (error) {
    return { histories: nothing, note: `${reasonOf(error)}: the workflow’s history is left out.` };
  }
}

async function readTimeline(
  databases: Databases,
  histories: Histories,
  note: string | null,
  id: string,
): Promise<Timeline> {
  const rows = await readOnce(databases, id);
  if (!rows.known) throw new CommandProblem(`There is no donation ${id}.`, EXIT.findings);
  const notes = note === null ? [] : [note];
  const { donation, aftercare } = await histories(id).catch((error: unknown) => {
    notes.push(`Temporal does not answer (${reasonOf(error)}): the workflow’s history is left out.`);
    return { donation: null, aftercare: null };
  });
  const { pledge } = rows;
  const ended =
    pledge !== null &&
    Object.entries(RANK).some(([status, rank]) => status === pledge.status && rank >= RANK.FAILED);
  return {
    state: {
      donationId: id,
      status: pledge?.status ?? null,
      version: pledge?.version ?? null,
      failureCode: pledge?.failureCode ?? null,
      workflow: donation?.status ?? null,
      // Without a workflow to be seen (Temporal away, or its retention over) the pledge has the last word.
      final:
        (ended && donation?.status !== 'RUNNING') ||
        donation?.status === 'FAILED' ||
        donation?.status === 'TERMINATED',
    },
    happenings: merge(rows.happenings, donation?.happenings ?? [], aftercare?.happenings ?? []),
    notes,
  };
}

async function readOnce(databases: Databases, id: string): Promise<DonationRows> {
  const snapshot = await databases.snapshot();
  try {
    return await readRows(snapshot, id);
  } finally {
    await snapshot.close();
  }
}

/** Only what was not shown before: what a slower source tells later stands where it was learnt. */
function show({ happenings }: Timeline, shown: Set<string>): void {
  const start = happenings[0]?.at ?? new Date();
  if (shown.size === 0) console.log(styled('dim', start.toISOString()));
  const keyOf = ({ at, source, what }: Happening): string => `${at.getTime()} ${source} ${what}`;
  const news = happenings.filter((happening) => !shown.has(keyOf(happening)));
  for (const happening of news) shown.add(keyOf(happening));
  if (news.length > 0) console.log(formatLines(news, start).join('\n'));
}

function footer({ state, notes }: Timeline): string {
  return [...notes.map((note) => styled('yellow', `Note: ${note}`)), formatState(state)].join('\n');
}
