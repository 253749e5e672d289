export type EventuallyOptions = {
  /** Default 15 s. */
  readonly withinMs?: number;
  /** Default 50 ms, growing to four times that. */
  readonly everyMs?: number;
};

/**
 * Runs the assertion until it holds, and returns what it returned. When the time is over it throws the assertion's last
 * error, with how long was waited and how often was looked.
 */
export async function eventually<T>(
  what: string,
  assertion: () => Promise<T> | T,
  options: EventuallyOptions = {},
): Promise<T> {
  const { withinMs = 15_000, everyMs = 50 } = options;
  const startedAt = Date.now();
  let pauseMs = everyMs;
  for (let looks = 1; ; looks += 1) {
    try {
      return await withDeadline(assertion(), startedAt + withinMs - Date.now());
    } catch (error) {
      const waitedMs = Date.now() - startedAt;
      if (waitedMs + pauseMs >= withinMs) {
        const reason = error instanceof Error ? error.message : String(error);
        throw new Error(`${what}: not after ${waitedMs} ms and ${looks} looks. Last: ${reason}`, {
          cause: error,
        });
      }
    }
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
    pauseMs = Math.min(pauseMs * 1.3, everyMs * 4);
  }
}

/** Holds during the whole time, or throws what failed first: for what must not happen. */
export async function throughout(
  what: string,
  assertion: () => Promise<void> | void,
  durationMs: number,
  everyMs = 100,
): Promise<void> {
  const deadline = Date.now() + durationMs;
  while (Date.now() < deadline) {
    try {
      await assertion();
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new Error(`${what}: stopped being true ${deadline - Date.now()} ms before the end. ${reason}`, {
        cause: error,
      });
    }
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
}

/** A look that hangs must not hang the test past its deadline. */
async function withDeadline<T>(look: Promise<T> | T, leftMs: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('the look itself did not answer')), Math.max(leftMs, 1_000));
  });
  try {
    return await Promise.race([look, late]);
  } finally {
    clearTimeout(timer);
  }
}
