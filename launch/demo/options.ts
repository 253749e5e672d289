/** What a person may say to `npm run demo --`. */
import { parseArgs } from 'node:util';
import { OptionError } from '../options.ts';

export type DemoOptions = {
  readonly donations: number;
  readonly seed: number;
  /** Leave the platform running after the verdict, to look around in it, until Ctrl-C. */
  readonly keep: boolean;
  /** Spoil one total before the audit, to see that it would be noticed. */
  readonly sabotage: boolean;
};

const [FEWEST, MOST] = [20, 5_000];

export const USAGE = `npm run demo -- [options]

  --donations N   how many people give, ${FEWEST} to ${MOST} (default 300)
  --seed S        another storm; the same number brings the same gifts, keys and order (default 1)
  --keep          leave the platform running afterwards, to look around, until Ctrl-C
  --sabotage      take one cent from a total behind everybody's back before the audit: the demo must fail
  --help          these lines
`;

/** Throws an `OptionError` whose message is for the user; `null` means that only help was asked for. */
export function readDemoOptions(args: readonly string[]): DemoOptions | null {
  const { donations, seed, keep, sabotage, help } = parse(args);
  if (help) return null;
  return {
    donations: wholeNumber('--donations', donations, FEWEST, MOST),
    seed: wholeNumber('--seed', seed, 0, 2 ** 32 - 1),
    keep,
    sabotage,
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        donations: { type: 'string', default: '300' },
        seed: { type: 'string', default: '1' },
        keep: { type: 'boolean', default: false },
        sabotage: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    }).values;
  } catch (error) {
    throw new OptionError(`${error instanceof Error ? error.message : String(error)}\n\n${USAGE}`);
  }
}

function wholeNumber(name: string, text: string, least: number, most: number): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < least || value > most)
    throw new OptionError(`${name} is "${text}": give a whole number from ${least} to ${most}.`);
  return value;
}
