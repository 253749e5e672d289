/** The whole bench: a platform of its own, a steady minute, rounds of comparisons, what it cost, the audit. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { printReport } from '../../cli/audit/print.ts';
import { duration } from '../../cli/text.ts';
import { BENCH_RESULTS, ensureDirectory } from '../../launch/paths.ts';
import { platformEnvironment } from '../../launch/platform-environment.ts';
import { freePort, LOOPBACK } from '../../launch/ports.ts';
import { complain, say, step, warn } from '../../launch/screen.ts';
import type { Session } from '../../launch/session.ts';
import { auditStage } from '../../launch/stage/audit.ts';
import { createCampaigns } from '../../launch/stage/campaigns.ts';
import type { Run } from '../../launch/stage/leftovers.ts';
import { setTheStage, type Stage } from '../../launch/stage/stage.ts';
import { countExtras } from './cleanliness.ts';
import { generatorOf, percentilesOf, ratiosOf, whatIsWrong, type Figures } from './figures.ts';
import { measureLatency } from './latency.ts';
import { hearLoopDelays, measureLoginStorm } from './login-storm.ts';
import { describeMachine, loadAverage } from './machine.ts';
import { noopQueue } from './noops.ts';
import { commandOf, type BenchOptions } from './options.ts';
import { printFigures, printMarkdown } from './print.ts';
import { playRound, type Ring, type Round, type Sizes } from './rounds.ts';

const SEED = 1;
const WARM_UP: Sizes = {
  rounds: 1,
  donations: 60,
  noops: 60,
  echoes: 2_000,
  reads: 1_000,
  bareReads: 2_000,
  tokenChecks: 5_000,
};
const WHOLE = {
  latency: { donations: 300, perSecond: 5 },
  sizes: {
    rounds: 5,
    donations: 500,
    noops: 500,
    echoes: 10_000,
    reads: 5_000,
    bareReads: 20_000,
    tokenChecks: 20_000,
  },
  storm: { atOnce: 200, seconds: 10 },
  policy: {},
};
const QUICK = {
  latency: { donations: 10, perSecond: 5 },
  sizes: { rounds: 1, donations: 20, noops: 20, echoes: 200, reads: 200, bareReads: 200, tokenChecks: 1_000 },
  storm: { atOnce: 10, seconds: 2 },
  // It runs beside other work: a saga that takes its time is no reason to tell it what it is about to find out.
  policy: { quietAfterOperationMs: 6_000 },
};

/** Whether the figures may be shown. */
export async function perform(session: Session, run: Run, options: BenchOptions): Promise<boolean> {
  const startedAt = new Date();
  const load = loadAverage();
  const { latency, sizes, storm, policy } = options.quick ? QUICK : WHOLE;
  say(`A platform of the bench's own, named ${run.name}; one that runs beside it is not touched.\n`);
  const delays = hearLoopDelays('api');
  const { informant } = delays;
  const stage = await setTheStage({ session, run, seed: SEED, policy, report: warn, informant });
  const machine = await describeMachine(stage);
  const ring = await openRing(stage);

  let given = 0;
  if (!options.quick) {
    await step('Warm-up', () => playRound(ring, WARM_UP, 0));
    given += WARM_UP.donations;
  }
  const steady = await step(`${latency.donations} donations at ${latency.perSecond}/s`, () =>
    measureLatency({ ...ring, ...latency }),
  );
  given += latency.donations;
  const rounds: Round[] = [];
  while (rounds.length < sizes.rounds) {
    const index = rounds.length;
    rounds.push(await step(`Round ${index + 1} of ${sizes.rounds}`, () => playRound(ring, sizes, index)));
    given += sizes.donations;
  }
  const logins = await step(`${storm.atOnce} people who sign in at once`, () =>
    measureLoginStorm(ring, delays, storm),
  );
  const extras = await step('Histories', () => countExtras(stage.temporal, steady.ids));
  const report = await step(
    'Audit',
    () => auditStage(stage),
    ({ timingsMs }) => `Audit, in ${duration(timingsMs['all'] ?? 0)}`,
  );
  if (!report.ok) say(`\n${printReport(report, false)}`);

  const figures: Figures = {
    schema: 'careforall.bench.v1',
    startedAt: startedAt.toISOString(),
    command: commandOf(options),
    machine,
    loadAverage: load,
    seconds: Math.round((Date.now() - startedAt.getTime()) / 1_000),
    latency: {
      ...latency,
      captured: percentilesOf(steady.capturedMs),
      noop: percentilesOf(steady.noopMs),
    },
    ratios: ratiosOf(rounds),
    rounds,
    generator: generatorOf(rounds),
    logins,
    extras: { donations: steady.ids.length, ...extras },
    audit: { donations: report.totals.donations, discrepancies: report.discrepancies },
  };
  say(`\n${printFigures(figures)}\n`);
  if (options.markdown) say(`${printMarkdown(figures)}\n`);
  say(`All of it is in ${keep(figures)}\n`);
  const wrong = whatIsWrong(figures, given);
  for (const reason of wrong) complain(reason);
  return wrong.length === 0;
}

/** Beside the platform: what it is compared with, each in a process of its own as the platform's are. */
async function openRing(stage: Stage): Promise<Ring> {
  const { addresses, processes } = stage;
  const campaigns = [...(await createCampaigns(stage))];
  const serve = async (name: string): Promise<string> => {
    const port = await freePort();
    await processes.start(name, `test/bench/${name}.ts`, { HOST: LOOPBACK, PORT: String(port) });
    return `http://${LOOPBACK}:${port}`;
  };
  const ring = {
    stage,
    campaigns,
    noopQueue: noopQueue(addresses.namePrefix),
    echoUrl: await serve('echo-server'),
    bareUrl: await serve('bare-server'),
  };
  await processes.start('noop-worker', 'test/bench/noop-worker.ts', platformEnvironment(addresses));
  // The bare server gives the same answer, byte for byte.
  const total = await fetch(`${stage.apiUrls[0] ?? ''}/campaigns/${campaigns[0]?.[1] ?? ''}/total`);
  await fetch(ring.bareUrl, { method: 'POST', body: await total.text() });
  return ring;
}

/** Returns the file. */
function keep(figures: Figures): string {
  const name = `${figures.startedAt.replaceAll(/[:.]/g, '-')}.json`;
  const file = join(ensureDirectory(BENCH_RESULTS), name);
  writeFileSync(file, `${JSON.stringify(figures, null, 2)}\n`);
  return file;
}
