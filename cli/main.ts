/** `npm run careforall -- <command>`: give, give back, find, look at and replay donations, audit and reconcile all of them, see how the system is. */
import { Command, CommanderError } from 'commander';
import { loginCommand, logoutCommand, whoamiCommand } from './account/command.ts';
import { auditCommand } from './audit/command.ts';
import { doctorCommand } from './doctor/command.ts';
import { donateCommand } from './donate/command.ts';
import { findCommand } from './find/command.ts';
import { keysCommand } from './keys/command.ts';
import { operatorCommand } from './operator/command.ts';
import { CommandProblem, EXIT, type ExitCode } from './problem.ts';
import { reconcileCommand } from './reconcile/command.ts';
import { reviewCommand } from './reconcile/review.ts';
import { refundCommand } from './refund/command.ts';
import { replayCommand } from './replay/command.ts';
import { styled } from './text.ts';
import { watchCommand } from './watch/command.ts';

const end = (exitCode: ExitCode): void => {
  process.exitCode = exitCode;
};

// The reader of our output may be gone (`… | head`); that is no failure of the command.
process.stdout.on('error', () => undefined);

const program = new Command('careforall')
  .description(
    'Works on a running CareForAll: the one that the environment names, else the one that `npm start` runs here.',
  )
  .exitOverride()
  .showSuggestionAfterError();
for (const command of [
  donateCommand,
  refundCommand,
  watchCommand,
  findCommand,
  auditCommand,
  reconcileCommand,
  reviewCommand,
  doctorCommand,
  replayCommand,
  loginCommand,
  logoutCommand,
  whoamiCommand,
  operatorCommand,
  keysCommand,
])
  program.addCommand(command(end).copyInheritedSettings(program));

try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) end(error.exitCode === 0 ? EXIT.ok : EXIT.unusable);
  else {
    console.error(
      `${styled('red', 'careforall:')} ${error instanceof CommandProblem ? error.message : stackOf(error)}`,
    );
    end(error instanceof CommandProblem ? error.exitCode : EXIT.unusable);
  }
}

/** Nobody expected it, so whoever reads it needs to know where it came from. */
function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
