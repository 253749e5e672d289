import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect, test } from 'vitest';
import { startForeign } from '../../../launch/foreign-program.ts';
import { startNode } from '../../../launch/node-program.ts';
import { identify, isRunning } from '../../../launch/process-identity.ts';
import { StartFailed } from '../../../launch/running.ts';
import { supervise } from '../../../launch/supervise.ts';

const folder = (): string => mkdtempSync(join(tmpdir(), 'processes-'));

/** Ignores nothing, says nothing, stays until it is ended. */
const STAYS = 'setInterval(() => 0, 1_000)';

function foreign(at: string, code: string) {
  return {
    name: 'it',
    command: process.execPath,
    args: ['-e', code],
    logFile: join(at, 'it.log'),
    pidFile: join(at, 'it.json'),
  };
}

function script(at: string, code: string): string {
  const file = join(at, 'process.mjs');
  writeFileSync(file, code);
  return file;
}

test('a program runs until it is stopped, and its record goes with it', async () => {
  const at = folder();
  const running = await startForeign(foreign(at, STAYS));
  const identity = identify(running.pid);
  expect(JSON.parse(readFileSync(join(at, 'it.json'), 'utf8'))).toEqual(identity);
  await running.stop();
  expect(isRunning(identity)).toBe(false);
  expect(() => readFileSync(join(at, 'it.json'))).toThrow('ENOENT');
});

test('a program that ignores SIGTERM is killed after its time', async () => {
  const at = folder();
  const code = `process.on('SIGTERM', () => 0); console.log('deaf'); ${STAYS}`;
  const running = await startForeign({ ...foreign(at, code), stopLimitMs: 200 });
  await expect.poll(() => readFileSync(join(at, 'it.log'), 'utf8')).toContain('deaf');
  await running.stop();
  expect(isRunning(identify(running.pid))).toBe(false);
});

test('a program that does not exist is reported with what the system said', async () => {
  const at = folder();
  await expect(startForeign({ ...foreign(at, ''), command: join(at, 'nothing') })).rejects.toThrow(/ENOENT/);
});

test('programs end when the process that started them is killed', async () => {
  const at = folder();
  const starter = script(
    at,
    `import { startForeign } from ${JSON.stringify(join(import.meta.dirname, '../../../launch/foreign-program.ts'))};
     const running = await startForeign(${JSON.stringify(foreign(at, STAYS))});
     console.log(running.pid);`,
  );
  const parent = spawn(process.execPath, [starter], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = (await once(createInterface({ input: parent.stdout }), 'line')) as [string];
  const program = identify(Number(line));
  expect(isRunning(program)).toBe(true);
  parent.kill('SIGKILL');
  await expect.poll(() => isRunning(program), { timeout: 5_000 }).toBe(false);
});

test('a program that outlived its guard is ended before it is started again', async () => {
  const at = folder();
  const leftover = spawn(process.execPath, ['-e', STAYS], { stdio: 'ignore' });
  const identity = identify(leftover.pid ?? 0);
  writeFileSync(join(at, 'it.json'), JSON.stringify(identity));
  const running = await startForeign(foreign(at, STAYS));
  expect(isRunning(identity)).toBe(false);
  await running.stop();
});

test('one of our processes is started when it says it is ready', async () => {
  const at = folder();
  const code = `process.send({ ready: true, port: 4711 }); ${STAYS}; process.on('disconnect', () => process.exit());`;
  const running = await startNode({
    name: 'it',
    script: script(at, code),
    env: {},
    logFile: join(at, 'it.log'),
  });
  expect(running.port).toBe(4711);
  await running.stop();
  expect(await running.ended).toBe('SIGTERM');
});

test('one of our processes that ends before it is ready fails with its last words', async () => {
  const at = folder();
  const started = startNode({
    name: 'it',
    script: script(at, `throw new Error('no database')`),
    env: {},
    logFile: join(at, 'it.log'),
  });
  await expect(started).rejects.toThrow(StartFailed);
  await expect(started).rejects.toThrow(/no database/);
});

test('one of our processes that never gets ready is given up and stopped', async () => {
  const at = folder();
  const started = startNode({
    name: 'it',
    script: script(at, STAYS),
    env: {},
    logFile: join(at, 'it.log'),
    readyLimitMs: 300,
  });
  await expect(started).rejects.toThrow(/not ready after 0.3 s/);
});

test('a supervised process that dies is started again, one that is stopped is not', async () => {
  const at = folder();
  const reports: string[] = [];
  const supervised = await supervise({
    name: 'it',
    start: () => startForeign(foreign(at, STAYS)),
    report: (line) => reports.push(line),
  });
  const first = supervised.current().pid;
  process.kill(first, 'SIGKILL');
  await expect.poll(() => supervised.current().pid, { timeout: 5_000 }).not.toBe(first);
  await expect.poll(() => reports.length).toBe(2);
  await supervised.stop();
  expect(isRunning(identify(supervised.current().pid))).toBe(false);
  expect(reports).toHaveLength(2);
});
