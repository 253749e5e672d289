/** From the outbox by RabbitMQ to those who listen: at least once on the way, exactly once in effect. */
import { randomUUID } from 'node:crypto';
import type { Pool } from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { OutboxEvent } from '../../../events/contracts.ts';
import { insertOutboxEvents, outboxEventId } from '../../../events/outbox.ts';
import { startOutboxRelay } from '../../../events/relay.ts';
import { SUBSCRIPTIONS } from '../../../events/topology.ts';
import { createFailpoint } from '../../../platform/failpoint.ts';
import { createPool, transaction } from '../../../platform/postgres.ts';
import type { Broker, Message } from '../../../platform/rabbit.ts';
import type { Relay } from '../../../platform/relay.ts';
import { consumeCampaignEvents } from '../../../workers/campaign-events.ts';
import { consumeNotices } from '../../../workers/notices.ts';
import { consumeReceipts } from '../../../workers/receipts.ts';
import { eventually, throughout } from '../../harness/eventually.ts';
import { startProxy, targetOf, through } from '../../harness/proxy.ts';
import { isolatedDatabases } from '../database/isolated-databases.ts';
import { connected, message, RABBITMQ_URL, rabbitmq, silent } from './rabbitmq.ts';

const { urls } = isolatedDatabases(['donations', 'notifications']);
const bench = rabbitmq(['test.all']);
let donations: Pool;
let notifications: Pool;
let broker: Broker;
const open: Relay[] = [];
const consumers: Broker[] = [];

/** A process that consumes, gone at the end of the test. */
async function consumer(): Promise<Broker> {
  const own = await bench.broker();
  consumers.push(own);
  return own;
}

beforeAll(async () => {
  donations = createPool({ url: urls.donations, max: 6, name: 'test-outbox' });
  notifications = createPool({ url: urls.notifications, max: 6, name: 'test-receipts' });
  broker = await bench.broker();
});
beforeEach(async () => {
  await donations.query('TRUNCATE outbox_events');
});
afterEach(async () => {
  await Promise.all(open.splice(0).map((it) => it.stop()));
  await Promise.all(consumers.splice(0).map((it) => it.close()));
});
afterAll(async () => {
  await donations.end();
  await notifications.end();
});

function captured(donationId: string = randomUUID(), version = 2): OutboxEvent {
  return {
    type: 'donation.captured.v1',
    aggregateId: donationId,
    version,
    payload: {
      donationId,
      campaignId: randomUUID(),
      amount: 2500,
      currency: 'USD',
      status: 'CAPTURED',
      version,
      failureCode: null,
    },
  };
}

async function write(events: readonly OutboxEvent[]): Promise<string[]> {
  await transaction(donations, (client) => insertOutboxEvents(client, events));
  return events.map(({ aggregateId, version, type }) => outboxEventId(aggregateId, version, type));
}

function startRelay(to: Broker, leaseMs = 30_000): Relay {
  const relay = startOutboxRelay({
    service: 'test',
    pool: donations,
    broker: to,
    failpoint: createFailpoint(undefined),
    log: silent,
    leaseMs,
  });
  open.push(relay);
  return relay;
}

async function unpublished(): Promise<number> {
  const { rows } = await donations.query<{ count: number }>(
    'SELECT count(*) AS count FROM outbox_events WHERE NOT processed',
  );
  return rows[0]?.count ?? -1;
}

async function receiptsOf(ids: readonly (string | undefined)[]): Promise<number> {
  const { rows } = await notifications.query<{ count: number }>(
    'SELECT count(*) AS count FROM receipts WHERE donation_id = ANY($1::uuid[])',
    [ids],
  );
  return rows[0]?.count ?? -1;
}

describe('an event', () => {
  // First: once its queue is there the question is settled for ever.
  test('that is published before its consumer has ever run waits for it', async () => {
    const events = [captured(), captured()];
    await write(events);
    startRelay(broker);
    await eventually('published', async () => expect(await unpublished()).toBe(0));
    await consumeReceipts(await consumer(), notifications);
    await eventually('both receipts are there', async () =>
      expect(await receiptsOf(events.map(({ aggregateId }) => aggregateId))).toBe(2),
    );
  });

  test('is marked only when the broker has confirmed it', async () => {
    const confirm: (() => void)[] = [];
    const slow: Broker = {
      ...broker,
      publish: () => new Promise((resolve) => confirm.push(resolve)),
    };
    const ids = await write([captured()]);
    startRelay(slow);
    await eventually('it is being published', () => expect(confirm).toHaveLength(1));
    await throughout('it is not marked', async () => expect(await unpublished()).toBe(1), 200);
    confirm[0]?.();
    await eventually('it is marked', async () => {
      const { rows } = await donations.query(
        'SELECT id, processed, processed_at IS NOT NULL AS timed FROM outbox_events',
      );
      expect(rows).toEqual([{ id: ids[0], processed: true, timed: true }]);
    });
  });

  test('that is written again by a replay is one row with one id', async () => {
    const event = captured();
    await Promise.all(Array.from({ length: 10 }, () => write([event, event])));
    const { rows } = await donations.query<{ id: string }>('SELECT id FROM outbox_events');
    expect(rows).toEqual([{ id: outboxEventId(event.aggregateId, event.version, event.type) }]);
  });

  test('of a transaction that was rolled back is never published', async () => {
    const got: Message[] = [];
    const event = captured();
    const watcher: Broker = {
      ...broker,
      publish: (it) => {
        got.push(it);
        return broker.publish(it);
      },
    };
    const relay = startRelay(watcher);
    await expect(
      transaction(donations, async (client) => {
        await insertOutboxEvents(client, [event]);
        relay.wake();
        throw new Error('changed its mind');
      }),
    ).rejects.toThrow('changed its mind');
    const [id] = await write([captured()]);
    relay.wake();
    await eventually('the next one is published', () => expect(got.map((it) => it.id)).toEqual([id]));
  });
});

describe('with the link to RabbitMQ cut', () => {
  test('rows stay, and all of them arrive once it is back', async () => {
    await using proxy = await startProxy(targetOf(RABBITMQ_URL, 5672));
    const cut = await bench.broker(through(RABBITMQ_URL, proxy));
    await consumeReceipts(await consumer(), notifications);
    const before = Array.from({ length: 30 }, () => captured());
    await write(before);
    const relay = startRelay(cut);
    await eventually('the first ones are through', async () => expect(await unpublished()).toBe(0));
    await proxy.cut();
    await eventually('it notices', () => expect(cut.connected()).toBe(false));
    const during = Array.from({ length: 30 }, () => captured());
    await write(during);
    relay.wake();
    await throughout('they stay', async () => expect(await unpublished()).toBe(during.length), 300);
    await proxy.heal();
    await eventually('they drain', async () => expect(await unpublished()).toBe(0));
    const all = [...before, ...during].map(({ aggregateId }) => aggregateId);
    await eventually('each has its receipt', async () => expect(await receiptsOf(all)).toBe(all.length));
    await cut.close();
  });

  test('while confirms are on their way: those rows are published again, and count once', async () => {
    await using proxy = await startProxy(targetOf(RABBITMQ_URL, 5672));
    const cut = await bench.broker(through(RABBITMQ_URL, proxy));
    await consumeReceipts(await consumer(), notifications);
    const relay = startRelay(cut);
    await write([captured()]);
    relay.wake();
    await eventually('the link works', async () => expect(await unpublished()).toBe(0));
    proxy.loseAnswers();
    const events = Array.from({ length: 40 }, () => captured());
    await write(events);
    relay.wake();
    const ids = events.map(({ aggregateId }) => aggregateId);
    await eventually('they arrive although no confirm comes back', async () =>
      expect(await receiptsOf(ids)).toBe(ids.length),
    );
    expect(await unpublished()).toBe(ids.length);
    await proxy.heal();
    await eventually('they are published again', async () => expect(await unpublished()).toBe(0));
    await throughout('and count once', async () => expect(await receiptsOf(ids)).toBe(ids.length), 200);
    await cut.close();
  });
});

describe('a receipt', () => {
  test('is one for an event that comes ten times, to two consumers', async () => {
    await consumeReceipts(await consumer(), notifications);
    await consumeReceipts(await consumer(), notifications);
    const event = captured();
    const other = captured();
    const id = outboxEventId(event.aggregateId, event.version, event.type);
    await Promise.all(
      Array.from({ length: 10 }, () => broker.publish(message(event.type, event.payload, id))),
    );
    await broker.publish(message(other.type, other.payload, outboxEventId(other.aggregateId, 2, other.type)));
    await eventually('the one after them arrived', async () =>
      expect(await receiptsOf([other.aggregateId])).toBe(1),
    );
    await eventually('the queue is empty', async () =>
      expect(await bench.waiting('notifications.receipts')).toBe(0),
    );
    expect(await receiptsOf([event.aggregateId])).toBe(1);
    const { rows } = await notifications.query('SELECT type FROM inbox_messages WHERE message_id = $1', [id]);
    expect(rows).toEqual([{ type: 'donation.captured.v1' }]);
  });

  test('is one although its consumer dies after the commit and before it acknowledges', async () => {
    const dying = await consumer();
    const committed: string[] = [];
    // The real consumer, whose acknowledgement never happens.
    const neverAcknowledges: Broker = {
      ...dying,
      consume: (queue, types, handle) =>
        dying.consume(queue, types, async (it) => {
          await handle(it);
          committed.push(it.id);
          await new Promise(() => undefined);
        }),
    };
    const own = await consumer();
    const events = Array.from({ length: 20 }, () => captured());
    const ids = events.map(({ aggregateId }) => aggregateId);
    await consumeReceipts(neverAcknowledges, notifications);
    for (const event of events) {
      await own.publish(
        message(event.type, event.payload, outboxEventId(event.aggregateId, event.version, event.type)),
      );
    }
    await eventually('some are committed by the one that dies', () =>
      expect(committed.length).toBeGreaterThan(0),
    );
    await dying.close();
    await consumeReceipts(own, notifications);
    await eventually('each has its receipt', async () => expect(await receiptsOf(ids)).toBe(ids.length));
    await eventually('the queue is empty', async () =>
      expect(await bench.waiting('notifications.receipts')).toBe(0),
    );
    expect(await bench.waiting('notifications.receipts.dead')).toBe(0);
  });

  test('is not made of a message that is no event, which goes to the dead letters while others flow', async () => {
    await consumeReceipts(await consumer(), notifications);
    const publish = (content: string, messageId: string): boolean =>
      bench.admin().publish(bench.exchange, 'donation.captured.v1', Buffer.from(content), {
        messageId,
        type: 'donation.captured.v1',
      });
    publish('not json', randomUUID());
    publish('{"donationId":"x"}', randomUUID());
    publish(JSON.stringify(captured().payload), 'no uuid');
    const good = Array.from({ length: 100 }, () => captured());
    for (const { type, payload, aggregateId } of good)
      await broker.publish(message(type, payload, outboxEventId(aggregateId, 2, type)));
    await eventually('the good ones flow', async () =>
      expect(await receiptsOf(good.map(({ aggregateId }) => aggregateId))).toBe(good.length),
    );
    // Ten seconds of retries are not over yet: the good ones did not wait for them.
    expect(await bench.waiting('notifications.receipts.dead')).toBe(0);
    await eventually(
      'the others are put aside',
      async () => expect(await bench.waiting('notifications.receipts.dead')).toBe(3),
      { withinMs: 40_000 },
    );
    expect(await bench.take('notifications.receipts.dead')).not.toBeNull();
    expect(await bench.waiting('notifications.receipts')).toBe(0);
  });
});

describe('campaign events', () => {
  test('in any order and repeated leave the newest snapshot', async () => {
    await consumeCampaignEvents(await consumer(), donations);
    // The first as it was told before there were deadlines.
    const versions = [
      { status: 'draft', version: 1 },
      { status: 'open', version: 2, deadline: '2030-01-01T00:00:00.000Z' },
      { status: 'closed', version: 3, deadline: '2031-01-01T00:00:00.000Z' },
    ];
    const orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0], [2, 2, 1, 1, 0, 0]]; // prettier-ignore
    const ids = orders.map(() => randomUUID());
    for (const [index, order] of orders.entries()) {
      const campaignId = ids[index] ?? '';
      for (const which of order) {
        const told = versions[which] ?? { status: 'draft', version: 0 };
        await broker.publish(
          message(
            'campaign.changed.v1',
            { campaignId, currency: 'USD', ...told },
            outboxEventId(campaignId, told.version, 'campaign.changed.v1'),
          ),
        );
      }
    }
    await eventually('each ends closed', async () => {
      const { rows } = await donations.query(
        `SELECT count(*) AS count FROM campaign_snapshots WHERE id = ANY($1::uuid[]) AND status = 'closed' AND version = 3
           AND deadline = '2031-01-01T00:00:00Z'`,
        [ids],
      );
      expect(rows).toEqual([{ count: ids.length }]);
    });
    await eventually('and all are handled', async () =>
      expect(await bench.waiting('donations.campaign-snapshots')).toBe(0),
    );
    expect(await bench.waiting('donations.campaign-snapshots.dead')).toBe(0);
  });
});

test('publishers make exactly the queues that consumers read, bound to the same types', async () => {
  const asked: Record<string, readonly string[]> = {};
  const recorder: Broker = {
    ...broker,
    consume: (queue, types) => {
      asked[queue] = types;
      return Promise.resolve();
    },
  };
  await consumeReceipts(recorder, notifications);
  await consumeNotices(recorder, notifications);
  await consumeCampaignEvents(recorder, donations);
  expect(SUBSCRIPTIONS).toEqual(asked);
});

test('an event that nobody listens to is confirmed and done', async () => {
  const donationId = randomUUID();
  await write([{ ...captured(donationId), type: 'donation.pledged.v1' } as OutboxEvent]);
  startRelay(broker);
  await eventually('published', async () => expect(await unpublished()).toBe(0));
  await connected(broker);
});
