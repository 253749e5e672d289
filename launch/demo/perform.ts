/** The whole piece: a platform, a storm, the quiet after it, the audit. */
import { duration } from '../../cli/text.ts';
import { say, step } from '../screen.ts';
import type { Session } from '../session.ts';
import { auditStage } from '../stage/audit.ts';
import { countCharges, readBooks } from './books.ts';
import { createCampaigns } from '../stage/campaigns.ts';
import { createDonors } from '../stage/donors.ts';
import { countSightings } from './faults.ts';
import type { Run } from '../stage/leftovers.ts';
import { createLiveLine } from '../stage/live-line.ts';
import type { DemoOptions } from './options.ts';
import { planGifts } from '../stage/plan.ts';
import { showProgress } from './progress.ts';
import { untilAtRest } from '../stage/rest.ts';
import { spoilOneTotal } from './sabotage.ts';
import { setTheStage, type Stage } from '../stage/stage.ts';
import { storm, type Wreckage } from './storm.ts';
import { tellFindings, tellHappyEnd, tellUnhappyEnd } from './tell.ts';
import { whatWentWrong } from './verdict.ts';
import { IMPATIENT_POLICY } from './weather.ts';

const REST_LIMIT_MS = 90_000;
const REST_LIMIT_PER_DONATION_MS = 200;

/** Whether everything held. */
export async function perform(session: Session, run: Run, options: DemoOptions): Promise<boolean> {
  const { donations, seed, sabotage, keep } = options;
  const startedAt = Date.now();
  say(`A platform of the demo's own, named ${run.name}; one that runs beside it is not touched.\n`);
  const line = createLiveLine();
  const stage = await setTheStage({
    session,
    run,
    seed,
    apis: 2,
    policy: IMPATIENT_POLICY,
    report: (text) => line.tell(text),
  });
  const campaignIds = await createCampaigns(stage);
  const gifts = planGifts(donations, seed);
  const donors = createDonors(stage.apiUrls, campaignIds, gifts);

  say(`\n${donations} people give to 3 campaigns, and a storm comes up (seed ${seed}):\n`);
  let wreckage: Wreckage;
  let waiting: Readonly<Record<string, number>>;
  {
    await using _ = showProgress(stage, donors, donations, line);
    wreckage = await storm({ stage, donors, gifts, seed, tell: (text) => line.tell(text) });
    line.tell(`every donation was sent 5 times; waiting until all of it has settled`);
    waiting = await untilAtRest(stage, REST_LIMIT_MS + donations * REST_LIMIT_PER_DONATION_MS);
  }
  const sightings = countSightings(await readSources(stage, donors.totals().repeats, wreckage));
  await stage.simulator.calmDown();
  if (sabotage) await spoilOneTotal(stage);

  const ledger = await stage.simulator.ledger();
  const records = donors.records();
  const findings = {
    records,
    sightings,
    waiting,
    charges: countCharges(records, ledger),
    books: await readBooks(stage, gifts, ledger, campaignIds),
    report: await step(
      'Audit',
      () => auditStage(stage),
      ({ timingsMs }) => `Audit, in ${duration(timingsMs['all'] ?? 0)}`,
    ),
  };
  const reasons = whatWentWrong(findings);
  tellFindings(findings);
  if (reasons.length === 0) tellHappyEnd(findings, Math.round((Date.now() - startedAt) / 1_000));
  else tellUnhappyEnd(reasons, run.directory);
  if (keep) tellAddresses(stage);
  return reasons.length === 0;
}

async function readSources(stage: Stage, repeats: number, { orphaned, forgottenKeys }: Wreckage) {
  const { simulator, processes, redis } = stage;
  return {
    ledger: await simulator.ledger(),
    fired: await simulator.fired(),
    webhooks: await simulator.webhooks(),
    repeats,
    killed: processes.killed(),
    orphaned,
    redis: redis === null ? null : { flushes: await redis.flushes(), forgottenKeys: forgottenKeys ?? 0 },
  };
}

function tellAddresses({ apiUrls, temporalUiUrl, addresses }: Stage): void {
  say('It goes on running, to look around in:\n');
  say(`  API          ${apiUrls.join(' and ')}`);
  say(
    `  Temporal UI  ${temporalUiUrl ?? `that of ${addresses.temporalAddress}`}, namespace ${addresses.temporalNamespace}`,
  );
  say(`  Databases    ${addresses.namePrefix}_*`);
  say('\nCtrl-C stops and removes all of it.\n');
}
