import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createScratch, ROOT, type Scratch } from './scratch.ts';

type Case = { readonly title: string; readonly file: string; readonly source: string; readonly code: string };

const TSC = join(ROOT, 'node_modules', '@typescript', 'native', 'bin', 'tsc');

const WHOLE_TREE: readonly Case[] = [
  {
    title: 'an element that may be absent',
    file: 'api/element.ts',
    code: 'TS2322',
    source: `export const f = (list: string[]): string => list[0];`,
  },
  {
    title: 'undefined for an optional property',
    file: 'api/optional.ts',
    code: 'TS2375',
    source: `export const o: { a?: string } = { a: undefined };`,
  },
  {
    title: 'a dot on an index signature',
    file: 'api/dot.ts',
    code: 'TS4111',
    source: `export const f = (o: Record<string, string>): unknown => o.a;`,
  },
  { title: 'an enum', file: 'api/enum.ts', code: 'TS1294', source: `export enum Colour { Red }` },
  {
    title: 'a parameter property',
    file: 'api/parameter.ts',
    code: 'TS1294',
    source: `export class A { constructor(readonly n: number) {} }`,
  },
  {
    title: 'an unused local',
    file: 'api/unused.ts',
    code: 'TS6133',
    source: `const n = 1;\nexport const m = 1;`,
  },
  {
    title: 'an unused parameter',
    file: 'api/unused-parameter.ts',
    code: 'TS6133',
    source: `export const f = (n: number): number => 1;`,
  },
  {
    title: 'a path without a return',
    file: 'api/return.ts',
    code: 'TS7030',
    source: `export function f(b: boolean) { if (b) return 1; }`,
  },
  {
    title: 'a case that falls through',
    file: 'api/fall.ts',
    code: 'TS7029',
    source: `export function f(n: number): number { switch (n) { case 1: f(2); case 2: return 2; default: return 3; } }`,
  },
  {
    title: 'unreachable code',
    file: 'api/unreachable.ts',
    code: 'TS7027',
    source: `export function f(): number { return 1; f(); }`,
  },
  {
    title: 'an override that does not say so',
    file: 'api/override.ts',
    code: 'TS4114',
    source: `class A { m(): number { return 1; } }\nexport class B extends A { m(): number { return 2; } }`,
  },
  {
    title: 'an import without its extension',
    file: 'api/extension.ts',
    code: 'TS2835',
    source: `export { f } from './element';`,
  },
  {
    title: 'a type imported as a value',
    file: 'api/verbatim.ts',
    code: 'TS1484',
    source: `import { PoolConfig } from 'pg';\nexport type P = PoolConfig;`,
  },
  {
    title: 'a side effect of nothing',
    file: 'api/side-effect.ts',
    code: 'TS2882',
    source: `import './absent.ts';\nexport {};`,
  },
  {
    title: 'an implicit any',
    file: 'api/any.ts',
    code: 'TS7006',
    source: `export const f = (n) => n as unknown;`,
  },
  {
    title: 'the browser',
    file: 'api/browser.ts',
    code: 'TS2584',
    source: `export const d: unknown = document;`,
  },
  {
    title: 'a library newer than Node 24',
    file: 'api/newer.ts',
    code: 'TS2304',
    source: `export const d: unknown = Temporal;`,
  },
  {
    title: 'checked JavaScript',
    file: 'launch/checked.mjs',
    code: 'TS2322',
    source: `// @ts-check\n/** @type {number} */\nexport const n = 'x';`,
  },
];

const SANDBOX: readonly Case[] = ['domain', 'workflows'].flatMap((folder) => [
  {
    title: `process in ${folder}/`,
    file: `${folder}/process.ts`,
    code: 'TS2591',
    source: `export const p: unknown = process;`,
  },
  {
    title: `Buffer in ${folder}/`,
    file: `${folder}/buffer.ts`,
    code: 'TS2591',
    source: `export const b: unknown = Buffer;`,
  },
  {
    title: `setTimeout in ${folder}/`,
    file: `${folder}/timer.ts`,
    code: 'TS2304',
    source: `export const t: unknown = setTimeout;`,
  },
  {
    title: `console in ${folder}/`,
    file: `${folder}/console.ts`,
    code: 'TS2584',
    source: `export const c: unknown = console;`,
  },
  {
    title: `fetch in ${folder}/`,
    file: `${folder}/fetch.ts`,
    code: 'TS2304',
    source: `export const f: unknown = fetch;`,
  },
  {
    title: `crypto in ${folder}/`,
    file: `${folder}/crypto.ts`,
    code: 'TS2304',
    source: `export const c: unknown = crypto;`,
  },
  {
    title: `a Node module in ${folder}/`,
    file: `${folder}/node.ts`,
    code: 'TS2591',
    source: `import { createHash } from 'node:crypto';\nexport const c: unknown = createHash;`,
  },
]);

const SANDBOX_USES_TEMPORAL = {
  'workflows/uses.ts': `import { sleep } from '@temporalio/workflow';\nexport const f = async (): Promise<void> => sleep(1);`,
};

describe('the type checks', () => {
  let scratch: Scratch;
  let wholeTree: string;
  let sandbox: string;

  beforeAll(async () => {
    scratch = await createScratch({
      ...Object.fromEntries([...WHOLE_TREE, ...SANDBOX].map(({ file, source }) => [file, source])),
      ...SANDBOX_USES_TEMPORAL,
    });
    const check = async (project: string) => scratch.run('node', [TSC, '-p', project, '--pretty', 'false']);
    const results = await Promise.all([check('tsconfig.json'), check('tsconfig.workflows.json')]);
    [wholeTree, sandbox] = [results[0].output, results[1].output];
  });

  afterAll(async () => scratch[Symbol.asyncDispose]());

  it.each(WHOLE_TREE)('refuse $title: $code', ({ file, code }) => {
    expect(codesOf(wholeTree, file)).toContain(code);
  });

  it.each(SANDBOX)('refuse $title, where workflows run: $code', ({ file, code }) => {
    expect(codesOf(sandbox, file)).toContain(code);
    expect(codesOf(wholeTree, file)).toEqual([]);
  });

  it('let workflows use Temporal', () => {
    expect(codesOf(sandbox, 'workflows/uses.ts')).toEqual([]);
  });
});

/** Of lines such as `api/any.ts(1,2): error TS7006: …`. */
function codesOf(output: string, file: string): string[] {
  return output
    .split('\n')
    .filter((line) => line.startsWith(`${file}(`))
    .map((line) => /error (TS\d+)/.exec(line)?.[1] ?? '');
}
