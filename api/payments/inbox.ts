/** Webhook events as rows: stored first, answered second, applied later. The event id decides what is a duplicate. */
import type { Pool } from 'pg';
import { isUuid } from '../../domain/ids.ts';
import { createBatcher } from '../../platform/batcher.ts';
import type { Failpoint } from '../../platform/failpoint.ts';
import { activeTraceparent } from '../../platform/telemetry.ts';
import type { WebhookEvent } from '../../provider/stripe/webhook.ts';

export type Inbox = {
  /** Resolves once the event is durable, also when it was stored before. */
  store(event: WebhookEvent, payload: string): Promise<void>;
};

type Incoming = {
  readonly event: WebhookEvent;
  readonly payload: string;
  readonly traceparent: string | null;
};

export function createInbox(pool: Pool, failpoint: Failpoint, stored: () => void): Inbox {
  const inserts = createBatcher<Incoming, undefined>({
    maxBatch: 128,
    maxWaiting: 4_000,
    maxWaitMs: 3_000,
    maxRunning: 2,
    run: async (batch) => {
      await insertEvents(pool, batch);
      failpoint('webhook.stored');
      stored();
      return batch.map(() => undefined);
    },
  });
  return {
    store: (event, payload) =>
      inserts.add({ event, payload: withoutClientSecrets(payload), traceparent: activeTraceparent() }),
  };
}

/** With it a browser can complete the payment, so it is kept nowhere; all else stays as it was signed. */
function withoutClientSecrets(payload: string): string {
  return payload.replace(/"client_secret"(\s*):(\s*)"(?:[^"\\]|\\.)*"/g, '"client_secret"$1:$2null');
}

async function insertEvents(pool: Pool, batch: readonly Incoming[]): Promise<void> {
  const unique = [...new Map(batch.map((incoming) => [incoming.event.id, incoming])).values()].toSorted(
    (a, b) => (a.event.id < b.event.id ? -1 : 1),
  );
  await pool.query({
    name: 'webhook-events-insert',
    text: `INSERT INTO webhook_events (event_id, type, object_id, charge_id, donation_id, livemode, payload, traceparent)
           SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::uuid[], $6::boolean[], $7::text[], $8::text[])
           ON CONFLICT (event_id) DO NOTHING`,
    values: [
      unique.map(({ event }) => event.id),
      unique.map(({ event }) => event.type),
      unique.map(({ event }) => objectOf(event)),
      unique.map(({ event }) => (PROVIDER_ID.test(event.chargeId ?? '') ? event.chargeId : null)),
      unique.map(({ event }) => (isUuid(event.donationId) ? event.donationId : null)),
      unique.map(({ event }) => event.livemode),
      unique.map(({ payload }) => payload),
      unique.map(({ traceparent }) => traceparent),
    ],
  });
}

const PROVIDER_ID = /^[\x21-\x7E]{1,255}$/;

/** The payment where one is named; what no column or index can hold is no id and must not fail its whole batch. */
function objectOf({ paymentId, objectId }: WebhookEvent): string {
  return paymentId !== null && PROVIDER_ID.test(paymentId) ? paymentId : objectId;
}
