/** How a command ends. 0: fine; 1: findings, or the donation did not succeed; 2: wrongly called, or nobody answers. */
export const EXIT = { ok: 0, findings: 1, unusable: 2 } as const;
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** An expected problem: told in one line, without a stack. */
export class CommandProblem extends Error {
  override readonly name = 'CommandProblem';
  readonly exitCode: ExitCode;

  constructor(message: string, exitCode: ExitCode = EXIT.unusable, options?: ErrorOptions) {
    super(message, options);
    this.exitCode = exitCode;
  }
}

/** Runs `work` and says of a failure what was being asked, and that somebody has to be reachable for it. */
export async function reaching<T>(what: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof CommandProblem) throw error;
    throw new CommandProblem(`${what} does not answer as it should: ${reasonOf(error)}`, EXIT.unusable, {
      cause: error,
    });
  }
}

/** The innermost message: clients wrap "connection refused" two or three times. */
export function reasonOf(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return reasonOf(error.errors[0]);
  if (!(error instanceof Error)) return String(error);
  return error.cause === undefined ? error.message : reasonOf(error.cause);
}
