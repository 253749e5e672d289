/** A runbook whose commands a test types, each of them at least once. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../../launch/paths.ts';
import { run, type Ended } from './readme-checkout.ts';
import { commandsOf } from './readme-commands.ts';

export type Runbook = {
  /** Types the one command of the page that the pattern fits, with what stands for its names in capitals. */
  type(pattern: RegExp, names?: Readonly<Record<string, string>>): Promise<Ended>;
  /** What the page asks for and nobody has typed yet. */
  untyped(): string[];
};

export function openRunbook(file: string, env: () => Readonly<Record<string, string>>): Runbook {
  const commands = commandsOf(readFileSync(join(ROOT, file), 'utf8'));
  const typed = new Set<string>();
  return {
    async type(pattern, names = {}) {
      const [command, ...others] = commands.filter((candidate) => pattern.test(candidate));
      if (command === undefined || others.length > 0)
        throw new Error(
          `${file} has ${others.length === 0 ? 'no' : 'more than one'} command for ${pattern.source}`,
        );
      typed.add(command);
      const filled = Object.entries(names).reduce(
        (text, [name, value]) => text.replaceAll(new RegExp(`\\b${name}\\b`, 'g'), value),
        command,
      );
      return await run(filled, ROOT, env());
    },
    untyped: () => commands.filter((command) => !typed.has(command)),
  };
}
