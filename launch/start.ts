/** `npm start`: finds or starts everything the platform needs, starts the platform, stops it all on Ctrl-C. */
import { ComponentMissing } from './components/component.ts';
import { stopForeignPrograms } from './foreign-program.ts';
import { takeLock } from './lock.ts';
import { OptionError, readLaunchOptions } from './options.ts';
import { ensureDirectory, LOCK_FILE, LOGS, STATE } from './paths.ts';
import { Refusal } from './refusal.ts';
import { StartFailed } from './running.ts';
import { complain } from './screen.ts';
import { createSession } from './session.ts';
import { startPlatform } from './start-platform.ts';

const session = createSession();
try {
  const options = readLaunchOptions();
  ensureDirectory(STATE);
  const lock = takeLock(LOCK_FILE);
  if (!lock.taken)
    throw new Refusal(
      `It runs already in this checkout (pid ${lock.pid}): stop that one with Ctrl-C, or with kill ${lock.pid}.`,
    );
  session.opened('lock', lock.release);
  session.opened('programs', stopForeignPrograms);
  await startPlatform(session, options);
} catch (error) {
  if (!session.ending()) {
    if (error instanceof Refusal || error instanceof OptionError || error instanceof ComponentMissing)
      complain(error.message);
    else if (error instanceof StartFailed) complain(`${error.message}\nMore in ${LOGS}.`);
    else complain(error instanceof Error ? (error.stack ?? error.message) : String(error));
    await session.end(1);
  }
}
