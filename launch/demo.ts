/** `npm run demo`: a platform of its own, 300 donations through a storm, and the proof that every cent is right. */
import { ComponentMissing } from './components/component.ts';
import { beginRun } from './demo/leftovers.ts';
import { readDemoOptions, USAGE, type DemoOptions } from './demo/options.ts';
import { perform } from './demo/perform.ts';
import { stopForeignPrograms } from './foreign-program.ts';
import { OptionError } from './options.ts';
import { StartFailed } from './running.ts';
import { complain, say } from './screen.ts';
import { createSession } from './session.ts';

const INTERRUPTED = 130;

let exitCode = INTERRUPTED;
const session = createSession({
  words: 'Nothing of the demo is left.',
  exitCode: () => exitCode,
});
try {
  const options = readDemoOptions(process.argv.slice(2));
  if (options === null) {
    say(USAGE);
    await session.end(0);
  } else await play(options);
} catch (error) {
  if (!session.ending()) {
    const known =
      error instanceof OptionError || error instanceof ComponentMissing || error instanceof StartFailed;
    complain(known ? error.message : error instanceof Error ? (error.stack ?? error.message) : String(error));
    exitCode = 1;
    await session.end(exitCode);
  }
}

async function play(options: DemoOptions): Promise<void> {
  const run = beginRun();
  session.opened('folder', () => run.end({ keepLogs: exitCode === 1 }));
  session.opened('programs', stopForeignPrograms);
  exitCode = (await perform(session, run, options)) ? 0 : 1;
  if (!options.keep) await session.end(exitCode);
}
