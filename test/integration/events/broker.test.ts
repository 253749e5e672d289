/** The connection to RabbitMQ: confirmed publishes, redelivered messages, and nothing that stays broken. */
import { beforeAll, describe, expect, test } from 'vitest';
import { ReceiverAway } from '../../../platform/breaker.ts';
import { connectBroker, type Broker, type Message } from '../../../platform/rabbit.ts';
import { eventually, throughout } from '../../harness/eventually.ts';
import { startProxy, targetOf, through } from '../../harness/proxy.ts';
import { connected, message, RABBITMQ_URL, rabbitmq, silent } from './rabbitmq.ts';

const OWN = ['flow', 'crash', 'cut', 'cancelled', 'channel', 'setup'] as const;
const bench = rabbitmq(OWN);
let broker: Broker;
beforeAll(async () => {
  broker = await bench.broker();
});

/** Collects what a queue gets. */
async function collect(from: Broker, queue: (typeof OWN)[number]): Promise<Message[]> {
  const got: Message[] = [];
  await from.consume(queue, [`${queue}.v1`], (it) => {
    got.push(it);
    return Promise.resolve();
  });
  return got;
}

async function publishUntilConfirmed(to: Broker, it: Message): Promise<void> {
  await eventually('published', () => to.publish(it));
}

test('a confirmed message arrives with its id, type, trace and content, and only what was asked for', async () => {
  const got = await collect(broker, 'flow');
  const traceparent = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`;
  await broker.publish({ id: 'id-1', type: 'flow.v1', traceparent, content: Buffer.from('{"a":1}') });
  await broker.publish({ id: 'id-2', type: 'other.v1', traceparent: null, content: Buffer.from('{}') });
  await eventually('it arrives', () =>
    expect(got).toEqual([{ id: 'id-1', type: 'flow.v1', traceparent, content: Buffer.from('{"a":1}') }]),
  );
});

test('a message whose consumer dies before it acknowledges is given to the next one', async () => {
  const dying = await bench.broker();
  const first: string[] = [];
  await dying.consume('crash', ['crash.v1'], (it) => {
    first.push(it.id);
    return new Promise(() => undefined);
  });
  await broker.publish(message('crash.v1', {}, 'm'));
  await eventually('it is being handled', () => expect(first).toEqual(['m']));
  const second = await collect(broker, 'crash');
  await throughout('nobody else gets it', () => expect(second).toEqual([]), 150);
  await dying.close();
  await eventually('the other consumer gets it', () => expect(second.map(({ id }) => id)).toEqual(['m']));
});

describe('a link that is cut', () => {
  test('rejects publishes at once, and both directions work when it is back', async () => {
    await using proxy = await startProxy(targetOf(RABBITMQ_URL, 5672));
    const cut = await bench.broker(through(RABBITMQ_URL, proxy));
    const got = await collect(cut, 'cut');
    await proxy.cut();
    await eventually('it notices', () => expect(cut.connected()).toBe(false));
    await expect(cut.publish(message('cut.v1', {}, 'lost'))).rejects.toThrow(ReceiverAway);
    await broker.publish(message('cut.v1', {}, 'meanwhile'));
    await proxy.heal();
    await connected(cut);
    await cut.publish(message('cut.v1', {}, 'afterwards'));
    await eventually('both arrive', () =>
      expect(got.map(({ id }) => id).toSorted()).toEqual(['afterwards', 'meanwhile']),
    );
    await cut.close();
  });

  test('with publishes that wait for their confirm rejects those', async () => {
    await using proxy = await startProxy(targetOf(RABBITMQ_URL, 5672));
    const cut = await bench.broker(through(RABBITMQ_URL, proxy));
    proxy.loseAnswers();
    const pending = Promise.allSettled(
      Array.from({ length: 10 }, (_, index) => cut.publish(message('nobody.v1', {}, String(index)))),
    );
    proxy.resetConnections();
    expect((await pending).map(({ status }) => status)).toEqual(Array.from({ length: 10 }, () => 'rejected'));
    await proxy.heal();
    await connected(cut);
    await cut.close();
  });

  test('at any moment of connecting is tried again and ends no process', async () => {
    const moments = Array.from({ length: 20 }, (_, step) => step * 7);
    await Promise.all(
      moments.map(async (moment) => {
        await using proxy = await startProxy(targetOf(RABBITMQ_URL, 5672));
        // Slow enough that each cut meets another step: handshake, channel, exchange, queue, binding, consumer.
        proxy.delay(3);
        const cut = await connectBroker(through(RABBITMQ_URL, proxy), bench.prefix, silent);
        const got = await collect(cut, 'setup');
        await eventually('it connects', () => expect(proxy.connections()).toBe(1), { everyMs: 1 });
        await new Promise((resolve) => setTimeout(resolve, moment));
        proxy.resetConnections();
        proxy.delay(0);
        await connected(cut);
        await eventually('it works', async () => {
          await cut.publish(message('setup.v1', {}, `after ${moment} ms`));
          expect(got.length).toBeGreaterThan(0);
        });
        await cut.close();
      }),
    );
  });
});

test('a channel that the broker closes is opened again, although the connection stayed', async () => {
  const own = await bench.broker();
  const got = await collect(own, 'channel');
  // RabbitMQ closes a channel that publishes to an exchange which is gone.
  await bench.admin().deleteExchange(bench.exchange);
  await expect(own.publish(message('channel.v1', {}, 'lost'))).rejects.toThrow(ReceiverAway);
  await publishUntilConfirmed(own, message('channel.v1', {}, 'found'));
  await eventually('it arrives', () => expect(got.map(({ id }) => id)).toContain('found'));
  await own.close();
});

test('a queue that was deleted under its consumer is made again', async () => {
  const own = await bench.broker();
  const got = await collect(own, 'cancelled');
  await bench.admin().deleteQueue(bench.queueName('cancelled'));
  await eventually('messages flow again', async () => {
    await own.publish(message('cancelled.v1', {}, 'again'));
    expect(got.length).toBeGreaterThan(0);
  });
  await own.close();
});

test('closed, it rejects and stays closed', async () => {
  const own = await bench.broker();
  await own.close();
  expect(own.connected()).toBe(false);
  await expect(own.publish(message('flow.v1', {}, 'x'))).rejects.toThrow(ReceiverAway);
  await own.close();
});
