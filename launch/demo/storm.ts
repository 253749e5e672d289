/** The storm itself: everybody gives at once and again and again, and in the middle of it things are broken on purpose. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Donors } from '../stage/donors.ts';
import type { Gift } from '../stage/plan.ts';
import { createRandom } from '../stage/random.ts';
import { WORKER, type Stage } from '../stage/stage.ts';
import { STORMY, SURE_HITS } from './weather.ts';

/** Two at once, one a moment later, two at once again after everything was broken. */
export const SENDS_PER_KEY = 5;

export type Wreckage = {
  /** Donations that were under way when the worker died. */
  readonly orphaned: number;
  /** Keys that Redis had remembered; `null` without one. */
  readonly forgottenKeys: number | null;
};

const PEOPLE_AT_ONCE = 12;
const MOMENT_MS = { least: 50, most: 600 };

export async function storm(options: {
  readonly stage: Stage;
  readonly donors: Donors;
  readonly gifts: readonly Gift[];
  readonly seed: number;
  readonly tell: (text: string) => void;
}): Promise<Wreckage> {
  const { stage, donors, gifts, seed, tell } = options;
  // Another sequence than the plan's: it must not matter how much chance that needed.
  const random = createRandom(seed + 1);

  const giveThreeTimes = async (gift: Gift): Promise<void> => {
    const [moment, api] = [random.between(MOMENT_MS.least, MOMENT_MS.most), random.between(0, 1)];
    await Promise.all([donors.send(gift, 0), donors.send(gift, 1)]);
    await sleep(moment);
    await donors.send(gift, api);
  };
  const giveTwiceMore = async (gift: Gift): Promise<void> => {
    await Promise.all([donors.send(gift, 0), donors.send(gift, 1)]);
  };

  await stage.simulator.turn(STORMY);
  await stage.simulator.arm(SURE_HITS);
  const half = Math.ceil(gifts.length / 2);
  await each(gifts.slice(0, half), giveThreeTimes);
  const [wreckage] = await Promise.all([breakThings(stage, tell), each(gifts.slice(half), giveThreeTimes)]);
  await each(random.shuffled(gifts), giveTwiceMore);
  return wreckage;
}

async function breakThings(
  { processes, pools, redis }: Stage,
  tell: (text: string) => void,
): Promise<Wreckage> {
  tell('kill -9 for the only worker, in the middle of its work');
  await processes.kill9(WORKER);
  const { rows } = await pools.donations.query<{ orphaned: number }>(
    `SELECT count(*)::int AS orphaned FROM donation_requests r LEFT JOIN pledges p ON p.id = r.id
     WHERE p.id IS NULL OR p.status IN ('INITIATED', 'AUTHORIZED')`,
  );
  const orphaned = rows[0]?.orphaned ?? 0;
  tell(`${orphaned} donations were under way when it died`);
  if (redis === null) return { orphaned, forgottenKeys: null };
  const forgottenKeys = await redis.flush();
  tell(`FLUSHALL: Redis has forgotten the ${forgottenKeys} donations it had seen`);
  return { orphaned, forgottenKeys };
}

async function each<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const waiting = [...items];
  const person = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) await work(next);
  };
  await Promise.all(Array.from({ length: PEOPLE_AT_ONCE }, person));
}
