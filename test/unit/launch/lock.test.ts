import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { takeLock } from '../../../launch/lock.ts';
import { identify, isRunning } from '../../../launch/process-identity.ts';

const lockFile = (): string => join(mkdtempSync(join(tmpdir(), 'lock-')), 'launcher.pid');

test('a lock that is held names its holder, a released one can be taken again', () => {
  const file = lockFile();
  const first = takeLock(file);
  if (!first.taken) throw new Error('a free lock was not given');
  expect(takeLock(file)).toEqual({ taken: false, pid: process.pid });
  first.release();
  expect(takeLock(file).taken).toBe(true);
});

test('a lock of a process that has ended is taken over', async () => {
  const file = lockFile();
  const child = spawn(process.execPath, ['-e', 'setInterval(() => 0, 1000)']);
  writeFileSync(file, JSON.stringify(identify(child.pid ?? 0)));
  expect(takeLock(file)).toEqual({ taken: false, pid: child.pid });
  child.kill('SIGKILL');
  await once(child, 'exit');
  expect(takeLock(file).taken).toBe(true);
});

test('a lock whose pid now belongs to a later process is taken over', () => {
  const file = lockFile();
  writeFileSync(file, JSON.stringify({ pid: process.pid, startedAt: 'long ago' }));
  expect(takeLock(file).taken).toBe(true);
  expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual(identify(process.pid));
});

test('a lock file that makes no sense is taken over', () => {
  const file = lockFile();
  writeFileSync(file, '{"pid":');
  expect(takeLock(file).taken).toBe(true);
});

test('a process is told apart from an earlier one of the same pid', () => {
  expect(isRunning(identify(process.pid))).toBe(true);
  expect(isRunning({ pid: process.pid, startedAt: 'long ago' })).toBe(false);
});
