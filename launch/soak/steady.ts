/** People who give one after the other, for as long as it lasts; some of their phones send it again. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Donors } from '../stage/donors.ts';
import type { Gift } from '../stage/plan.ts';

const RETRY_EVERY = 20;
const RETRY_AFTER_MS = 20_000;

/**
 * The next gift goes out on time, however long the one before takes; every twentieth is sent twice at once and again
 * after a while. Resolves when all are answered, with why some were not.
 */
export async function giveSteadily(
  donors: Donors,
  gifts: readonly Gift[],
  ratePerSecond: number,
): Promise<string[]> {
  const failures: string[] = [];
  const underWay = new Set<Promise<void>>();
  const startedAt = performance.now();
  for (const [index, gift] of gifts.entries()) {
    await sleep(Math.max(0, startedAt + (index * 1_000) / ratePerSecond - performance.now()));
    const giving = give(donors, gift, index % RETRY_EVERY === 0)
      .catch((error: unknown) => void failures.push(error instanceof Error ? error.message : String(error)))
      .finally(() => underWay.delete(giving));
    underWay.add(giving);
  }
  await Promise.all(underWay);
  return failures;
}

async function give(donors: Donors, gift: Gift, isRetried: boolean): Promise<void> {
  if (!isRetried) return await donors.send(gift, 0);
  await Promise.all([donors.send(gift, 0), donors.send(gift, 0)]);
  await sleep(RETRY_AFTER_MS);
  await donors.send(gift, 0);
}
