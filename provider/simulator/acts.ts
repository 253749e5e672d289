import type { Answer } from './errors.ts';
import type { IntentRecord } from './records.ts';
import type { Simulator } from './simulator.ts';
import { beginWork } from './work.ts';
import type { Work } from './work.ts';

/** Something that happens at the provider without a request of ours: its events name no request. */
export function act(
  simulator: Simulator,
  intent: IntentRecord | undefined,
  run: (work: Work) => Answer,
): Answer {
  const { store, faults, livemode } = simulator;
  const call = { operation: 'other', donationId: intent?.metadata['donation_id'] ?? null } as const;
  const dials = simulator.dials();
  const work = beginWork({ store, faults, dials, call, livemode, requestId: null, idempotencyKey: null });
  const answer = run(work);
  if (answer.executed) {
    const changes = work.changes();
    simulator.commit(changes);
    for (const event of changes.events) simulator.webhooks.dispatch(event);
  }
  return answer;
}
