import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { createScratch, ROOT } from './scratch.ts';

const read = async (file: string): Promise<string> => readFile(join(ROOT, file), 'utf8');

describe('the formatter', () => {
  it('names a file with other quotes, and none that is formatted', async () => {
    await using scratch = await createScratch({
      'api/quotes.ts': `export const s = "a";\n`,
      'api/formatted.ts': `export const s = 'a';\n`,
    });
    const { code, output } = await scratch.run('oxfmt', [
      '--list-different',
      'api/quotes.ts',
      'api/formatted.ts',
    ]);
    expect({ code, output: output.trim() }).toEqual({ code: 1, output: 'api/quotes.ts' });
  });
});

describe('knip', () => {
  it('names an unused file, an unused export and a package that is not declared', async () => {
    await using scratch = await createScratch({
      'knip.json': await read('knip.json'),
      'api/main.ts': `import { used } from './parts.ts';\nimport * as acorn from 'acorn';\nused(acorn);\n`,
      'api/parts.ts': `export const used = (x: unknown): unknown => x;\nexport const spare = 1;\n`,
      'api/lonely.ts': `export const n = 1;\n`,
    });
    const { code, output } = await scratch.run('knip', [
      '--no-gitignore',
      '--no-progress',
      '--reporter=compact',
    ]);
    expect(code).toBe(1);
    expect(output).toContain('api/lonely.ts');
    expect(output).toMatch(/api\/parts\.ts: spare/);
    expect(output).toMatch(/acorn/);
  });
});

describe('the folder graph', () => {
  it('is refused when an import has come that it does not show, and accepted once written', async () => {
    await using scratch = await createScratch({
      'launch/folder-graph.mjs': await read('launch/folder-graph.mjs'),
      'docs/architecture/folders.md': await read('docs/architecture/folders.md'),
      'domain/money.ts': `export const one = 1;\n`,
      'cli/main.ts': `import { one } from '../domain/money.ts';\nexport const n = one;\n`,
    });
    expect((await scratch.run('node', ['launch/folder-graph.mjs', '--check'])).code).toBe(1);
    expect((await scratch.run('node', ['launch/folder-graph.mjs'])).code).toBe(0);
    expect((await scratch.run('node', ['launch/folder-graph.mjs', '--check'])).code).toBe(0);
    expect(await readFile(join(scratch.path, 'docs/architecture/folders.md'), 'utf8')).toContain(
      'cli --> domain',
    );
  });
});

const Lock = z.object({
  packages: z.record(z.string(), z.object({ hasInstallScript: z.boolean().optional() })),
});
const Package = z.object({ allowScripts: z.record(z.string(), z.boolean()) });

describe('the lock file', () => {
  it('names no registry', async () => {
    expect(await read('package-lock.json')).not.toContain('resolved');
  });

  it('brings no install script that nobody has decided on', async () => {
    const { packages } = Lock.parse(JSON.parse(await read('package-lock.json')));
    const { allowScripts } = Package.parse(JSON.parse(await read('package.json')));
    const withScript = Object.entries(packages)
      .filter(([, { hasInstallScript }]) => hasInstallScript)
      .map(([path]) => path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length));
    expect(withScript).not.toEqual([]);
    expect(withScript.filter((name) => !(name in allowScripts))).toEqual([]);
  });
});
