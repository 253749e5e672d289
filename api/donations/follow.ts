/** Watches one donation on its way. */
import { setTimeout as sleep } from 'node:timers/promises';
import { RANK } from '../../domain/payment.ts';
import type { Donation } from './donation.ts';
import type { RequestStore } from './requests.ts';

const FIRST_LOOK_MS = 25;
const SLOWEST_LOOK_MS = 500;

/**
 * Yields the donation as it is, then again whenever its version has grown, until its saga has ended or `signal` aborts.
 * Looks are batched over all followers of the process, and grow rarer while nothing happens.
 */
export async function* followDonation(
  requests: Pick<RequestStore, 'find'>,
  id: string,
  signal: AbortSignal,
): AsyncGenerator<Donation, void> {
  let seen = -1;
  let waitMs = FIRST_LOOK_MS;
  while (!signal.aborted) {
    const donation = await requests.find(id);
    if (donation === null) return;
    if (donation.version > seen) {
      seen = donation.version;
      waitMs = FIRST_LOOK_MS;
      yield donation;
      if (hasEnded(donation)) return;
    }
    await sleep(waitMs, undefined, { signal }).catch(() => undefined);
    waitMs = Math.min(SLOWEST_LOOK_MS, waitMs * 1.5);
  }
}

/** FAILED, EXPIRED, or captured: what comes later (a refund) is not part of giving. */
export function hasEnded({ status }: Pick<Donation, 'status'>): boolean {
  return RANK[status] >= RANK.FAILED;
}
