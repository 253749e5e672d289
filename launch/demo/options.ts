/** What a person may say to `npm run demo --`. */
import { LARGEST_SEED, readArguments, wholeNumber } from '../arguments.ts';

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
  const { donations, seed, keep, sabotage, help } = readArguments(
    args,
    {
      donations: { type: 'string', default: '300' },
      seed: { type: 'string', default: '1' },
      keep: { type: 'boolean', default: false },
      sabotage: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
    USAGE,
  );
  if (help) return null;
  return {
    donations: wholeNumber('--donations', donations, FEWEST, MOST),
    seed: wholeNumber('--seed', seed, 0, LARGEST_SEED),
    keep,
    sabotage,
  };
}
