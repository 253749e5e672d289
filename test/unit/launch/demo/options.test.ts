import { expect, test } from 'vitest';
import { readDemoOptions } from '../../../../launch/demo/options.ts';
import { OptionError } from '../../../../launch/options.ts';

test('options have defaults, and what is not one is refused with a line for the user', () => {
  expect(readDemoOptions([])).toEqual({ donations: 300, seed: 1, keep: false, sabotage: false });
  expect(readDemoOptions(['--donations', '40', '--seed=9', '--keep', '--sabotage'])).toEqual({
    donations: 40,
    seed: 9,
    keep: true,
    sabotage: true,
  });
  expect(readDemoOptions(['--help'])).toBeNull();
  for (const args of [
    ['--donations', '19'],
    ['--donations', '1e3'],
    ['--seed', '-1'],
    ['--sead', '1'],
    ['40'],
  ])
    expect(() => readDemoOptions(args)).toThrow(OptionError);
});
