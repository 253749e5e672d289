/** One line that is written over on a terminal; elsewhere a line of its own every two seconds. */
import { say } from '../screen.ts';

export type LiveLine = {
  update(text: string): void;
  /** Something worth a line that stays. */
  tell(text: string): void;
  /** Whatever comes next starts on a fresh line. */
  end(): void;
};

const PLAIN_EVERY_MS = 2_000;

export function createLiveLine(): LiveLine {
  const isTerminal = process.stdout.isTTY;
  const startedAt = Date.now();
  let latest = '';
  let lastPlainAt = 0;

  const wipe = (): void => {
    if (isTerminal && latest !== '') process.stdout.write('\r\u001B[K');
  };
  return {
    update(text) {
      const line = `  ${String(Math.round((Date.now() - startedAt) / 1_000)).padStart(3)} s  ${text}`;
      if (isTerminal) {
        latest = line.slice(0, process.stdout.columns - 1);
        process.stdout.write(`\r\u001B[K${latest}`);
      } else if (Date.now() - lastPlainAt >= PLAIN_EVERY_MS) {
        lastPlainAt = Date.now();
        say(line);
      }
    },
    tell(text) {
      wipe();
      say(`  ${text}`);
      if (isTerminal) process.stdout.write(latest);
    },
    end() {
      wipe();
      latest = '';
    },
  };
}
