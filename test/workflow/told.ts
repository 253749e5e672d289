import { setTimeout as pause } from 'node:timers/promises';
import type { WorkflowHandle } from '@temporalio/client';
import type { Donation, DonationStage } from './donation-stage.ts';

const LOOK_EVERY_MS = 40;

/** Delivers what the provider has to tell about a donation, each event once, until its workflow has ended. */
export async function tellUntilDone(
  stage: DonationStage,
  donation: Donation,
  handle: WorkflowHandle,
): Promise<number> {
  let done = false;
  const ended = handle.result().finally(() => {
    done = true;
  });
  // Awaited at the end: a delivery that fails is the first to say so.
  ended.catch(() => undefined);
  const told = new Set<string>();
  while (!done) {
    for (const { id } of await stage.receive(donation)) {
      if (told.has(id)) continue;
      const { kind } = await stage.deliver(donation, id);
      if (kind === 'delivered') told.add(id);
    }
    await Promise.race([ended.catch(() => undefined), pause(LOOK_EVERY_MS)]);
  }
  await ended;
  return told.size;
}
