/** RabbitMQ through one recovering connection; a publish is done when the broker has confirmed it, not before. */
import { setTimeout as sleep } from 'node:timers/promises';
import {
  connect,
  type ChannelModel,
  type ConfirmChannel,
  type ConsumeMessage,
  type RecoveringChannelModel,
} from 'amqplib';
import { createBreaker, type Breaker } from './breaker.ts';
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
   * Makes a durable queue and binds it to event types. A publisher does this for every queue there is: the broker
   * confirms and drops what no queue is bound to, also when its consumer has just never run yet.
   */
  declare(queue: string, types: readonly string[]): Promise<void>;
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
  /** What `publish` passes through. */
  readonly breaker: Breaker;
  close(): Promise<void>;
};

/** A connection on which nothing came for two to three of these is given up, and replaced. */
const HEARTBEAT_SECONDS = 5;
/** A broker that is silent, or reset the connection just now, never says that it is closed. */
const CLOSE_LIMIT_MS = 1_000;
const PREFETCH = 64;
const MAX_DELIVERIES = 20;
const RETRY_DELAY_MS = 500;

export async function connectBroker(url: string, prefix: string, log: Logger): Promise<Broker> {
  const exchange = `${prefix}.events`;
  /** What every new connection has to make again: queues, then their consumers. */
  const setups: ((channel: ConfirmChannel) => Promise<void>)[] = [];
  let channel: ConfirmChannel | undefined;
  const breaker = createBreaker('rabbitmq', log, {
    isAway: (error) => !(error instanceof MessageRefused || error instanceof TypeError),
  });

  const model: RecoveringChannelModel = await connect(withHeartbeat(url), {
    timeout: 3_000,
    keepAlive: true,
    recovery: {
      initialDelay: 100,
      maxDelay: 1_000,
      waitForConnect: false,
      setup: async (connection: ChannelModel) => {
        // Until the setup is over nobody else listens, and an 'error' that nobody hears ends the process.
        connection.on('error', (err: Error) => log.warn({ err }, 'the RabbitMQ connection failed'));
        const opened = await connection.createConfirmChannel();
        opened.on('error', (err: Error) => log.warn({ err }, 'the RabbitMQ channel failed'));
        opened.on('close', () => {
          if (channel === opened) channel = undefined;
          // Only connections recover: one that lost its channel would stay, and be of no use.
          connection.close().catch(() => undefined);
        });
        await opened.prefetch(PREFETCH);
        await opened.assertExchange(exchange, 'topic', { durable: true });
        for (const setup of setups) await setup(opened);
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
  // Reported above, by the connection itself.
  model.on('error', () => undefined);

  const now = async (setup: (on: ConfirmChannel) => Promise<void>): Promise<void> => {
    setups.push(setup);
    if (channel === undefined) return;
    // A refusal closes the channel, and the next connection tries again.
    await setup(channel).catch((err: unknown) => log.warn({ err }, 'a queue could not be set up'));
  };
  const declareQueue = async (on: ConfirmChannel, name: string, types: readonly string[]): Promise<void> => {
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
  };

  return {
    publish: (message) => breaker.run(() => confirmed(channel, exchange, message)),
    declare: (queue, types) => now((on) => declareQueue(on, `${prefix}.${queue}`, types)),
    consume: (queue, types, handle) => {
      const name = `${prefix}.${queue}`;
      return now(async (on) => {
        await declareQueue(on, name, types);
        await on.consume(name, (message) => void receive(on, message, handle, log));
      });
    },
    connected: () => channel !== undefined,
    breaker,
    close: () => Promise.race([model.close(), sleep(CLOSE_LIMIT_MS, undefined, { ref: false })]),
  };
}

/** What the broker said no to: the message's own fault, not that it is away. */
class MessageRefused extends Error {
  override readonly name = 'MessageRefused';
}

function confirmed(channel: ConfirmChannel | undefined, exchange: string, message: Message): Promise<void> {
  if (channel === undefined) return Promise.reject(new Error('not connected'));
  const { id, type, traceparent, content } = message;
  return new Promise((resolve, reject) => {
    const headers = traceparent === null ? {} : { traceparent };
    const properties = { persistent: true, messageId: id, type, contentType: 'application/json', headers };
    channel.publish(exchange, type, content, properties, (error: unknown) => {
      if (error === null || error === undefined) resolve();
      else if (error instanceof Error && error.message !== 'message nacked') reject(error);
      else reject(new MessageRefused('the broker refused the message'));
    });
  });
}

/** What the URL says itself goes first. */
function withHeartbeat(url: string): string {
  const parsed = new URL(url);
  if (!parsed.searchParams.has('heartbeat')) parsed.searchParams.set('heartbeat', String(HEARTBEAT_SECONDS));
  return parsed.href;
}

async function receive(
  channel: ConfirmChannel,
  message: ConsumeMessage | null,
  handle: (message: Message) => Promise<void>,
  log: Logger,
): Promise<void> {
  if (message === null) {
    log.warn('the queue of a consumer was deleted; starting again');
    await channel.close().catch(() => undefined);
    return;
  }
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
