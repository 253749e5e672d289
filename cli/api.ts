/** The HTTP API as the commands use it: an answer that may have been lost is asked for again, with the same key. */
import { setTimeout as sleep } from 'node:timers/promises';
import createClient, { type Client } from 'openapi-fetch';
import { z } from 'zod';
import type { paths } from './client/paths.ts';
import { CommandProblem, EXIT, reasonOf } from './problem.ts';

/** Looser than the API's own: of whoever else answers, as much is told as can be read. */
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
/** Whoever is to come back later than that wants to hear it, not to wait. */
const LONGEST_WAIT_MS = 60_000;

/** Paths, parameters, bodies and answers are typed by the API description. */
export function apiClient(base: string): Client<paths> {
  return createClient<paths>({ baseUrl: base, fetch: persistently });
}

/**
 * What a call was answered, checked by the schema that the service answers with: another program may listen there.
 * The schema must be that of the operation, or it does not compile.
 */
export async function answered<T extends object>(
  asked: Promise<{ data?: NoInfer<T>; error?: unknown; response: Response }>,
  schema: z.ZodType<T>,
): Promise<{ answer: T | Refusal; headers: Headers }> {
  const { data, error, response } = await asked;
  const { headers, status, url } = response;
  if (!response.ok) return { answer: toRefusal(status, error), headers };
  const parsed = schema.safeParse(data);
  if (!parsed.success) throw notOurs(url, z.prettifyError(parsed.error));
  return { answer: parsed.data, headers };
}

export function notOurs(url: string, why: string): CommandProblem {
  return new CommandProblem(`${url} answers, but not as CareForAll does: ${why}`);
}

/** Time-outs, resets, 429 and 5xx say nothing about what happened: the same request again, with growing pauses. */
async function persistently(request: Request): Promise<Response> {
  for (let tries = 1; ; tries += 1) {
    let pauseMs = Math.min(MAX_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (tries - 1));
    let why: string;
    try {
      const response = await fetch(request.clone(), { signal: AbortSignal.timeout(ANSWER_LIMIT_MS) });
      const body = toJson(await response.clone().text());
      if (response.ok && response.status !== 204 && body === undefined)
        throw notOurs(request.url, 'it is no JSON');
      if (response.status !== 429 && response.status < 500) return response;
      const refusal = toRefusal(response.status, body);
      why = `${refusal.status} ${refusal.detail}`;
      const retryAfterMs = Number(response.headers.get('retry-after') ?? 0) * 1_000;
      if (retryAfterMs > LONGEST_WAIT_MS) return response;
      pauseMs = Math.max(pauseMs, retryAfterMs);
    } catch (error) {
      if (error instanceof CommandProblem) throw error;
      why = reasonOf(error);
    }
    if (tries >= MAX_TRIES)
      throw new CommandProblem(
        `The API at ${new URL(request.url).origin} does not answer: ${why}`,
        EXIT.unusable,
      );
    await sleep(pauseMs);
  }
}

function toJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function toRefusal(status: number, body: unknown): Refusal {
  const parsed = problem.safeParse(body);
  if (!parsed.success) return { refused: true, status, code: 'unknown', detail: `HTTP ${status}` };
  const { code, title, detail, errors = [] } = parsed.data;
  const parts = [detail ?? title ?? code, ...errors.map((error) => `${error.pointer} ${error.detail}`)];
  return { refused: true, status, code, detail: `${parts.join('; ')} (${code})` };
}
