import { fork } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createFailpoint } from '../../../platform/failpoint.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'failpoints-'));
});
afterEach(() => {
  rmSync(directory, { recursive: true, force: true });
});

test('without a directory nothing is armed and nothing is looked up', () => {
  const failpoint = createFailpoint(undefined);
  for (let turn = 0; turn < 1_000; turn += 1) expect(() => failpoint('accept.stored')).not.toThrow();
});

test('a name that is not armed lets the process pass, also when its neighbour is', () => {
  writeFileSync(join(directory, 'start.claimed'), '');
  const failpoint = createFailpoint(directory);
  failpoint('accept.stored');
  failpoint('start.started');
  expect(readdirSync(directory)).toEqual(['start.claimed']);
});

test('a directory that does not exist arms nothing', () => {
  const failpoint = createFailpoint(join(directory, 'nowhere'));
  expect(() => failpoint('accept.stored')).not.toThrow();
});

/** Passes the point, and says so if it is still alive. */
function pass() {
  const child = fork(new URL('./pass-failpoint.ts', import.meta.url), [directory], {
    execArgv: [],
    stdio: 'pipe',
  });
  let alive = false;
  child.on('message', () => {
    alive = true;
  });
  return once(child, 'exit').then(([code, signal]) => ({
    code: code as unknown,
    signal: signal as unknown,
    alive,
  }));
}

test('of two processes that meet an armed point exactly one is killed, and the point is spent', async () => {
  writeFileSync(join(directory, 'accept.stored'), '');
  const ends = await Promise.all([pass(), pass()]);
  expect(ends).toContainEqual({ code: null, signal: 'SIGKILL', alive: false });
  expect(ends).toContainEqual({ code: 0, signal: null, alive: true });
  expect(existsSync(join(directory, 'accept.stored'))).toBe(false);
  expect(existsSync(join(directory, 'accept.stored.fired'))).toBe(true);
});
