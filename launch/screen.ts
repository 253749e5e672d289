/** What the launcher itself says: short lines, the time that slow steps take, warnings that stand out. */
import { styleText } from 'node:util';

const TICK_MS = 5_000;
export const TICK = styleText('green', '✓');

export type Step = { note(text: string): void };

export function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** Where stdout belongs to somebody else. */
export function tellAside(text: string): void {
  process.stderr.write(`${text}\n`);
}

export function warn(text: string): void {
  process.stderr.write(`${styleText('yellow', 'warning', { stream: process.stderr })} ${text}\n`);
}

export function complain(text: string): void {
  process.stderr.write(`${styleText('red', 'error', { stream: process.stderr })} ${text}\n`);
}

/**
 * Runs one step; every five seconds it says that it still runs, for how long and what it last noted. `done` words the
 * closing line; when it gives undefined there is none. `tell` is where all of it goes.
 */
export async function step<T>(
  title: string,
  run: (step: Step) => Promise<T>,
  done: (result: T) => string | undefined = () => title,
  tell: (text: string) => void = say,
): Promise<T> {
  const startedAt = Date.now();
  const elapsed = (): string => `${((Date.now() - startedAt) / 1000).toFixed(1)} s`;
  let latest = '';
  const ticker = setInterval(() => {
    tell(`  … ${title}, ${elapsed()}${latest === '' ? '' : ` (${latest})`}`);
  }, TICK_MS);
  try {
    const result = await run({
      note(text) {
        latest = text;
      },
    });
    const line = done(result);
    if (line !== undefined) tell(`${TICK} ${line}  ${styleText('dim', elapsed())}`);
    return result;
  } finally {
    clearInterval(ticker);
  }
}
