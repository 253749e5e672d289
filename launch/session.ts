/** What this start has opened so far, in the order in which it was opened, and how all of it ends. */
import { say } from './screen.ts';

/** npm, the first launcher and this one may each be told of the same Ctrl-C. */
const SAME_KEYSTROKE_MS = 1_000;

type Opened = {
  readonly name: string;
  readonly close: () => Promise<void> | void;
  readonly kill: () => void;
};

export type Session = {
  /** Registers what has to end with this start. Opened later is closed earlier. */
  opened(name: string, close: () => Promise<void> | void, kill?: () => void): void;
  /** Throws once it is ending, so that a start under way starts nothing more. */
  goOn(): void;
  ending(): boolean;
  /** Closes everything, newest first, and ends this process. */
  end(exitCode: number): Promise<never>;
};

export type Farewell = {
  /** What is said after everything was stopped because somebody asked for it. */
  readonly words: string;
  readonly exitCode: () => number;
};

const OF_A_START: Farewell = {
  words: 'The data stays; `npm start` goes on from here.',
  exitCode: () => 0,
};

/** Ends on SIGINT, SIGTERM, SIGHUP and when the first launcher is gone; a second Ctrl-C ends everything at once. */
export function createSession(farewell: Farewell = OF_A_START): Session {
  const all: Opened[] = [];
  let endingSince: number | undefined;

  const end = async (exitCode: number): Promise<never> => {
    endingSince = Date.now();
    for (let next = all.pop(); next !== undefined; next = all.pop()) {
      try {
        await next.close();
      } catch (error) {
        say(`  ${next.name} did not end cleanly: ${error instanceof Error ? error.message : String(error)}`);
      }
    }
    // Not just an exit code: a start that is under way may still hold the event loop, and its children end with us.
    return process.exit(exitCode);
  };

  const interrupted = (why: string): void => {
    if (endingSince === undefined) {
      say(`\n${why}: stopping what was started here …`);
      const startedAt = Date.now();
      all.unshift({
        name: 'summary',
        close: () =>
          say(`Stopped after ${((Date.now() - startedAt) / 1000).toFixed(1)} s. ${farewell.words}`),
        kill: () => undefined,
      });
      void end(farewell.exitCode());
    } else if (Date.now() - endingSince > SAME_KEYSTROKE_MS) {
      say('Again: ending everything at once.');
      for (const { kill } of all) kill();
      process.exit(130);
    }
  };
  process.on('SIGINT', () => interrupted('Ctrl-C'));
  process.on('SIGTERM', () => interrupted('SIGTERM'));
  process.on('SIGHUP', () => interrupted('The terminal is gone'));
  process.on('disconnect', () => interrupted('The launcher was ended'));
  // The reader of our output may be gone (`npm start | head`): stopping in order still matters.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);

  return {
    opened: (name, close, kill = () => undefined) => void all.push({ name, close, kill }),
    goOn: () => {
      if (endingSince !== undefined) throw new Error('the start was interrupted');
    },
    ending: () => endingSince !== undefined,
    end,
  };
}
