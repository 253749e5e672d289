import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { createBreaker, ReceiverAway, statesOf, type Breaker } from '../../../platform/breaker.ts';
import { createLogger, type Logger } from '../../../platform/log.ts';

const SETTINGS = { timeoutMs: 100, threshold: 3, halfOpenAfterMs: 1_000 } as const;
const down = (): Promise<never> => Promise.reject(new Error('connection refused'));
const silent = (): Promise<never> => new Promise(() => undefined);
const up = (): Promise<string> => Promise.resolve('here');

type Line = { readonly level: string; readonly state: unknown; readonly reason: unknown };

function recorder(): { readonly log: Logger; readonly lines: Line[] } {
  const lines: Line[] = [];
  const log = createLogger('test', 'silent');
  for (const level of ['debug', 'info', 'warn'] as const) {
    log[level] = (fields: { state: unknown; reason: unknown }) => {
      lines.push({ level, state: fields.state, reason: fields.reason });
    };
  }
  return { log, lines };
}

let breaker: Breaker;
let lines: Line[];
beforeEach(() => {
  vi.useFakeTimers();
  const recorded = recorder();
  lines = recorded.lines;
  breaker = createBreaker('redis', recorded.log, SETTINGS);
});
afterEach(() => {
  vi.useRealTimers();
});

async function fail(times: number): Promise<void> {
  for (let failure = 0; failure < times; failure += 1)
    await expect(breaker.run(down)).rejects.toThrow(ReceiverAway);
}

function failureOf(call: Promise<unknown>): Promise<unknown> {
  return call.then(
    () => 'no failure',
    (error: unknown) => error,
  );
}

/** Counts what reaches the receiver. */
function counted<T>(call: () => Promise<T>): { readonly call: () => Promise<T>; times: number } {
  const it = {
    times: 0,
    call: () => {
      it.times += 1;
      return call();
    },
  };
  return it;
}

describe('closed', () => {
  test('it passes results on', async () => {
    expect(await breaker.run(up)).toBe('here');
    expect([breaker.state(), breaker.admits()]).toEqual(['closed', 'all']);
  });

  test('it stays closed below the threshold, and a success starts the count again', async () => {
    await fail(2);
    await breaker.run(up);
    await fail(2);
    expect(breaker.state()).toBe('closed');
    expect(lines).toEqual([]);
  });

  test('a failure names the receiver and carries its cause', async () => {
    expect(await failureOf(breaker.run(down))).toMatchObject({
      name: 'ReceiverAway',
      message: 'redis: connection refused',
      cause: { message: 'connection refused' },
    });
  });

  test('a call without an answer fails after its time-out, and is told to stop', async () => {
    let stopped = false;
    const failure = failureOf(
      breaker.run((signal) => {
        signal.addEventListener('abort', () => {
          stopped = true;
        });
        return silent();
      }),
    );
    await vi.advanceTimersByTimeAsync(99);
    expect(stopped).toBe(false);
    await vi.advanceTimersByTimeAsync(1);
    expect(await failure).toMatchObject({ message: 'redis: no answer within 100 ms' });
    expect(stopped).toBe(true);
  });

  test('a call that fails after its time-out disturbs nobody', async () => {
    const failure = failureOf(
      breaker.run(() => new Promise((_, reject) => setTimeout(() => reject(new Error('late')), 500))),
    );
    await vi.advanceTimersByTimeAsync(1_000);
    expect(await failure).toBeInstanceOf(ReceiverAway);
  });

  test('a call that throws at once counts like one that rejects', async () => {
    await expect(
      breaker.run(() => {
        throw new Error('not connected');
      }),
    ).rejects.toThrow('redis: not connected');
  });
});

describe('open', () => {
  test('from the threshold on it asks nobody', async () => {
    await fail(3);
    const receiver = counted(up);
    const refused = await failureOf(breaker.run(receiver.call));
    expect(refused).toBeInstanceOf(ReceiverAway);
    expect(refused).not.toHaveProperty('cause');
    expect(receiver.times).toBe(0);
    expect([breaker.state(), breaker.admits()]).toEqual(['open', 'none']);
  });

  test('time-outs open it as well', async () => {
    const calls = Promise.allSettled([1, 2, 3].map(() => breaker.run(silent)));
    await vi.advanceTimersByTimeAsync(SETTINGS.timeoutMs);
    await calls;
    expect(breaker.state()).toBe('open');
  });

  test('calls under way when it opens end by themselves and change nothing', async () => {
    const answers: (() => void)[] = [];
    const slow = breaker.run(() => new Promise((resolve) => answers.push(() => resolve('late but here'))));
    await fail(3);
    for (const answer of answers) answer();
    expect(await slow).toBe('late but here');
    expect(breaker.state()).toBe('open');
  });
});

describe('half-open', () => {
  beforeEach(async () => {
    await fail(3);
    await vi.advanceTimersByTimeAsync(SETTINGS.halfOpenAfterMs);
  });

  test('one call may look, and the others are refused meanwhile without waiting for it', async () => {
    expect(breaker.admits()).toBe('one');
    const look = breaker.run(() => new Promise((resolve) => setTimeout(() => resolve('back'), 50)));
    expect([breaker.state(), breaker.admits()]).toEqual(['half-open', 'none']);
    const receiver = counted(up);
    await expect(breaker.run(receiver.call)).rejects.toThrow(ReceiverAway);
    expect(receiver.times).toBe(0);
    await vi.advanceTimersByTimeAsync(50);
    expect(await look).toBe('back');
    expect([breaker.state(), breaker.admits()]).toEqual(['closed', 'all']);
  });

  test('a look that fails keeps it open for as long again', async () => {
    await fail(1);
    await vi.advanceTimersByTimeAsync(SETTINGS.halfOpenAfterMs - 1);
    expect(breaker.admits()).toBe('none');
    await vi.advanceTimersByTimeAsync(1);
    expect(breaker.admits()).toBe('one');
  });

  test('after an hour of looks it still closes with the first that succeeds', async () => {
    for (let look = 0; look < 3_600; look += 1) {
      await fail(1);
      await vi.advanceTimersByTimeAsync(SETTINGS.halfOpenAfterMs);
    }
    expect(await breaker.run(up)).toBe('here');
    expect(breaker.state()).toBe('closed');
  });
});

describe('answers that are errors', () => {
  const answer = new Error('there is one of that name already');
  beforeEach(() => {
    breaker = createBreaker('temporal', recorder().log, { ...SETTINGS, isAway: (error) => error !== answer });
  });

  test('are passed on as they are and never open it', async () => {
    for (let times = 0; times < 10; times += 1)
      await expect(breaker.run(() => Promise.reject(answer))).rejects.toBe(answer);
    expect(breaker.state()).toBe('closed');
  });

  test('are signs of life: they start the count again, and close it', async () => {
    await fail(2);
    await expect(breaker.run(() => Promise.reject(answer))).rejects.toBe(answer);
    await fail(2);
    expect(breaker.state()).toBe('closed');
    await fail(1);
    await vi.advanceTimersByTimeAsync(SETTINGS.halfOpenAfterMs);
    await expect(breaker.run(() => Promise.reject(answer))).rejects.toBe(answer);
    expect(breaker.state()).toBe('closed');
  });
});

test('an outage is one warning and one all-clear, with the looks in between for those who debug', async () => {
  await fail(3);
  for (let look = 0; look < 2; look += 1) {
    await vi.advanceTimersByTimeAsync(SETTINGS.halfOpenAfterMs);
    await fail(1);
  }
  await vi.advanceTimersByTimeAsync(SETTINGS.halfOpenAfterMs);
  await breaker.run(up);
  expect(lines.map(({ level, state }) => `${level} ${String(state)}`)).toEqual([
    'warn open',
    'debug half-open',
    'debug open',
    'debug half-open',
    'debug open',
    'debug half-open',
    'info closed',
  ]);
  expect(lines[0]?.reason).toBe('connection refused');
});

test('health routes see each receiver by its name', async () => {
  await fail(3);
  const other = createBreaker('temporal', recorder().log);
  expect(statesOf([breaker, other])).toEqual({ redis: 'open', temporal: 'closed' });
});
