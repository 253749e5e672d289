/** One line that is written over on a terminal; elsewhere a line of its own every now and then. */
import { say } from '../screen.ts';

export type LiveLine = {
  update(text: string): void;
  /** Something worth a line that stays. */
  tell(text: string): void;
  /** Whatever comes next starts on a fresh line. */
  end(): void;
};

export function createLiveLine({ plainEveryMs = 2_000 } = {}): LiveLine {
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
      } else if (Date.now() - lastPlainAt >= plainEveryMs) {
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
