/** A RabbitMQ that is there and says nothing: nobody waits for it long, and its connection is replaced. */
import { randomUUID } from 'node:crypto';
import { expect, test } from 'vitest';
import { eventually } from '../../harness/eventually.ts';
import { startProxy, targetOf, through } from '../../harness/proxy.ts';
import { message, RABBITMQ_URL, rabbitmq } from './rabbitmq.ts';

const bench = rabbitmq();

test('heartbeats that stay away end the connection, and publishing works on a new one', async () => {
  await using proxy = await startProxy(targetOf(RABBITMQ_URL, 5672));
  const broker = await bench.broker(through(RABBITMQ_URL, proxy));
  const publish = (): Promise<void> => broker.publish(message('silence.v1', {}, randomUUID()));
  await publish();
  proxy.blackHole();
  await expect(publish()).rejects.toThrow('rabbitmq: no answer within');
  await eventually('the connection is given up', () => expect(broker.connected()).toBe(false), {
    withinMs: 20_000,
    everyMs: 250,
  });
  await expect(publish()).rejects.toThrow('not connected');
  // What the black hole held back belongs to a connection that nobody uses any more.
  await proxy.heal();
  await eventually('it is connected again, by itself', publish, { withinMs: 10_000 });
});

test('closing does not wait for it', async () => {
  await using proxy = await startProxy(targetOf(RABBITMQ_URL, 5672));
  const broker = await bench.broker(through(RABBITMQ_URL, proxy));
  proxy.blackHole();
  const startedAt = performance.now();
  await broker.close();
  expect(performance.now() - startedAt).toBeLessThan(5_000);
});
