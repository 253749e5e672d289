import { afterEach, describe, expect, test, vi } from 'vitest';
import { createBatcher, QueueFull } from '../../../platform/batcher.ts';

/** A `run` whose batches a test lets through one by one. */
function controlled() {
  const batches: {
    items: readonly number[];
    finish: (results: readonly string[]) => void;
    fail: (error: Error) => void;
  }[] = [];
  const run = (items: readonly number[]): Promise<readonly string[]> => {
    const { promise, resolve, reject } = Promise.withResolvers<readonly string[]>();
    batches.push({ items, finish: resolve, fail: reject });
    return promise;
  };
  return { batches, run };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const named = (items: readonly number[]): string[] => items.map((item) => `r${item}`);
const outcome = (promise: Promise<string>): Promise<string> =>
  promise.catch((error: unknown) =>
    error instanceof Error ? `${error.name}: ${error.message}` : 'not an error',
  );

afterEach(() => {
  vi.useRealTimers();
});

describe('a batch', () => {
  test('holds what was added in one turn, in order, and answers each call with its own result', async () => {
    const seen: (readonly number[])[] = [];
    const batcher = createBatcher<number, string>({
      maxBatch: 10,
      maxWaiting: 100,
      run: (items) => {
        seen.push(items);
        return Promise.resolve(named(items));
      },
    });
    const results = await Promise.all([3, 1, 2, 1].map((item) => batcher.add(item)));
    expect(results).toEqual(['r3', 'r1', 'r2', 'r1']);
    expect(seen).toEqual([[3, 1, 2, 1]]);
  });

  test('is never larger than its limit, and none is left over', async () => {
    const sizes: number[] = [];
    const batcher = createBatcher<number, string>({
      maxBatch: 4,
      maxWaiting: 100,
      run: (items) => {
        sizes.push(items.length);
        return Promise.resolve(named(items));
      },
    });
    const items = Array.from({ length: 10 }, (_, index) => index);
    expect(await Promise.all(items.map((item) => batcher.add(item)))).toEqual(named(items));
    expect(sizes).toEqual([4, 4, 2]);
  });

  test('fills while the one before it runs, so a lone call waits for nothing and many travel together', async () => {
    const { batches, run } = controlled();
    const batcher = createBatcher<number, string>({ maxBatch: 10, maxWaiting: 100, run });
    const first = batcher.add(1);
    await turn();
    const later = [2, 3].map((item) => batcher.add(item));
    await turn();
    const last = batcher.add(4);
    await turn();
    expect(batches.map(({ items }) => items)).toEqual([[1]]);
    batches[0]?.finish(['r1']);
    expect(await first).toBe('r1');
    await turn();
    expect(batches.map(({ items }) => items)).toEqual([[1], [2, 3, 4]]);
    batches[1]?.finish(named([2, 3, 4]));
    expect(await Promise.all([...later, last])).toEqual(['r2', 'r3', 'r4']);
  });

  test('runs beside others up to maxRunning', async () => {
    const { batches, run } = controlled();
    const batcher = createBatcher<number, string>({ maxBatch: 1, maxWaiting: 100, maxRunning: 2, run });
    const calls = [1, 2, 3].map((item) => batcher.add(item));
    await turn();
    await turn();
    expect(batches.map(({ items }) => items)).toEqual([[1], [2]]);
    // The second is done first: its callers do not wait for the first.
    batches[1]?.finish(['r2']);
    expect(await calls[1]).toBe('r2');
    await turn();
    expect(batches.map(({ items }) => items)).toEqual([[1], [2], [3]]);
    batches[0]?.finish(['r1']);
    batches[2]?.finish(['r3']);
    expect(await Promise.all(calls)).toEqual(['r1', 'r2', 'r3']);
  });
});

describe('a batch that fails', () => {
  test.each<[string, (items: readonly number[]) => Promise<readonly string[]>, string]>([
    ['rejects', () => Promise.reject(new RangeError('no')), 'RangeError: no'],
    [
      'throws at once',
      () => {
        throw new TypeError('never');
      },
      'TypeError: never',
    ],
    ['gives too few results', () => Promise.resolve(['r1']), 'Error: a batch of 2 got 1 results'],
    [
      'gives too many results',
      () => Promise.resolve(['r1', 'r2', 'r3']),
      'Error: a batch of 2 got 3 results',
    ],
  ])(
    'because it %s rejects each of its calls, and the next batch is not touched',
    async (_name, fail, message) => {
      let failing = true;
      const batcher = createBatcher<number, string>({
        maxBatch: 2,
        maxWaiting: 100,
        run: (items) => (failing ? fail(items) : Promise.resolve(named(items))),
      });
      expect(await Promise.all([1, 2].map((item) => outcome(batcher.add(item))))).toEqual([message, message]);
      failing = false;
      expect(await batcher.add(3)).toBe('r3');
      await batcher.idle();
    },
  );
});

describe('too many calls', () => {
  test('are refused at once, without a place for what was refused', async () => {
    const { batches, run } = controlled();
    const batcher = createBatcher<number, string>({ maxBatch: 10, maxWaiting: 3, run });
    const running = batcher.add(0);
    await turn();
    const waiting = [1, 2, 3].map((item) => batcher.add(item));
    expect(await outcome(batcher.add(4))).toBe('QueueFull: 3 calls are waiting already');
    await expect(batcher.add(5)).rejects.toBeInstanceOf(QueueFull);
    batches[0]?.finish(['r0']);
    await running;
    await turn();
    // There is room again.
    const next = batcher.add(6);
    batches[1]?.finish(named([1, 2, 3]));
    expect(await Promise.all(waiting)).toEqual(['r1', 'r2', 'r3']);
    await turn();
    batches[2]?.finish(['r6']);
    expect(await next).toBe('r6');
  });

  test('whose turn does not come in time are refused, those in time are not', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
    const { batches, run } = controlled();
    const batcher = createBatcher<number, string>({ maxBatch: 10, maxWaiting: 100, maxWaitMs: 40, run });
    const hanging = batcher.add(0);
    await turn();
    const refused: string[] = [];
    const late = [1, 2].map((item) => outcome(batcher.add(item)).then((told) => refused.push(told)));
    vi.advanceTimersByTime(30);
    const inTime = batcher.add(3);
    await turn();
    expect(refused).toEqual([]);
    vi.advanceTimersByTime(12);
    await Promise.all(late);
    expect(refused).toEqual(['QueueFull: no turn within 40 ms', 'QueueFull: no turn within 40 ms']);
    batches[0]?.finish(['r0']);
    expect(await hanging).toBe('r0');
    await turn();
    expect(batches.map(({ items }) => items)).toEqual([[0], [3]]);
    batches[1]?.finish(['r3']);
    expect(await inTime).toBe('r3');
    await batcher.idle();
  });

  test('that run already are never refused for the time they take', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
    const { batches, run } = controlled();
    const batcher = createBatcher<number, string>({ maxBatch: 10, maxWaiting: 100, maxWaitMs: 20, run });
    const slow = batcher.add(1);
    await turn();
    const late = outcome(batcher.add(2));
    vi.advanceTimersByTime(60_000);
    expect(await late).toBe('QueueFull: no turn within 20 ms');
    batches[0]?.finish(['r1']);
    expect(await slow).toBe('r1');
  });
});

describe('idle', () => {
  test('is at once when nothing was ever added', async () => {
    const batcher = createBatcher<number, string>({
      maxBatch: 1,
      maxWaiting: 1,
      run: () => Promise.resolve([]),
    });
    await expect(batcher.idle()).resolves.toBeUndefined();
  });

  test('comes when all that waits has run, for everybody who asks, also when a batch failed', async () => {
    const { batches, run } = controlled();
    const batcher = createBatcher<number, string>({ maxBatch: 1, maxWaiting: 10, run });
    const calls = [1, 2].map((item) => outcome(batcher.add(item)));
    let idle = 0;
    const waiting = [batcher.idle(), batcher.idle()].map((it) => it.then(() => (idle += 1)));
    await turn();
    batches[0]?.fail(new Error('no'));
    await calls[0];
    await turn();
    expect(idle).toBe(0);
    batches[1]?.finish(['r2']);
    await Promise.all(waiting);
    expect(await Promise.all(calls)).toEqual(['Error: no', 'r2']);
  });
});
