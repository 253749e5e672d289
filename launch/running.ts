/** A process that was started here, whatever it is. */
export type Running = {
  readonly pid: number;
  /** Resolves when it has ended, with a few words on how: "exit code 1", "SIGKILL". Never rejects. */
  readonly ended: Promise<string>;
  /** Asks it to end, insists when it does not; resolves when it is gone. */
  stop(): Promise<void>;
  /** kill -9, at once. */
  kill(): void;
};

/** A start that failed, with the last lines that the process printed. */
export class StartFailed extends Error {
  override readonly name = 'StartFailed';
  readonly logFile: string;

  constructor(what: string, tail: string, logFile: string) {
    super(tail === '' ? `${what} (log: ${logFile})` : `${what}\n${indent(tail)}\n(log: ${logFile})`);
    this.logFile = logFile;
  }
}

export function describeEnd(code: number | null, signal: NodeJS.Signals | null): string {
  return signal ?? `exit code ${code ?? 'unknown'}`;
}

/** Resolves with undefined after the time, so that a race with it tells who was first. */
export function after(ms: number): { readonly passed: Promise<undefined>; cancel(): void } {
  let timer: NodeJS.Timeout | undefined;
  const passed = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), ms);
  });
  return { passed, cancel: () => clearTimeout(timer) };
}

/** Polls until the probe says true; false when the time is over or the process ended first. */
export async function untilAnswers(
  probe: () => Promise<boolean>,
  running: Running | undefined,
  limitMs: number,
): Promise<boolean> {
  const deadline = Date.now() + limitMs;
  let ended = false;
  void running?.ended.then(() => {
    ended = true;
  });
  while (Date.now() < deadline && !ended) {
    if (await probe()) return true;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return false;
}

function indent(text: string): string {
  return text
    .split('\n')
    .map((line) => `    ${line}`)
    .join('\n');
}
