/** What a person may say to `npm run soak --`. */
import { LARGEST_SEED, readArguments, wholeNumber } from '../arguments.ts';

export type SoakOptions = {
  readonly minutes: number;
  /** Donations per second. */
  readonly rate: number;
  readonly seed: number;
};

const [LONGEST_MINUTES, FASTEST_RATE] = [1_440, 50];

export const USAGE = `npm run soak -- [options]

  --minutes N     how long, 1 to ${LONGEST_MINUTES} (default 60)
  --rate N        donations per second, 1 to ${FASTEST_RATE} (default 5)
  --seed S        other gifts and keys; the same number brings the same (default 1)
  --help          these lines
`;

/** Throws an `OptionError` whose message is for the user; `null` means that only help was asked for. */
export function readSoakOptions(args: readonly string[]): SoakOptions | null {
  const { minutes, rate, seed, help } = readArguments(
    args,
    {
      minutes: { type: 'string', default: '60' },
      rate: { type: 'string', default: '5' },
      seed: { type: 'string', default: '1' },
      help: { type: 'boolean', default: false },
    },
    USAGE,
  );
  if (help) return null;
  return {
    minutes: wholeNumber('--minutes', minutes, 1, LONGEST_MINUTES),
    rate: wholeNumber('--rate', rate, 1, FASTEST_RATE),
    seed: wholeNumber('--seed', seed, 0, LARGEST_SEED),
  };
}
