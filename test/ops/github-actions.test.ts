import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { BIN, ROOT } from '../../launch/paths.ts';

const folder = join(ROOT, '.github', 'workflows');
const workflows = readdirSync(folder).map((name) => join(folder, name));

function lint(...files: readonly string[]): string {
  return execFileSync(join(BIN, 'actionlint'), ['-no-color', ...files], { encoding: 'utf8', stdio: 'pipe' });
}

test('the workflows pass actionlint, which finds what is wrong', () => {
  expect(workflows.length).toBeGreaterThan(0);
  expect(lint(...workflows)).toBe('');
  expect(() =>
    execFileSync(join(BIN, 'actionlint'), ['-no-color', '-'], {
      input:
        'on: push\njobs:\n  gate:\n    runs-on: ubuntu-24.04\n    steps:\n      - run: echo ${{ nothing.here }}\n',
      stdio: 'pipe',
    }),
  ).toThrow(/Command failed/);
});

test('every action of others is pinned to a commit, and the gate is what they run', () => {
  for (const file of workflows) {
    const text = readFileSync(file, 'utf8');
    for (const [, used = ''] of text.matchAll(/uses: (\S+)/g)) expect(used).toMatch(/@[0-9a-f]{40}$/);
    expect(text).toContain('bash .ci/run');
  }
});
