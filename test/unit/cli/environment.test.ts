import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { apiUrl, loadEnvironment } from '../../../cli/environment.ts';

const folder = mkdtempSync(join(tmpdir(), 'careforall-cli-'));
const file = join(folder, 'environment.json');

afterAll(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
});

beforeEach(() => {
  rmSync(file, { force: true });
  for (const name of ['API_URL', 'HOST', 'PORT', 'TEMPORAL_ADDRESS', 'NAME_PREFIX']) vi.stubEnv(name, '');
});

describe('the system that a command works on', () => {
  it('is the one that was started here', () => {
    writeFileSync(
      file,
      JSON.stringify({ TEMPORAL_ADDRESS: '127.0.0.1:1', PORT: '18080', API_URL: 'http://127.0.0.1:18080/' }),
    );
    const config = loadEnvironment(['TEMPORAL_ADDRESS'], file);
    expect(config.TEMPORAL_ADDRESS).toBe('127.0.0.1:1');
    expect(apiUrl(config)).toBe('http://127.0.0.1:18080');
  });

  it('is the one that the environment names, where it names one', () => {
    writeFileSync(file, JSON.stringify({ TEMPORAL_ADDRESS: '127.0.0.1:1', NAME_PREFIX: 'started' }));
    vi.stubEnv('TEMPORAL_ADDRESS', '127.0.0.1:2');
    expect(loadEnvironment([], file)).toMatchObject({
      TEMPORAL_ADDRESS: '127.0.0.1:2',
      NAME_PREFIX: 'started',
    });
  });

  it('does not answer at the written URL when the environment names another port', () => {
    writeFileSync(file, JSON.stringify({ PORT: '18080', API_URL: 'http://127.0.0.1:18080' }));
    vi.stubEnv('PORT', '19090');
    expect(apiUrl(loadEnvironment([], file))).toBe('http://127.0.0.1:19090');
  });

  it('needs no configuration when it listens on its standard port', () => {
    expect(apiUrl(loadEnvironment([], file))).toBe('http://127.0.0.1:8080');
  });

  it('is asked for in one line when there is none', () => {
    expect(() => loadEnvironment(['TEMPORAL_ADDRESS'], file)).toThrow(
      /^No system to work on\. Run `npm start`.*TEMPORAL_ADDRESS/,
    );
  });

  it('is not guessed from a file that cannot be read', () => {
    writeFileSync(file, '[1]');
    expect(() => loadEnvironment([], file)).toThrow('is not a JSON object of variables');
  });
});
