/** Hears everything that is published, as any consumer would. */
import { connect } from 'amqplib';
import type { Stack } from '../harness/stack.ts';

export type Listener = AsyncDisposable & {
  /** How often each event id came. */
  readonly heard: ReadonlyMap<string, number>;
};

/** Listen before the first event: the queue exists from then on. */
export async function listen(stack: Stack): Promise<Listener> {
  const url = stack.environment['RABBITMQ_URL'];
  if (url === undefined) throw new Error('this test needs RabbitMQ: start it, or give RABBITMQ_URL');
  const connection = await connect(url);
  const channel = await connection.createChannel();
  const { queue } = await channel.assertQueue('', { exclusive: true, autoDelete: true });
  await channel.bindQueue(queue, `${stack.prefix}.events`, '#');
  const heard = new Map<string, number>();
  await channel.consume(
    queue,
    (message) => {
      const id = String(message?.properties.messageId);
      heard.set(id, (heard.get(id) ?? 0) + 1);
    },
    { noAck: true },
  );
  return { heard, [Symbol.asyncDispose]: () => connection.close() };
}

/** The ids of every event that was ever written down, of all three services. */
export async function writtenEvents({ pools }: Stack): Promise<string[]> {
  const rows = await Promise.all(
    [pools.donations, pools.payments, pools.campaigns].map((pool) =>
      pool.query<{ id: string }>('SELECT id FROM outbox_events'),
    ),
  );
  return rows.flatMap((result) => result.rows.map(({ id }) => id));
}
