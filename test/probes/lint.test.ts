import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { ALLOWED, PLACED_VIOLATIONS, RULE_VIOLATIONS } from './lint-cases.ts';
import { createScratch, ROOT, type Scratch } from './scratch.ts';

const CASES = [
  ...Object.entries(RULE_VIOLATIONS).map(([rule, source]) => ({
    rule,
    file: `platform/${rule.replace('/', '-')}.ts`,
    source,
  })),
  ...PLACED_VIOLATIONS.map(({ file = '', ...violation }) => ({ ...violation, file })),
];

const Report = z.object({
  diagnostics: z.array(z.object({ code: z.string().optional(), filename: z.string() })),
});
const Configuration = z.object({
  rules: z.record(z.string(), z.unknown()),
  overrides: z.array(z.object({ rules: z.record(z.string(), z.unknown()) })),
});

describe('lint rules', () => {
  let scratch: Scratch;
  let rulesByFile: Map<string, Set<string>>;

  beforeAll(async () => {
    const files = {
      ...Object.fromEntries(CASES.map(({ file, source }) => [file, `${source}\n`])),
      ...ALLOWED,
    };
    scratch = await createScratch(files);
    // Named one by one, because the scratch is in a folder that the linter ignores.
    const { output } = await scratch.run('oxlint', ['--format=json', ...Object.keys(files)]);
    rulesByFile = new Map();
    for (const { code, filename } of Report.parse(JSON.parse(output)).diagnostics) {
      rulesByFile.set(filename, (rulesByFile.get(filename) ?? new Set()).add(code ?? 'syntax'));
    }
  });

  afterAll(async () => scratch[Symbol.asyncDispose]());

  it('let through what they are not about', () => {
    expect(Object.keys(ALLOWED).filter((file) => rulesByFile.has(file))).toEqual([]);
  });

  it('have a violation each, wherever .oxlintrc.json turns one on', async () => {
    const { rules, overrides } = Configuration.parse(
      JSON.parse(await readFile(join(ROOT, '.oxlintrc.json'), 'utf8')),
    );
    const on = [rules, ...overrides.map((override) => override.rules)]
      .flatMap((some) => Object.entries(some))
      .filter(([, level]) => level !== 'off')
      .map(([rule]) => rule);
    expect([...new Set(CASES.map(({ rule }) => rule))].toSorted()).toEqual([...new Set(on)].toSorted());
  });

  it.each(CASES)('refuse $file: $rule', ({ rule, file }) => {
    expect([...(rulesByFile.get(file) ?? [])]).toContain(codeOf(rule));
  });
});

/** As the report names it: `typescript(no-explicit-any)`, `eslint(radix)`. */
function codeOf(rule: string): string {
  const [plugin = '', name] = rule.split('/');
  return name === undefined ? `eslint(${rule})` : `${plugin}(${name})`;
}
