/** RabbitMQ through one recovering connection; a publish is done when the broker has confirmed it, not before. */
import {
  connect,
  type ChannelModel,
  type ConfirmChannel,
  type ConsumeMessage,
  type RecoveringChannelModel,
} from 'amqplib';
import type { Logger } from './log.ts';

export type Message = {
  readonly id: string;
  readonly type: string;
  readonly traceparent: string | null;
  readonly content: Buffer;
};

export type Broker = {
  /** Resolves when the broker has taken responsibility; rejects when it is away, refuses or says nothing in time. */
  publish(message: Message): Promise<void>;
  /**
   * Consumes a durable queue bound to event types. The message is acknowledged after `handle` resolved; when it
   * rejects it is redelivered with growing delay by the queue's retry policy, and after `maxDeliveries` dead-lettered.
   */
  consume(
    queue: string,
    types: readonly string[],
    handle: (message: Message) => Promise<void>,
  ): Promise<void>;
  connected(): boolean;
  close(): Promise<void>;
};

const CONFIRM_LIMIT_MS = 5_000;
const PREFETCH = 64;
const MAX_DELIVERIES = 20;
const RETRY_DELAY_MS = 500;

export async function connectBroker(url: string, prefix: string, log: Logger): Promise<Broker> {
  const exchange = `${prefix}.events`;
  const consumers: ((channel: ConfirmChannel) => Promise<void>)[] = [];
  let channel: ConfirmChannel | undefined;

  const model: RecoveringChannelModel = await connect(url, {
    timeout: 3_000,
    keepAlive: true,
    recovery: {
      initialDelay: 100,
      maxDelay: 5_000,
      waitForConnect: false,
      setup: async (connection: ChannelModel) => {
        const opened = await connection.createConfirmChannel();
        opened.on('error', (err: Error) => log.warn({ err }, 'the RabbitMQ channel failed'));
        opened.on('close', () => {
          if (channel === opened) channel = undefined;
        });
        await opened.prefetch(PREFETCH);
        await opened.assertExchange(exchange, 'topic', { durable: true });
        for (const start of consumers) await start(opened);
        channel = opened;
      },
    },
  });
  let away = false;
  model.on('disconnect', () => {
    channel = undefined;
  });
  model.on('connect-failed', (err: Error) => {
    if (!away) log.warn({ err }, 'RabbitMQ is not reachable; events wait in the outbox');
    away = true;
  });
  model.on('connect', () => {
    if (away) log.info('RabbitMQ is back');
    away = false;
  });
  model.on('error', (err: Error) => log.warn({ err }, 'the RabbitMQ connection failed'));

  const startConsumer = async (
    on: ConfirmChannel,
    queue: string,
    types: readonly string[],
    handle: (message: Message) => Promise<void>,
  ): Promise<void> => {
    const name = `${prefix}.${queue}`;
    await on.assertQueue(`${name}.dead`, { durable: true });
    await on.assertQueue(name, {
      durable: true,
      arguments: {
        'x-queue-type': 'quorum',
        'x-delivery-limit': MAX_DELIVERIES,
        'x-dead-letter-exchange': '',
        'x-dead-letter-routing-key': `${name}.dead`,
      },
    });
    for (const type of types) await on.bindQueue(name, exchange, type);
    await on.consume(name, (message) => void receive(on, message, handle, log));
  };

  return {
    publish: (message) => {
      const open = channel;
      if (open === undefined) return Promise.reject(new Error('RabbitMQ is not connected'));
      return new Promise((resolve, reject) => {
        const timer = setTimeout(
          () => reject(new Error(`no confirm within ${CONFIRM_LIMIT_MS} ms`)),
          CONFIRM_LIMIT_MS,
        );
        const headers = message.traceparent === null ? {} : { traceparent: message.traceparent };
        open.publish(
          exchange,
          message.type,
          message.content,
          {
            persistent: true,
            messageId: message.id,
            type: message.type,
            contentType: 'application/json',
            headers,
          },
          (error: unknown) => {
            clearTimeout(timer);
            if (error === null || error === undefined) resolve();
            else reject(error instanceof Error ? error : new Error('the broker refused the message'));
          },
        );
      });
    },
    consume: async (queue, types, handle) => {
      const start = (on: ConfirmChannel): Promise<void> => startConsumer(on, queue, types, handle);
      consumers.push(start);
      if (channel !== undefined) await start(channel);
    },
    connected: () => channel !== undefined,
    close: () => model.close(),
  };
}

async function receive(
  channel: ConfirmChannel,
  message: ConsumeMessage | null,
  handle: (message: Message) => Promise<void>,
  log: Logger,
): Promise<void> {
  if (message === null) return;
  const { messageId, type, headers } = message.properties as {
    messageId: unknown;
    type: unknown;
    headers: Record<string, unknown> | undefined;
  };
  const traceparent = headers?.['traceparent'];
  try {
    await handle({
      id: String(messageId),
      type: String(type),
      traceparent: typeof traceparent === 'string' ? traceparent : null,
      content: message.content,
    });
    channel.ack(message);
  } catch (err) {
    log.warn({ err, messageId, type }, 'a message was not handled, it will be redelivered');
    // The pause keeps a failing database from being asked hundreds of times a second.
    setTimeout(() => {
      try {
        channel.nack(message, false, true);
      } catch {
        // The channel is gone: the broker redelivers by itself.
      }
    }, RETRY_DELAY_MS);
  }
}
