/** Two replicas behind the door: what is sent again when one of them fails, and what never is. */
import { afterEach, describe, expect, test } from 'vitest';
import { testComponents } from '../harness/components.ts';
import { eventually } from '../harness/eventually.ts';
import { startDoor, type Door } from '../harness/nginx.ts';
import { problem, send, type Answer } from '../integration/api/http-client.ts';
import { startListening, type ListeningService } from './listening-service.ts';

const opened: AsyncDisposable[] = [];
afterEach(async () => {
  for (const each of opened.splice(0).toReversed()) await each[Symbol.asyncDispose]();
});

async function replicas(): Promise<{ door: Door; first: ListeningService; second: ListeningService }> {
  const [first, second] = [await startListening('first'), await startListening('second')];
  opened.push(first, second);
  const door = await startDoor({
    directory: testComponents().runDirectory,
    upstreams: { donations: [first.address, second.address] },
    shorter: { 'proxy_read_timeout 25s;': 'proxy_read_timeout 1s;' },
  });
  opened.push(door);
  return { door, first, second };
}

function ask({ ports }: Door, method: string): Promise<Answer> {
  return send(ports.public, { method, path: '/donate', ...(method === 'GET' ? {} : { body: '{}' }) });
}

const FAILURES: readonly [string, number, ListeningService['answer']][] = [
  ['closes the connection instead of an answer', 502, (response) => void response.destroy()],
  ['sends half an answer’s head', 502, (response) => void response.socket?.end('HTTP/1.1 200 O')],
  ['never answers', 504, () => undefined],
];

describe.each(FAILURES)('a replica that reads the request and %s', (_name, status, fail) => {
  test.each(['POST', 'PATCH'])('%s is sent to nobody else: only its client may repeat it', async (method) => {
    const { door, first, second } = await replicas();
    first.answer = fail;
    second.answer = fail;
    const answer = await ask(door, method);
    expect(answer.status).toBe(status);
    expect(problem(answer).code).toBe(status === 502 ? 'service_unreachable' : 'service_silent');
    expect(answer.headers['retry-after']).toBe('2');
    expect(first.seen.length + second.seen.length).toBe(1);
  });

  test('GET goes on to the other one', async () => {
    const { door, first, second } = await replicas();
    let failed = 0;
    const failOnce: ListeningService['answer'] = (response, seen) => {
      failed += 1;
      if (failed === 1) fail(response, seen);
      else response.end('answered');
    };
    first.answer = failOnce;
    second.answer = failOnce;
    const answer = await ask(door, 'GET');
    expect([answer.status, answer.text]).toEqual([200, 'answered']);
    expect([first.seen.length, second.seen.length]).toEqual([1, 1]);
  });
});

test('while one replica refuses connections every POST is answered by the other, once each', async () => {
  const { door, first, second } = await replicas();
  await first[Symbol.asyncDispose]();
  opened.splice(opened.indexOf(first), 1);
  const answers = await Promise.all(Array.from({ length: 40 }, () => ask(door, 'POST')));
  expect(answers.map(({ status, text }) => [status, text])).toEqual(
    Array.from({ length: 40 }, () => [200, 'second']),
  );
  expect(second.seen).toHaveLength(40);
});

test('a connection to a replica is used again', async () => {
  const { door, first, second } = await replicas();
  const ports = new Set<number | undefined>();
  for (const each of [first, second]) {
    each.answer = (response) => {
      ports.add(response.socket?.remotePort);
      response.end('kept');
    };
  }
  for (let turn = 0; turn < 30; turn += 1) await ask(door, 'POST');
  // One for each worker of Nginx and replica.
  expect(ports.size).toBeLessThanOrEqual(4);
});

test('of two replicas the one that has less to do is asked', async () => {
  const { door, first, second } = await replicas();
  let release = (): void => undefined;
  const holdOne: ListeningService['answer'] = (response) => {
    if (first.seen.length + second.seen.length > 1) response.end('at once');
    else release = () => response.end('late');
  };
  first.answer = holdOne;
  second.answer = holdOne;
  const held = ask(door, 'POST');
  await eventually('one replica is busy', () => expect(first.seen.length + second.seen.length).toBe(1));
  for (let turn = 0; turn < 9; turn += 1) await ask(door, 'POST');
  expect([first.seen.length, second.seen.length].toSorted((a, b) => a - b)).toEqual([1, 9]);
  release();
  expect((await held).text).toBe('late');
});
