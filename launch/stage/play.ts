/** One run from the command line: reads what was typed, performs, tidies up, and ends this process by how it went. */
import { ComponentMissing } from '../components/component.ts';
import { stopForeignPrograms } from '../foreign-program.ts';
import { OptionError } from '../options.ts';
import { Refusal } from '../refusal.ts';
import { StartFailed } from '../running.ts';
import { complain, say } from '../screen.ts';
import { createSession, type Session } from '../session.ts';
import { beginRun, type Run, type RunKind } from './leftovers.ts';

export type Piece<Options> = {
  readonly kind: RunKind;
  readonly usage: string;
  /** `null` means that only help was asked for. */
  readonly readOptions: (args: readonly string[]) => Options | null;
  /** Why it would make no sense now, in words for the user. */
  readonly refusal?: (options: Options) => string | undefined;
  /** Whether everything held. */
  readonly perform: (session: Session, run: Run, options: Options) => Promise<boolean>;
  /** Whether the platform goes on running afterwards, until Ctrl-C. */
  readonly stays?: (options: Options) => boolean;
};

const INTERRUPTED = 130;

export async function play<Options>(piece: Piece<Options>): Promise<void> {
  const { kind } = piece;
  let exitCode = INTERRUPTED;
  const session = createSession({ words: `Nothing of the ${kind} is left.`, exitCode: () => exitCode });
  try {
    const options = piece.readOptions(process.argv.slice(2));
    if (options === null) {
      say(piece.usage);
      return await session.end(0);
    }
    const refusal = piece.refusal?.(options);
    if (refusal !== undefined) throw new Refusal(refusal);
    const run = beginRun(kind);
    session.opened('folder', () => run.end({ keepLogs: exitCode === 1 }));
    session.opened('programs', stopForeignPrograms);
    exitCode = (await piece.perform(session, run, options)) ? 0 : 1;
    if (piece.stays?.(options) !== true) await session.end(exitCode);
  } catch (error) {
    if (session.ending()) return;
    complain(isForTheUser(error) ? error.message : describe(error));
    exitCode = 1;
    await session.end(exitCode);
  }
}

function isForTheUser(error: unknown): error is Error {
  return [OptionError, ComponentMissing, StartFailed, Refusal].some((kind) => error instanceof kind);
}

function describe(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
