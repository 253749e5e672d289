/** What a person may say to `npm run bench --`. */
import { readArguments } from '../../launch/arguments.ts';

export type BenchOptions = {
  /** Everything small: shows that the bench works, not what the platform can do. */
  readonly quick: boolean;
  readonly markdown: boolean;
  /** Also on a machine that has other work to do. */
  readonly anyway: boolean;
};

export const USAGE = `npm run bench -- [options]

  --quick      everything small, in under a minute: whether the bench works, not what the platform can do
  --markdown   print what goes into docs/benchmarks.md as well
  --anyway     also while the machine has other work to do
  --help       these lines
`;

/** Throws an `OptionError` whose message is for the user; `null` means that only help was asked for. */
export function readBenchOptions(args: readonly string[]): BenchOptions | null {
  const { help, ...options } = readArguments(
    args,
    {
      quick: { type: 'boolean', default: false },
      markdown: { type: 'boolean', default: false },
      anyway: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
    USAGE,
  );
  return help ? null : options;
}

/** As it would be typed again: figures belong to it. */
export function commandOf({ quick, anyway }: Pick<BenchOptions, 'quick' | 'anyway'>): string {
  const flags = [quick ? ['--quick'] : [], anyway ? ['--anyway'] : []].flat();
  return ['npm run bench', ...(flags.length === 0 ? [] : ['--', ...flags])].join(' ');
}
