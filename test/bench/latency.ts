/** How long a donation takes at a steady pace: from the POST to the row that says CAPTURED, by one clock. */
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { untilAtRest } from '../../launch/stage/rest.ts';
import type { Stage } from '../../launch/stage/stage.ts';
import { donateRequest, type Campaigns } from './donating.ts';
import { timeOneNoop } from './noops.ts';

export type Latencies = {
  readonly ids: readonly string[];
  readonly capturedMs: readonly number[];
  /** Of no-op workflows in the same minute, from start to result. */
  readonly noopMs: readonly number[];
};

const NOOP_EVERY = 5;
const ANSWER_LIMIT_MS = 15_000;
const REST_LIMIT_MS = 60_000;
const accepted = z.object({ id: z.string() });

export async function measureLatency(options: {
  readonly stage: Stage;
  readonly campaigns: Campaigns;
  readonly noopQueue: string;
  readonly donations: number;
  readonly perSecond: number;
}): Promise<Latencies> {
  const { stage, campaigns, noopQueue, donations, perSecond } = options;
  const postedAt = new Map<string, number>();
  const noopMs: number[] = [];
  const give = async (index: number): Promise<void> => {
    const { path, ...request } = donateRequest(campaigns, index);
    const startedAt = Date.now();
    const answer = await fetch(`${stage.apiUrls[0] ?? ''}${path}`, {
      ...request,
      signal: AbortSignal.timeout(ANSWER_LIMIT_MS),
    });
    if (answer.status !== 202) throw new Error(`not accepted: ${answer.status} ${await answer.text()}`);
    postedAt.set(accepted.parse(await answer.json()).id, startedAt);
  };

  const underWay: Promise<void>[] = [];
  const startedAt = performance.now();
  for (let index = 0; index < donations; index += 1) {
    await sleep(Math.max(0, startedAt + (index * 1_000) / perSecond - performance.now()));
    underWay.push(give(index));
    // Between two donations, so that neither waits for the other.
    if (index % NOOP_EVERY === 0)
      underWay.push(
        sleep(500 / perSecond).then(async () => {
          noopMs.push(await timeOneNoop(stage.temporal, noopQueue));
        }),
      );
  }
  await Promise.all(underWay);
  await untilAtRest(stage, REST_LIMIT_MS);

  const { rows } = await stage.pools.donations.query<{ id: string; at: number }>(
    `SELECT id, (extract(epoch FROM updated_at) * 1000)::float8 AS at FROM pledges
     WHERE id = ANY($1::uuid[]) AND status = 'CAPTURED'`,
    [[...postedAt.keys()]],
  );
  if (rows.length !== donations)
    throw new Error(`${donations - rows.length} of ${donations} donations were not captured`);
  return {
    ids: rows.map(({ id }) => id),
    capturedMs: rows.map(({ id, at }) => at - (postedAt.get(id) ?? Number.NaN)),
    noopMs,
  };
}
