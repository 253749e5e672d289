/** What the launcher itself says: short lines, the time that slow steps take, warnings that stand out. */
import { styleText } from 'node:util';

const TICK_MS = 5_000;
export const TICK = styleText('green', '✓');

export type Step = { note(text: string): void };

export function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

export function warn(text: string): void {
  process.stderr.write(`${styleText('yellow', 'warning', { stream: process.stderr })} ${text}\n`);
}

export function complain(text: string): void {
  process.stderr.write(`${styleText('red', 'error', { stream: process.stderr })} ${text}\n`);
}

/**
 * Runs one step; every five seconds it says that it still runs, for how long and what it last noted. `done` words the
 * closing line; when it gives undefined there is none.
 */
export async function step<T>(
  title: string,
  run: (step: Step) => Promise<T>,
  done: (result: T) => string | undefined = () => title,
): Promise<T> {
  const startedAt = Date.now();
  const elapsed = (): string => `${((Date.now() - startedAt) / 1000).toFixed(1)} s`;
  let latest = '';
  const ticker = setInterval(() => {
    say(`  … ${title}, ${elapsed()}${latest === '' ? '' : ` (${latest})`}`);
  }, TICK_MS);
  try {
    const result = await run({
      note(text) {
        latest = text;
      },
    });
    const line = done(result);
    if (line !== undefined) say(`${TICK} ${line}  ${styleText('dim', elapsed())}`);
    return result;
  } finally {
    clearInterval(ticker);
  }
}
