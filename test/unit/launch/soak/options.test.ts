import { expect, test } from 'vitest';
import { OptionError } from '../../../../launch/options.ts';
import { readSoakOptions } from '../../../../launch/soak/options.ts';

test('an hour at five per second unless told otherwise, and what is no option is refused with a line for the user', () => {
  expect(readSoakOptions([])).toEqual({ minutes: 60, rate: 5, seed: 1 });
  expect(readSoakOptions(['--minutes', '90', '--rate=2', '--seed', '7'])).toEqual({
    minutes: 90,
    rate: 2,
    seed: 7,
  });
  expect(readSoakOptions(['--help'])).toBeNull();
  for (const args of [['--minutes', '0'], ['--minutes', '1.5'], ['--rate', '51'], ['--hours', '1'], ['60']])
    expect(() => readSoakOptions(args)).toThrow(OptionError);
});
