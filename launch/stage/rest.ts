/** Waits for the end of all work: nothing is accepted and not started, told and not applied, written and not published. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Stage } from './stage.ts';

const LOOK_EVERY_MS = 250;

/** What still waits when the time is over, by name; empty when everything is at rest. */
export async function untilAtRest(stage: Stage, limitMs: number): Promise<Readonly<Record<string, number>>> {
  const deadline = Date.now() + limitMs;
  for (;;) {
    const waiting = await whatWaits(stage);
    if (Object.keys(waiting).length === 0 || Date.now() > deadline) return waiting;
    await sleep(LOOK_EVERY_MS);
  }
}

async function whatWaits(stage: Stage): Promise<Record<string, number>> {
  const { donations, payments, campaigns, notifications } = stage.pools;
  const published = stage.addresses.rabbitmqUrl !== undefined;
  const count = async (pool: typeof donations, what: string): Promise<number> => {
    const { rows } = await pool.query<{ count: number }>(`SELECT count(*)::int AS count FROM ${what}`);
    return rows[0]?.count ?? 0;
  };
  const outbox = async (): Promise<number> => {
    const counts = await Promise.all(
      [donations, payments, campaigns].map((pool) => count(pool, 'outbox_events WHERE NOT processed')),
    );
    return counts.reduce((sum, each) => sum + each, 0);
  };
  const receipts = async (): Promise<number> =>
    (await count(donations, `pledges WHERE status = 'CAPTURED'`)) - (await count(notifications, 'receipts'));
  const counts = {
    'requests without a pledge': await count(
      donations,
      'donation_requests r LEFT JOIN pledges p ON p.id = r.id WHERE p.id IS NULL',
    ),
    'donations under way': await count(donations, `pledges WHERE status IN ('INITIATED', 'AUTHORIZED')`),
    'webhooks not sent': (await stage.simulator.webhooks()).waiting,
    'webhooks not applied': await count(payments, 'webhook_events WHERE processed_at IS NULL'),
    'commands not delivered':
      (await count(donations, 'workflow_commands WHERE delivered_at IS NULL')) +
      (await count(payments, 'workflow_commands WHERE delivered_at IS NULL')),
    'events not published': published ? await outbox() : 0,
    'receipts not written': published ? await receipts() : 0,
    'workflows running': (await stage.temporal.workflow.count(`ExecutionStatus = 'Running'`)).count,
  };
  return Object.fromEntries(Object.entries(counts).filter(([, number]) => number !== 0));
}
