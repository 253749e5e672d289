import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const ROOT = join(import.meta.dirname, '..', '..', '..');

/** Opens one thing before it is told to stop and one after; each would keep the process alive for ever. */
const SLOW_STARTER = `
import { runProcess } from './platform/lifecycle.ts';
import { createLogger } from './platform/log.ts';
await runProcess(createLogger('slow', 'info'), async (opened) => {
  opened.use('first', setInterval(() => undefined, 1_000), clearInterval);
  console.log('half way');
  await new Promise((resolve) => setTimeout(resolve, 500));
  opened.use('second', setInterval(() => undefined, 1_000), clearInterval);
  console.log('went on');
  return { port: 0 };
});
`;

test('a process that is told to stop while it starts closes what it opens afterwards, and ends at once', async () => {
  const startedAt = Date.now();
  const child = spawn(process.execPath, ['--input-type=module-typescript', '-e', SLOW_STARTER], {
    cwd: ROOT,
  });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    if (output === '') child.kill('SIGTERM');
    output += chunk;
  });
  expect(await once(child, 'close')).toEqual([0, null]);
  expect(output).toContain('half way');
  expect(output).not.toContain('went on');
  expect(output).not.toContain('could not start');
  expect(Date.now() - startedAt).toBeLessThan(6_000);
}, 20_000);
