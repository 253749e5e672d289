/** `npm run soak` watches every process of its own platform and ends with the audit. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { expectNothingLeft, launch } from './launched.ts';

const PROCESSES = ['provider', 'background', 'worker', 'api', 'temporal'];

test('a minute of steady giving: samples of five processes, a table, a picture, 0 discrepancies, nothing left', async () => {
  const soak = launch('soak', '--minutes', '1', '--rate', '1');
  const code = await soak.ended;
  const text = soak.output();
  expect(text).toMatch(/0 discrepancies over 60 donations \(56 captured/);
  expect(code).toBe(0);

  const folder = /^Samples, table and picture are in (.+)$/m.exec(text)?.[1] ?? '';
  const read = (name: string): string => readFileSync(join(folder, name), 'utf8');
  const [head = '', ...rows] = read('samples.csv').trimEnd().split('\n');
  expect(head.split(',').toSorted()).toEqual(
    ['minutes', 'accepted', ...PROCESSES.flatMap((name) => [`${name} rss`, `${name} live heap`])].toSorted(),
  );
  expect(rows.length).toBeGreaterThanOrEqual(5);
  const lastRow = rows.at(-1)?.split(',') ?? [];
  expect(lastRow[1]).toBe('60');
  for (const name of PROCESSES) {
    expect(Number(lastRow[head.split(',').indexOf(`${name} rss`)])).toBeGreaterThan(50);
    expect(read('table.md')).toMatch(new RegExp(`^\\| ${name} \\| \\d+ MB \\|.* [+−]\\d+\\.\\d MB \\|`, 'm'));
    expect(read('soak.svg')).toMatch(new RegExp(`>${name} \\d+ MB</text>`));
  }
  await expectNothingLeft(text);
});
