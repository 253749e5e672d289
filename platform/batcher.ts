/**
 * Gathers single calls into batches: while one batch runs the next one fills, so batches grow with the load and a lone
 * call waits for nothing.
 */
export type Batcher<Item, Result> = {
  /** Rejects with `QueueFull` when `maxWaiting` calls are waiting already, and when its own turn has not come in `maxWaitMs`. */
  add(item: Item): Promise<Result>;
  /** Resolves when nothing is waiting or running. */
  idle(): Promise<void>;
};

export class QueueFull extends Error {
  override readonly name = 'QueueFull';
}

type Waiting<Item, Result> = {
  item: Item;
  /** By the monotonic clock. */
  sinceMs: number;
  resolve: (result: Result) => void;
  reject: (error: unknown) => void;
};

/** `run` answers item by item, in order; when it throws, every call of the batch rejects with that error. */
export function createBatcher<Item, Result>(options: {
  readonly maxBatch: number;
  readonly maxWaiting: number;
  /** For callers who would rather be told to come back: when batches hang, those behind them would wait for all of them. */
  readonly maxWaitMs?: number;
  readonly maxRunning?: number;
  readonly run: (items: readonly Item[]) => Promise<readonly Result[]>;
}): Batcher<Item, Result> {
  const { maxBatch, maxWaiting, maxWaitMs = Infinity, maxRunning = 1, run } = options;
  let waiting: Waiting<Item, Result>[] = [];
  let running = 0;
  let scheduled = false;
  let idleWaiters: (() => void)[] = [];
  let expiry: NodeJS.Timeout | undefined;

  const expire = (): void => {
    expiry = undefined;
    const dueBefore = performance.now() - maxWaitMs;
    const inTime = waiting.findIndex(({ sinceMs }) => sinceMs > dueBefore);
    const late = waiting.splice(0, inTime === -1 ? waiting.length : inTime);
    for (const { reject } of late) reject(new QueueFull(`no turn within ${maxWaitMs} ms`));
    expectNextExpiry();
  };

  const expectNextExpiry = (): void => {
    const [first] = waiting;
    if (first === undefined || expiry !== undefined || maxWaitMs === Infinity) return;
    expiry = setTimeout(expire, Math.max(0, first.sinceMs + maxWaitMs - performance.now()) + 1);
    // Whoever waits keeps the process alive, not this.
    expiry.unref();
  };

  const schedule = (): void => {
    if (scheduled || running >= maxRunning || waiting.length === 0) return;
    scheduled = true;
    // One turn of the event loop, so that requests read from the sockets together travel together.
    setImmediate(() => {
      scheduled = false;
      void flush();
    });
  };

  const flush = async (): Promise<void> => {
    const batch = waiting.slice(0, maxBatch);
    waiting = waiting.slice(maxBatch);
    running += 1;
    schedule();
    try {
      const results = await run(batch.map(({ item }) => item));
      if (results.length !== batch.length)
        throw new Error(`a batch of ${batch.length} got ${results.length} results`);
      for (const [index, { resolve }] of batch.entries()) resolve(results[index] as Result);
    } catch (error) {
      for (const { reject } of batch) reject(error);
    } finally {
      running -= 1;
      schedule();
      if (running === 0 && waiting.length === 0) {
        for (const done of idleWaiters) done();
        idleWaiters = [];
      }
    }
  };

  return {
    add: (item) =>
      new Promise((resolve, reject) => {
        if (waiting.length >= maxWaiting) {
          reject(new QueueFull(`${maxWaiting} calls are waiting already`));
          return;
        }
        waiting.push({ item, sinceMs: performance.now(), resolve, reject });
        schedule();
        expectNextExpiry();
      }),
    idle: () =>
      running === 0 && waiting.length === 0
        ? Promise.resolve()
        : new Promise((resolve) => {
            idleWaiters.push(resolve);
          }),
  };
}
