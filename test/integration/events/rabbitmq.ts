/** A RabbitMQ that others use too: names of this file's own, and nothing left behind. */
import { randomBytes } from 'node:crypto';
import { connect, type Channel, type ChannelModel } from 'amqplib';
import { afterAll, beforeAll } from 'vitest';
import { QUEUES } from '../../../events/topology.ts';
import { createLogger } from '../../../platform/log.ts';
import { connectBroker, type Broker, type Message } from '../../../platform/rabbit.ts';
import { eventually } from '../../harness/eventually.ts';

// oxlint-disable-next-line node/no-process-env -- which server to use is the tester's choice
export const RABBITMQ_URL = process.env['RABBITMQ_URL'] ?? 'amqp://guest:guest@127.0.0.1:5672';

export const silent = createLogger('test', 'silent');

export type Bench = {
  readonly prefix: string;
  readonly exchange: string;
  /** A connection beside the one under test. */
  admin(): Channel;
  /** Connected, and closed at the end of the file. */
  broker(url?: string): Promise<Broker>;
  queueName(queue: string): string;
  /** Ready messages in a queue. */
  waiting(queue: string): Promise<number>;
  /** Takes one message out of a queue, or null. */
  take(queue: string): Promise<{ readonly id: unknown; readonly content: string } | null>;
};

/** More queues of a test's own are named in `queues`; all are deleted at the end. */
export function rabbitmq(queues: readonly string[] = []): Bench {
  const prefix = `cfa_test_${randomBytes(5).toString('hex')}`;
  const brokers: Broker[] = [];
  let connection: ChannelModel | undefined;
  let channel: Channel | undefined;
  const admin = (): Channel => {
    if (channel === undefined) throw new Error('not connected yet');
    return channel;
  };
  const queueName = (queue: string): string => `${prefix}.${queue}`;

  beforeAll(async () => {
    connection = await connect(RABBITMQ_URL);
    channel = await connection.createChannel();
  });
  afterAll(async () => {
    await Promise.all(brokers.map((it) => it.close()));
    for (const queue of [...Object.values(QUEUES), ...queues]) {
      await admin().deleteQueue(queueName(queue));
      await admin().deleteQueue(`${queueName(queue)}.dead`);
    }
    await admin().deleteExchange(`${prefix}.events`);
    await connection?.close();
  });
  return {
    prefix,
    exchange: `${prefix}.events`,
    admin,
    async broker(url = RABBITMQ_URL) {
      const broker = await connectBroker(url, prefix, silent);
      brokers.push(broker);
      await connected(broker);
      return broker;
    },
    queueName,
    waiting: async (queue) => (await admin().checkQueue(queueName(queue))).messageCount,
    async take(queue) {
      const got = await admin().get(queueName(queue), { noAck: true });
      if (got === false) return null;
      return { id: got.properties.messageId as unknown, content: got.content.toString('utf8') };
    },
  };
}

export async function connected(broker: Broker): Promise<void> {
  await eventually('RabbitMQ is connected', () => {
    if (!broker.connected()) throw new Error('not yet');
  });
}

export function message(type: string, payload: unknown, id: string): Message {
  return { id, type, traceparent: null, content: Buffer.from(JSON.stringify(payload)) };
}
