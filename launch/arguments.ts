/** What a person types after `npm run <script> --`. */
import { parseArgs, type ParseArgsConfig } from 'node:util';
import { OptionError } from './options.ts';

type Options = NonNullable<ParseArgsConfig['options']>;

/** Throws an `OptionError` whose message is for the user, with the usage when something is unknown. */
export function readArguments<T extends Options>(args: readonly string[], options: T, usage: string) {
  try {
    return parseArgs({ args: [...args], options }).values;
  } catch (error) {
    throw new OptionError(`${error instanceof Error ? error.message : String(error)}\n\n${usage}`);
  }
}

/** Throws an `OptionError` when the text is not a whole number from `least` to `most`, both included. */
export function wholeNumber(name: string, text: string, least: number, most: number): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < least || value > most)
    throw new OptionError(`${name} is "${text}": give a whole number from ${least} to ${most}.`);
  return value;
}

/** What `createRandom` takes. */
export const LARGEST_SEED = 2 ** 32 - 1;
