import { createEndpoint } from './endpoint.ts';
import type { Call, Faults } from './faults.ts';
import type { EventRecord, Settlement } from './records.ts';
import { signatureHeader } from './signing.ts';

const FIRST_RETRY_MS = 500;
const LAST_RETRY_MS = 30_000;
const GIVE_UP_AFTER_MS = 72 * 3_600_000;
const MAX_IN_FLIGHT = 16;
const REORDER_MS = { min: 250, max: 1_500 };

export type WebhookTarget = {
  readonly url: string;
  readonly secret: string;
  /** Event types; empty means all. */
  readonly types: readonly string[];
};

export type WebhookCounts = {
  readonly waiting: number;
  readonly delivered: number;
  readonly dropped: number;
  readonly suppressed: number;
  readonly attempts: number;
};

export type Webhooks = {
  /** Takes over an event that is in the ledger. */
  dispatch(event: EventRecord): void;
  /** Delivers at once and resolves when the endpoint has answered (or an attempt failed and retries took over). */
  deliverNow(events: readonly EventRecord[]): Promise<void>;
  /** Resumes an event that a former run of the simulator left undelivered. */
  resume(eventId: string, call: Call, body: string): void;
  /** Sends anything, once. */
  send(body: string, header: string | null): Promise<number | null>;
  target(): WebhookTarget | null;
  pointTo(target: WebhookTarget | null): void;
  counts(): WebhookCounts;
  close(): void;
};

type Pending = {
  readonly eventId: string;
  readonly call: Call;
  readonly body: string;
  readonly since: number;
  attempts: number;
};

/** At least once, in no particular order, with back-off until a 2xx: https://docs.stripe.com/webhooks. */
export function createWebhooks(options: {
  readonly faults: Faults;
  readonly initialTarget: WebhookTarget | null;
  readonly settle: (settlement: Settlement) => void;
}): Webhooks {
  const { faults } = options;
  const endpoint = createEndpoint();
  const timers = new Set<NodeJS.Timeout>();
  const ready: Pending[] = [];
  let target = options.initialTarget;
  let inFlight = 0;
  let waiting = 0;
  let closed = false;
  const counts = { delivered: 0, dropped: 0, suppressed: 0, attempts: 0 };

  const settle = (eventId: string, how: Settlement['how']): void => {
    if (closed) return;
    if (how === 'delivered' || how === 'dropped' || how === 'suppressed') counts[how] += 1;
    options.settle({ eventId, how });
  };

  const later = (ms: number, run: () => void): void => {
    const timer = setTimeout(() => {
      timers.delete(timer);
      run();
    }, ms);
    timers.add(timer);
  };

  const attempt = async (pending: Pending): Promise<boolean> => {
    if (target === null) return false;
    const { url, secret } = target;
    const usedSecret = faults.strikes('webhookBadSignature', pending.call) ? `${secret}_wrong` : secret;
    const copies = faults.strikes('webhookDuplicate', pending.call) ? 2 : 1;
    const header = signatureHeader(pending.body, usedSecret, Math.floor(Date.now() / 1000));
    counts.attempts += copies;
    const statuses = await Promise.all(
      Array.from({ length: copies }, () => endpoint.post(url, pending.body, { 'stripe-signature': header })),
    );
    return statuses.some((status) => status !== null && status >= 200 && status < 300);
  };

  const finish = (pending: Pending, delivered: boolean): void => {
    if (delivered) {
      waiting -= 1;
      settle(pending.eventId, 'delivered');
      return;
    }
    if (Date.now() - pending.since > GIVE_UP_AFTER_MS) {
      waiting -= 1;
      settle(pending.eventId, 'abandoned');
      return;
    }
    const backOffMs = Math.min(FIRST_RETRY_MS * 2 ** pending.attempts, LAST_RETRY_MS);
    pending.attempts += 1;
    later(backOffMs, () => enqueue(pending));
  };

  const enqueue = (pending: Pending): void => {
    ready.push(pending);
    pump();
  };

  const pump = (): void => {
    while (!closed && inFlight < MAX_IN_FLIGHT) {
      const next = ready.shift();
      if (next === undefined) return;
      inFlight += 1;
      void attempt(next).then((delivered) => {
        inFlight -= 1;
        if (closed) return;
        finish(next, delivered);
        pump();
      });
    }
  };

  /** Null when nobody will ever get it. */
  const admit = (event: EventRecord): Pending | null => {
    const subscribed = target !== null && (target.types.length === 0 || target.types.includes(event.type));
    if (!subscribed || faults.strikes('noWebhooks', event.call)) {
      settle(event.id, 'suppressed');
      return null;
    }
    if (faults.strikes('webhookDrop', event.call)) {
      settle(event.id, 'dropped');
      return null;
    }
    waiting += 1;
    return {
      eventId: event.id,
      call: event.call,
      body: JSON.stringify(event.body),
      since: Date.now(),
      attempts: 0,
    };
  };

  return {
    dispatch: (event) => {
      const pending = admit(event);
      if (pending === null) return;
      const heldBackMs = faults.strikes('webhookReorder', event.call)
        ? faults.between(REORDER_MS.min, REORDER_MS.max)
        : 0;
      const delayMs = faults.webhookDelayMs(event.call) + heldBackMs;
      if (delayMs === 0) enqueue(pending);
      else later(delayMs, () => enqueue(pending));
    },
    deliverNow: async (events) => {
      await Promise.all(
        events.map(async (event) => {
          const pending = admit(event);
          if (pending === null) return;
          const delivered = await attempt(pending);
          if (!closed) finish(pending, delivered);
        }),
      );
    },
    resume: (eventId, call, body) => {
      waiting += 1;
      enqueue({ eventId, call, body, since: Date.now(), attempts: 0 });
    },
    send: async (body, header) => {
      if (target === null) return null;
      return endpoint.post(target.url, body, header === null ? {} : { 'stripe-signature': header });
    },
    target: () => target,
    pointTo: (next) => {
      target = next;
    },
    counts: () => ({ waiting, ...counts }),
    close: () => {
      closed = true;
      for (const timer of timers) clearTimeout(timer);
      endpoint.close();
    },
  };
}
