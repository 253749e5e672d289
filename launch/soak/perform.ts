/** Steady giving for an hour, with an eye on every process's memory; the audit at the end. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { printReport } from '../../cli/audit/print.ts';
import { count, duration } from '../../cli/text.ts';
import { ensureDirectory, SOAK_RESULTS } from '../paths.ts';
import { complain, say, step, warn } from '../screen.ts';
import type { Session } from '../session.ts';
import { auditStage } from '../stage/audit.ts';
import { createCampaigns } from '../stage/campaigns.ts';
import { createDonors, type Donors } from '../stage/donors.ts';
import type { Run } from '../stage/leftovers.ts';
import { createLiveLine, type LiveLine } from '../stage/live-line.ts';
import { planGifts } from '../stage/plan.ts';
import { untilAtRest } from '../stage/rest.ts';
import { setTheStage, type Stage } from '../stage/stage.ts';
import { csvOf } from './csv.ts';
import { growthTable } from './growth.ts';
import { watchMemory, type MemoryWatch, type Sample } from './memory.ts';
import type { SoakOptions } from './options.ts';
import { pictureOf } from './picture.ts';
import { giveSteadily } from './steady.ts';

const TEMPORAL = 'temporal';
const SAMPLE_EVERY_MS = 15_000;
const TELL_EVERY_MS = 60_000;
const REST_LIMIT_MS = 120_000;

/** Whether every donation came to its end, no process died and the audit found nothing. */
export async function perform(session: Session, run: Run, options: SoakOptions): Promise<boolean> {
  const { minutes, rate, seed } = options;
  const results = ensureDirectory(join(SOAK_RESULTS, new Date().toISOString().replaceAll(/[:.]/g, '-')));
  say(`A platform of the soak's own, named ${run.name}; one that runs beside it is not touched.\n`);
  const line = createLiveLine({ plainEveryMs: TELL_EVERY_MS });
  const deaths: string[] = [];
  const memory = watchMemory();
  const stage = await setTheStage({
    session,
    run,
    seed,
    informant: memory.informant,
    report(text) {
      deaths.push(text);
      line.tell(text);
    },
  });
  const campaignIds = await createCampaigns(stage);
  const gifts = planGifts(minutes * 60 * rate, seed);
  const donors = createDonors(stage.apiUrls, campaignIds, gifts);

  say(
    `\n${count(gifts.length, 'donation')} in ${count(minutes, 'minute')}, ${rate} per second (seed ${seed}):\n`,
  );
  const samples: Sample[] = [];
  let failures: string[];
  {
    await using _ = keepSampling({
      stage,
      donors,
      memory,
      samples,
      line,
      csvFile: join(results, 'samples.csv'),
    });
    failures = await giveSteadily(donors, gifts, rate);
  }
  const waiting = await untilAtRest(stage, REST_LIMIT_MS);
  const report = await step(
    'Audit',
    () => auditStage(stage),
    ({ timingsMs }) => `Audit, in ${duration(timingsMs['all'] ?? 0)}`,
  );
  say(`\n${printReport(report, false)}\n`);

  const table = growthTable(samples);
  writeFileSync(join(results, 'table.md'), `${table}\n`);
  writeFileSync(
    join(results, 'soak.svg'),
    pictureOf(samples, `${count(minutes, 'minute')} of ${rate} donations per second`, TEMPORAL),
  );
  say(`${table}\n\nSamples, table and picture are in ${results}\n`);

  const wrong = [
    ...Object.entries(waiting).map(([what, number]) => `${number} ${what}`),
    ...new Set(failures),
    ...deaths,
    ...(report.totals.donations === gifts.length
      ? []
      : [`the audit compared ${report.totals.donations} donations, not ${gifts.length}`]),
  ];
  for (const reason of wrong) complain(reason);
  return wrong.length === 0 && report.ok;
}

/** A sample now, every 15 seconds and when it is disposed of; the CSV has them as they come. */
function keepSampling(options: {
  readonly stage: Stage;
  readonly donors: Donors;
  readonly memory: MemoryWatch;
  readonly samples: Sample[];
  readonly line: LiveLine;
  readonly csvFile: string;
}): AsyncDisposable {
  const { stage, donors, memory, samples, line, csvFile } = options;
  const startedAt = Date.now();
  const take = (): void => {
    const pids = new Map(stage.processes.pids());
    if (stage.temporalPid !== undefined) pids.set(TEMPORAL, stage.temporalPid);
    const processes = memory.measure(pids);
    const { accepted } = donors.totals();
    samples.push({ minutes: (Date.now() - startedAt) / 60_000, accepted, processes });
    writeFileSync(csvFile, csvOf(samples));
    const held = processes.map(({ name, rssMb }) => `${name} ${rssMb?.toFixed(0) ?? '?'} MB`);
    line.update([`accepted ${accepted}`, ...held].join('  '));
    if (samples.length === 1 && processes.every(({ rssMb }) => rssMb === undefined))
      warn('There is no /proc here: only what is alive on the JavaScript heaps is measured.');
  };
  const ended = new AbortController();
  take();
  const sampling = (async (): Promise<void> => {
    while (!ended.signal.aborted) {
      await sleep(SAMPLE_EVERY_MS, undefined, { signal: ended.signal }).catch(() => undefined);
      take();
    }
  })();
  return {
    async [Symbol.asyncDispose]() {
      ended.abort();
      await sampling;
      line.end();
    },
  };
}
