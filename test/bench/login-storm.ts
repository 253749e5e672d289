/** Many people sign in at once and go on trying: what those who only read feel of it. */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Informant } from '../../launch/stage/processes.ts';
import type { Ring } from './rounds.ts';
import { percentile } from './statistics.ts';

export type LoginStorm = {
  readonly atOnce: number;
  readonly seconds: number;
  /** Per second; the others were told to come back. */
  readonly signedIn: number;
  readonly refused: number;
  /** Reads of a campaign's totals, at a steady pace. */
  readonly readsBefore: Waits;
  readonly reads: Waits;
  /** Of the API process: the worst second. */
  readonly loopDelayP99Ms: number;
};
export type Waits = { readonly p50Ms: number; readonly p99Ms: number };

const PASSWORD = 'wells for everybody';
const READS_PER_SECOND = 100;
const ANSWER_LIMIT_MS = 15_000;

export type LoopDelays = { readonly informant: Informant; worstSince(ms: number): number };

/** Of the process named `name`, as tell-loop-delay.mjs tells them. */
export function hearLoopDelays(name: string): LoopDelays {
  const heard: { atMs: number; p99Ms: number }[] = [];
  return {
    informant: {
      module: new URL('tell-loop-delay.mjs', import.meta.url).href,
      hear(from, message) {
        const told = typeof message === 'object' && message !== null && 'loopDelayP99Ms' in message;
        if (from === name && told) heard.push({ atMs: Date.now(), p99Ms: Number(message.loopDelayP99Ms) });
      },
    },
    worstSince: (ms) => {
      const since = heard.filter(({ atMs }) => atMs >= ms).map(({ p99Ms }) => p99Ms);
      if (since.length === 0) throw new Error(`${name} has not told how late its event loop was`);
      return Math.max(...since);
    },
  };
}

export async function measureLoginStorm(
  ring: Ring,
  delays: LoopDelays,
  { atOnce, seconds }: { readonly atOnce: number; readonly seconds: number },
): Promise<LoginStorm> {
  const url = ring.stage.apiUrls[0] ?? '';
  const emails = Array.from({ length: Math.min(atOnce, 20) }, () => `${randomUUID()}@example.org`);
  for (const email of emails) {
    const { status } = await post(`${url}/auth/register`, { email, password: PASSWORD });
    if (status !== 201) throw new Error(`not registered: ${status}`);
  }
  const total = `${url}/campaigns/${ring.campaigns[0]?.[1] ?? ''}/total`;
  const readsBefore = waitsOf(await readSteadily(total, seconds));

  const sinceMs = Date.now();
  const untilMs = sinceMs + seconds * 1_000;
  const counts = { signedIn: 0, refused: 0 };
  const signIn = async (email: string): Promise<void> => {
    while (Date.now() < untilMs) {
      const { status } = await post(`${url}/auth/login`, { email, password: PASSWORD });
      if (status === 200) counts.signedIn += 1;
      else if (status === 503 || status === 429) {
        counts.refused += 1;
        // Less patient than they are asked to be, but no flood.
        await sleep(100);
      } else throw new Error(`a sign-in was answered with ${status}`);
    }
  };
  const storm = Array.from({ length: atOnce }, (_, n) => signIn(emails[n % emails.length] ?? ''));
  const reads = waitsOf(await readSteadily(total, seconds));
  await Promise.all(storm);
  // The second that is under way has yet to be told.
  await sleep(1_100);
  return {
    atOnce,
    seconds,
    signedIn: counts.signedIn / seconds,
    refused: counts.refused / seconds,
    readsBefore,
    reads,
    loopDelayP99Ms: delays.worstSince(sinceMs),
  };
}

async function readSteadily(url: string, seconds: number): Promise<number[]> {
  const tookMs: number[] = [];
  const startedAt = performance.now();
  const underWay: Promise<void>[] = [];
  for (let index = 0; index < seconds * READS_PER_SECOND; index += 1) {
    await sleep(Math.max(0, startedAt + (index * 1_000) / READS_PER_SECOND - performance.now()));
    underWay.push(
      (async () => {
        const begun = performance.now();
        const answer = await fetch(url, { signal: AbortSignal.timeout(ANSWER_LIMIT_MS) });
        await answer.text();
        if (answer.status !== 200) throw new Error(`totals were answered with ${answer.status}`);
        tookMs.push(performance.now() - begun);
      })(),
    );
  }
  await Promise.all(underWay);
  return tookMs;
}

function waitsOf(tookMs: readonly number[]): Waits {
  return { p50Ms: percentile(tookMs, 0.5), p99Ms: percentile(tookMs, 0.99) };
}

async function post(url: string, body: object): Promise<{ status: number }> {
  const answer = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(ANSWER_LIMIT_MS),
  });
  await answer.text();
  return { status: answer.status };
}
