import { randomUUID } from 'node:crypto';
import type { Pool } from 'pg';
import { createInbox } from '../../../api/payments/inbox.ts';
import { readWebhookEvent } from '../../../provider/stripe/webhook.ts';
import type { PaymentOrder } from '../../../workflows/ports.ts';
import { SECRET_KEY, type SimulatorProcess } from '../../contract/start-simulator.ts';

/** An event in Stripe's own shape, as its public API lists it. */
export type ListedEvent = {
  readonly id: string;
  readonly type: string;
  readonly data: { readonly object: Readonly<Record<string, unknown>> };
};

/** What the provider has to tell about a donation's payment, oldest first. */
export async function listedEvents(simulator: SimulatorProcess, donationId: string): Promise<ListedEvent[]> {
  const answer = await fetch(`${simulator.base}/v1/events?limit=100`, {
    headers: { authorization: `Bearer ${SECRET_KEY}` },
  });
  const { data } = (await answer.json()) as { data: ListedEvent[] };
  return data
    .filter(({ type, data: { object } }) => {
      const metadata = object['metadata'] as Readonly<Record<string, string>> | undefined;
      return type.startsWith('payment_intent.') && metadata?.['donation_id'] === donationId;
    })
    .toReversed();
}

/** The same news under another event id, as a provider may well send it. */
export function copyOf(event: ListedEvent): ListedEvent {
  return { ...event, id: `evt_copy_${randomUUID().replaceAll('-', '')}` };
}

/** Stores events as the webhook route does, verification apart. */
export async function storeEvents(pool: Pool, events: readonly ListedEvent[]): Promise<void> {
  const inbox = createInbox(
    pool,
    () => undefined,
    () => undefined,
  );
  for (const listed of events) {
    const payload = JSON.stringify(listed);
    const read = readWebhookEvent(Buffer.from(payload));
    if (!read.ok) throw new Error(`${listed.id} cannot be read: ${read.reason}`);
    await inbox.store(read.event, payload);
  }
}

export type EventRecord = {
  readonly processed: boolean;
  readonly outcome: string | null;
};

export async function eventRecord(pool: Pool, eventId: string): Promise<EventRecord> {
  const { rows } = await pool.query<EventRecord>(
    'SELECT processed_at IS NOT NULL AS processed, outcome FROM webhook_events WHERE event_id = $1',
    [eventId],
  );
  if (rows[0] === undefined) throw new Error(`event ${eventId} is not stored`);
  return rows[0];
}

/** A payment of which none of our calls was ever answered: the row is all there is. */
export async function openUnanswered(pool: Pool, order: PaymentOrder): Promise<void> {
  await pool.query(
    `INSERT INTO payments (id, donation_id, campaign_id, provider, payment_method, amount, currency)
     VALUES ($1, $1, $2, 'stripe', $3, $4, $5)`,
    [order.donationId, order.campaignId, order.paymentMethod, order.amountMinor, order.currency],
  );
}

/** Every order of the given things; where two are the same object, each order once. */
export function ordersOf<T>(things: readonly T[]): T[][] {
  if (things.length === 0) return [[]];
  return [...new Set(things)].flatMap((first) => {
    const rest = [...things];
    rest.splice(rest.indexOf(first), 1);
    return ordersOf(rest).map((order) => [first, ...order]);
  });
}
