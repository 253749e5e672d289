/** Gives once or many times, and follows each donation to its end where that is asked for. */
import { setTimeout as sleep } from 'node:timers/promises';
import { RANK } from '../../domain/payment.ts';
import { CommandProblem } from '../problem.ts';
import type { Accepted, Donation, DonorApi, Order } from './api.ts';

export type Gift = {
  readonly key: string;
  readonly id: string | null;
  readonly donorToken: string | null;
  readonly replayed: boolean;
  readonly status: string;
  readonly failure: string | null;
  /** False only for one that was waited for in vain, refused, or that ended without money. */
  readonly ok: boolean;
  readonly tookMs: number;
};

export type Following = { readonly waitMs: number | null; readonly changed: (donation: Donation) => void };

const POLL_MS = 200;

export async function give(
  api: DonorApi,
  order: Order,
  key: string,
  { waitMs, changed }: Following,
): Promise<Gift> {
  const startedAt = performance.now();
  const took = (): number => Math.round(performance.now() - startedAt);
  const accepted = await api.donate(order, key);
  if ('refused' in accepted) {
    return {
      key,
      id: null,
      donorToken: null,
      replayed: false,
      status: `refused: ${accepted.detail}`,
      failure: accepted.code,
      ok: false,
      tookMs: took(),
    };
  }
  changed(accepted);
  const last = waitMs === null ? accepted : await follow(api, accepted, waitMs, changed);
  const { id, donorToken, replayed } = accepted;
  const ok = waitMs === null || last.status === 'CAPTURED';
  return {
    key,
    id,
    donorToken,
    replayed,
    status: last.status,
    failure: last.failure?.code ?? null,
    ok,
    tookMs: took(),
  };
}

async function follow(
  api: DonorApi,
  accepted: Accepted,
  waitMs: number,
  changed: (donation: Donation) => void,
): Promise<Donation> {
  const deadline = Date.now() + waitMs;
  let last: Donation = accepted;
  while (RANK[last.status] < RANK.FAILED && Date.now() < deadline) {
    await sleep(POLL_MS);
    const now = await api.donation(accepted.id, accepted.donorToken);
    if ('refused' in now) throw new CommandProblem(`Donation ${accepted.id} cannot be read: ${now.detail}`);
    if (now.status !== last.status) changed(now);
    last = now;
  }
  return last;
}

export async function giveMany(
  count: number,
  concurrency: number,
  one: () => Promise<Gift>,
): Promise<Gift[]> {
  const gifts: Gift[] = [];
  let begun = 0;
  const donor = async (): Promise<void> => {
    while (begun < count) {
      begun += 1;
      gifts.push(await one());
    }
  };
  await Promise.all(Array.from({ length: Math.min(count, concurrency) }, donor));
  return gifts;
}
