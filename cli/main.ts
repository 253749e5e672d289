/** `npm run careforall -- <command>`: give, give back, find, look at and replay donations, audit and reconcile all of them, see how the system is. */
import { Command, CommanderError } from 'commander';
import { CommandProblem, EXIT, type ExitCode } from './problem.ts';
import { styled } from './text.ts';

type MakeCommand = (end: (exitCode: ExitCode) => void) => Command;

/** In the order in which `--help` lists them. Only what was asked for is loaded: together they take most of a second. */
const COMMANDS = new Map<string, () => Promise<MakeCommand>>([
  ['donate', async () => (await import('./donate/command.ts')).donateCommand],
  ['refund', async () => (await import('./refund/command.ts')).refundCommand],
  ['watch', async () => (await import('./watch/command.ts')).watchCommand],
  ['find', async () => (await import('./find/command.ts')).findCommand],
  ['audit', async () => (await import('./audit/command.ts')).auditCommand],
  ['reconcile', async () => (await import('./reconcile/command.ts')).reconcileCommand],
  ['review', async () => (await import('./reconcile/review.ts')).reviewCommand],
  ['doctor', async () => (await import('./doctor/command.ts')).doctorCommand],
  ['replay', async () => (await import('./replay/command.ts')).replayCommand],
  ['login', async () => (await import('./account/command.ts')).loginCommand],
  ['logout', async () => (await import('./account/command.ts')).logoutCommand],
  ['whoami', async () => (await import('./account/command.ts')).whoamiCommand],
  ['operator', async () => (await import('./operator/command.ts')).operatorCommand],
  ['keys', async () => (await import('./keys/command.ts')).keysCommand],
]);

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
const asked = COMMANDS.get(process.argv[2] ?? '');
for (const load of asked === undefined ? COMMANDS.values() : [asked]) {
  const command = await load();
  program.addCommand(command(end).copyInheritedSettings(program));
}

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
