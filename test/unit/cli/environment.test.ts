import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test, vi } from 'vitest';
import { knownVariables } from '../../../cli/environment.ts';

const directory = mkdtempSync(join(tmpdir(), 'careforall-cli-'));
const file = join(directory, 'environment.json');
writeFileSync(file, JSON.stringify({ NAME_PREFIX: 'careforall', WORKERS_URL: 'http://127.0.0.1:18081' }));
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(directory, { recursive: true, force: true });
});

test('what was started here is known, and is no part of another installation that the environment names', () => {
  expect(knownVariables(file).values['WORKERS_URL']).toBe('http://127.0.0.1:18081');
  vi.stubEnv('NAME_PREFIX', 'elsewhere');
  expect(knownVariables(file).values['WORKERS_URL']).toBeUndefined();
});
