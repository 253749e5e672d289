/** Which system a command works on: the environment's, else the one that `npm start` wrote down. */
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { ENVIRONMENT_FILE } from '../launch/paths.ts';
import { ConfigError, environmentOr, loadConfig, type Config, type Environment } from '../platform/config.ts';
import { CommandProblem } from './problem.ts';

const variables = z.record(z.string(), z.string());

/** @throws CommandProblem that says what to do when the environment does not name a system and none was started here. */
export function loadEnvironment<Needed extends keyof Environment = never>(
  needed: readonly Needed[],
  file: string = ENVIRONMENT_FILE,
): Config<Needed> {
  const started = readStarted(file);
  try {
    return loadConfig(needed, sourceOf(started ?? {}));
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    if (started === null) {
      throw new CommandProblem(
        `No system to work on. Run \`npm start\` in another terminal, or set the variables of one that runs (${error.message})`,
        2,
        { cause: error },
      );
    }
    throw new CommandProblem(error.message, 2, { cause: error });
  }
}

/** Where the API is; nothing has to be configured when it listens on its standard port. */
export function apiUrl(config: Environment): string {
  const host = config.HOST.includes(':') ? `[${config.HOST}]` : config.HOST;
  return (config.API_URL ?? `http://${host}:${config.PORT}`).replace(/\/+$/, '');
}

/** A port of the environment's own is not the one whose URL was written down. */
function sourceOf(started: Readonly<Record<string, string>>): Readonly<Record<string, string | undefined>> {
  const merged = environmentOr(started);
  const elsewhere = merged['PORT'] !== started['PORT'] || merged['HOST'] !== started['HOST'];
  return elsewhere && merged['API_URL'] === started['API_URL'] ? { ...merged, API_URL: undefined } : merged;
}

/** Where a variable is set; `default` when it is nowhere. */
export type Source = 'environment' | '.careforall' | 'default';

export type Known = {
  /** Of the environment, else of the system that was started here; nothing is checked. */
  readonly values: Readonly<Record<string, string | undefined>>;
  sourceOf(name: string): Source;
};

/** What is known of a system that may not run, or not even be there. @throws CommandProblem when the file is unusable. */
export function knownVariables(file: string = ENVIRONMENT_FILE): Known {
  const started = readStarted(file) ?? {};
  const given = environmentOr({});
  return {
    values: sourceOf(started),
    sourceOf: (name) =>
      given[name] !== undefined ? 'environment' : started[name] !== undefined ? '.careforall' : 'default',
  };
}

function readStarted(file: string): Record<string, string> | null {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch {
    return null;
  }
  try {
    const started = variables.parse(JSON.parse(text));
    // What was started here is no part of another installation that the environment names.
    const named = environmentOr({})['NAME_PREFIX'];
    return named === undefined || named === started['NAME_PREFIX'] ? started : null;
  } catch (error) {
    throw new CommandProblem(`${file} is not a JSON object of variables; \`npm start\` writes it anew`, 2, {
      cause: error,
    });
  }
}
