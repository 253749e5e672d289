import { expect, test } from 'vitest';
import { eventually, throughout } from '../../harness/eventually.ts';

test('it returns what the assertion returns once it holds', async () => {
  let looks = 0;
  const result = await eventually(
    'three looks',
    () => {
      looks += 1;
      if (looks < 3) throw new Error('not yet');
      return 'done';
    },
    { everyMs: 1 },
  );
  expect(result).toBe('done');
});

test('when the time is over it says what was waited for and what was last seen', async () => {
  const waiting = eventually('the pledge is captured', () => expect('INITIATED').toBe('CAPTURED'), {
    withinMs: 60,
    everyMs: 10,
  });
  await expect(waiting).rejects.toThrow(/the pledge is captured: not after \d+ ms and \d+ looks.*INITIATED/s);
});

test('a look that never answers does not outlast the deadline by more than a second', async () => {
  const startedAt = performance.now();
  await expect(eventually('an answer', () => new Promise(() => undefined), { withinMs: 50 })).rejects.toThrow(
    /did not answer/,
  );
  expect(performance.now() - startedAt).toBeLessThan(2_000);
});

test('what must hold all the time fails at the first look that it does not', async () => {
  let total = 2;
  const watching = throughout(
    'never negative',
    () => expect((total -= 1)).toBeGreaterThanOrEqual(0),
    1_000,
    5,
  );
  await expect(watching).rejects.toThrow(/never negative: stopped being true/);
});
