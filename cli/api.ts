/** The HTTP API as the commands use it: an answer that may have been lost is asked for again, with the same key. */
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { CommandProblem, EXIT, reasonOf } from './problem.ts';

const problem = z.object({
  code: z.string(),
  title: z.string().optional(),
  detail: z.string().optional(),
  errors: z.array(z.object({ pointer: z.string(), detail: z.string() })).optional(),
});

/** The API refused: the same call would be refused again. */
export type Refusal = {
  readonly refused: true;
  readonly status: number;
  readonly code: string;
  readonly detail: string;
};

const MAX_TRIES = 6;
const FIRST_PAUSE_MS = 200;
const MAX_PAUSE_MS = 5_000;
const ANSWER_LIMIT_MS = 15_000;

export async function read<T extends object>(
  url: string,
  shape: z.ZodType<T>,
  init: RequestInit = {},
): Promise<T | Refusal> {
  return (await ask(url, shape, init)).answer;
}

/** Time-outs, resets, 429 and 5xx say nothing about what happened: the same request again, with growing pauses. */
export async function ask<T extends object>(
  url: string,
  shape: z.ZodType<T>,
  init: RequestInit,
): Promise<{ answer: T | Refusal; headers: Headers }> {
  for (let tries = 1; ; tries += 1) {
    let pauseMs = Math.min(MAX_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (tries - 1));
    let why: string;
    try {
      const response = await fetch(url, { ...init, signal: AbortSignal.timeout(ANSWER_LIMIT_MS) });
      const body: unknown = await response.json().catch(() => null);
      if (response.ok) {
        const parsed = shape.safeParse(body);
        if (!parsed.success)
          throw new CommandProblem(
            `${url} answers, but not as CareForAll does: ${z.prettifyError(parsed.error)}`,
          );
        return { answer: parsed.data, headers: response.headers };
      }
      const refusal = toRefusal(response.status, body);
      if (response.status !== 429 && response.status < 500)
        return { answer: refusal, headers: response.headers };
      why = `${refusal.status} ${refusal.detail}`;
      pauseMs = Math.max(pauseMs, Number(response.headers.get('retry-after') ?? 0) * 1_000);
    } catch (error) {
      if (error instanceof CommandProblem) throw error;
      why = reasonOf(error);
    }
    if (tries >= MAX_TRIES)
      throw new CommandProblem(`The API at ${new URL(url).origin} does not answer: ${why}`, EXIT.unusable);
    await sleep(pauseMs);
  }
}

function toRefusal(status: number, body: unknown): Refusal {
  const parsed = problem.safeParse(body);
  if (!parsed.success) return { refused: true, status, code: 'unknown', detail: `HTTP ${status}` };
  const { code, title, detail, errors = [] } = parsed.data;
  const parts = [detail ?? title ?? code, ...errors.map((error) => `${error.pointer} ${error.detail}`)];
  return { refused: true, status, code, detail: `${parts.join('; ')} (${code})` };
}
