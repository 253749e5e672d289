/** The public API as a donor's program uses it: an answer that may have been lost is asked for again with the same key. */
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { RANK, type PaymentStatus } from '../../domain/payment.ts';
import { CommandProblem, EXIT, reasonOf } from '../problem.ts';

const statuses = Object.keys(RANK) as [PaymentStatus, ...PaymentStatus[]];
const campaign = z.object({ id: z.string(), title: z.string(), currency: z.string(), status: z.string() });
const campaigns = z.object({ data: z.array(campaign), nextCursor: z.string().nullable() });
const donation = z.object({
  id: z.string(),
  status: z.enum(statuses),
  campaignId: z.string(),
  amount: z.number(),
  currency: z.string(),
  version: z.number(),
  createdAt: z.string(),
  failure: z.object({ code: z.string() }).optional(),
});
const accepted = donation.extend({ donorToken: z.string() });
const problem = z.object({
  code: z.string(),
  title: z.string().optional(),
  detail: z.string().optional(),
  errors: z.array(z.object({ pointer: z.string(), detail: z.string() })).optional(),
});

export type Campaign = z.infer<typeof campaign>;
export type Donation = z.infer<typeof donation>;
export type Accepted = z.infer<typeof accepted> & { readonly replayed: boolean };
export type Order = {
  readonly campaignId: string;
  readonly amount: number;
  readonly currency: string;
  readonly paymentMethod: string;
};

/** The API refused: the same call would be refused again. */
export type Refusal = {
  readonly refused: true;
  readonly status: number;
  readonly code: string;
  readonly detail: string;
};

export type DonorApi = {
  findCampaign(id: string): Promise<Campaign | Refusal>;
  /** Newest first, as the list gives them. */
  firstOpenCampaign(): Promise<Campaign | null>;
  donate(order: Order, key: string): Promise<Accepted | Refusal>;
  donation(id: string, token: string): Promise<Donation | Refusal>;
};

const MAX_TRIES = 6;
const FIRST_PAUSE_MS = 200;
const MAX_PAUSE_MS = 5_000;
const ANSWER_LIMIT_MS = 15_000;

export function donorApi(base: string): DonorApi {
  return {
    findCampaign: (id) => read(`${base}/campaigns/${id}`, campaign),
    firstOpenCampaign: async () => {
      let cursor: string | null = null;
      do {
        const page: z.infer<typeof campaigns> | Refusal = await read(
          `${base}/campaigns?limit=100${cursor === null ? '' : `&cursor=${encodeURIComponent(cursor)}`}`,
          campaigns,
        );
        if ('refused' in page) throw new CommandProblem(`Campaigns cannot be listed: ${page.detail}`);
        const open = page.data.find(({ status }) => status === 'open');
        if (open !== undefined) return open;
        cursor = page.nextCursor;
      } while (cursor !== null);
      return null;
    },
    donate: async (order, key) => {
      const { answer, headers } = await ask(`${base}/donate`, accepted, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'idempotency-key': key },
        body: JSON.stringify(order),
      });
      return 'refused' in answer
        ? answer
        : { ...answer, replayed: headers.get('idempotent-replayed') === 'true' };
    },
    donation: (id, token) =>
      read(`${base}/donations/${id}`, donation, { headers: { authorization: `Bearer ${token}` } }),
  };
}

async function read<T extends object>(
  url: string,
  shape: z.ZodType<T>,
  init: RequestInit = {},
): Promise<T | Refusal> {
  return (await ask(url, shape, init)).answer;
}

/** Time-outs, resets, 429 and 5xx say nothing about what happened: the same request again, with growing pauses. */
async function ask<T extends object>(
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
