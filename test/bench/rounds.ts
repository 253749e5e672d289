/** What is compared, side by side in one round: whatever else the machine does meets both sides. */
import { setTimeout as sleep } from 'node:timers/promises';
import { untilAtRest } from '../../launch/stage/rest.ts';
import type { Stage } from '../../launch/stage/stage.ts';
import { donateRequest, type Campaigns } from './donating.ts';
import { generate, type Throughput } from './generator.ts';
import { startNoops } from './noops.ts';
import { measureTokenChecks, type TokenChecks } from './token-checks.ts';

export type Sizes = {
  readonly rounds: number;
  readonly donations: number;
  readonly noops: number;
  readonly echoes: number;
  readonly reads: number;
  readonly bareReads: number;
  readonly tokenChecks: number;
};

/** Each per second. */
export type Round = {
  readonly accepts: Throughput;
  readonly echoes: Throughput;
  readonly reads: Throughput;
  readonly bareReads: Throughput;
  readonly sagas: number;
  readonly noops: number;
  readonly tokens: TokenChecks;
};

export type Ring = {
  readonly stage: Stage;
  readonly campaigns: Campaigns;
  readonly noopQueue: string;
  readonly echoUrl: string;
  readonly bareUrl: string;
};

const LOOK_EVERY_MS = 250;
const WORK_LIMIT_MS = 180_000;
const REST_LIMIT_MS = 60_000;

export async function playRound(ring: Ring, sizes: Sizes, index: number): Promise<Round> {
  const bareReads = (): Promise<Throughput> => readTotals(ring, ring.bareUrl, sizes.bareReads);
  const reads = (): Promise<Throughput> => readTotals(ring, apiOf(ring), sizes.reads);
  const noops = (): Promise<number> => finishNoops(ring, sizes.noops);
  const sagas = (): Promise<{ accepts: Throughput; sagas: number }> => finishSagas(ring, sizes.donations);
  const tokens = await measureTokenChecks(sizes.tokenChecks);
  // What comes second finds a warmer machine: the sides take turns.
  if (index % 2 === 0) {
    const [first, second] = [await bareReads(), await reads()];
    const echoed = await echo(ring, sizes.echoes);
    const none = await noops();
    return { tokens, bareReads: first, reads: second, echoes: echoed, noops: none, ...(await sagas()) };
  }
  const [first, second] = [await reads(), await bareReads()];
  const done = await sagas();
  const echoed = await echo(ring, sizes.echoes);
  return { tokens, bareReads: second, reads: first, echoes: echoed, noops: await noops(), ...done };
}

function apiOf({ stage }: Ring): string {
  return stage.apiUrls[0] ?? '';
}

async function readTotals({ campaigns }: Ring, url: string, requests: number): Promise<Throughput> {
  const path = `/campaigns/${campaigns[0]?.[1] ?? ''}/total`;
  return await generate({ url, requests, expectedStatus: 200, request: () => ({ method: 'GET', path }) });
}

async function echo({ echoUrl, campaigns }: Ring, requests: number): Promise<Throughput> {
  const request = (index: number) => donateRequest(campaigns, index);
  return await generate({ url: echoUrl, requests, expectedStatus: 202, request });
}

async function finishNoops({ stage, noopQueue }: Ring, count: number): Promise<number> {
  const since = new Date();
  await startNoops(stage.temporal, noopQueue, count);
  return (count * 1_000) / (await untilClosed(stage, 'noop', since, count));
}

/** One burst is measured twice: how fast it is taken, and how fast all of it is done. */
async function finishSagas(ring: Ring, count: number): Promise<{ accepts: Throughput; sagas: number }> {
  const { stage, campaigns } = ring;
  const since = new Date();
  const accepts = await generate({
    url: apiOf(ring),
    requests: count,
    expectedStatus: 202,
    request: (index) => donateRequest(campaigns, index),
  });
  const sagas = (count * 1_000) / (await untilClosed(stage, 'donation', since, count));
  // Webhooks and events that are still on their way belong to this burst, not to what is measured next.
  await untilAtRest(stage, REST_LIMIT_MS);
  return { accepts, sagas };
}

/** From `since` to the moment at which the last of them closed, in ms, by Temporal's own times. */
async function untilClosed({ temporal }: Stage, type: string, since: Date, count: number): Promise<number> {
  const query = `WorkflowType = '${type}' AND ExecutionStatus = 'Completed' AND StartTime >= '${since.toISOString()}'`;
  const deadline = Date.now() + WORK_LIMIT_MS;
  while ((await temporal.workflow.count(query)).count < count) {
    if (Date.now() > deadline) throw new Error(`not all of ${count} ${type} workflows closed in time`);
    await sleep(LOOK_EVERY_MS);
  }
  let last = 0;
  for await (const { closeTime } of temporal.workflow.list({ query, pageSize: 1_000 }))
    last = Math.max(last, closeTime?.getTime() ?? 0);
  return last - since.getTime();
}
