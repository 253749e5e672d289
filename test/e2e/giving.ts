/** The donor's side: what a browser or an app does, over real sockets, with nothing that knows the inside. */
import { randomUUID } from 'node:crypto';
import type { Stack } from '../harness/stack.ts';

export type Gift = {
  readonly campaignId: string;
  readonly amount: number;
  /** Default: a new one. */
  readonly key?: string;
  /** Default: a card that is approved. */
  readonly paymentMethod?: string;
  readonly currency?: string;
};

export type DonationBody = {
  readonly id: string;
  readonly status: string;
  readonly campaignId: string;
  readonly amount: number;
  readonly currency: string;
  readonly version: number;
  readonly createdAt: string;
  readonly donorToken?: string;
  readonly failure?: { readonly code: string };
};

export type Answer = { readonly status: number; readonly headers: Headers; readonly body: DonationBody };

export type Totals = {
  readonly raised: number;
  readonly totalPledged: number;
  readonly totalCaptured: number;
  readonly totalRefunded: number;
  readonly donationCount: number;
  readonly version: number;
};

export type Given = Gift & { readonly id: string; readonly donorToken: string };

export const DECLINED_CARD = 'pm_card_chargeDeclined';
const ANSWER_LIMIT_MS = 15_000;
const RETRY_LIMIT_MS = 60_000;
const RETRY_PAUSE_MS = 200;
/** The door's 502 and 504 leave open whether the request was taken: the same key again. */
const LATER = new Set([502, 503, 504]);

export async function createCampaign(stack: Stack, currency = 'USD'): Promise<string> {
  const answer = await fetch(`${stack.apiUrl}/campaigns`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${stack.operatorToken}` },
    body: JSON.stringify({ title: 'A well for the village', currency }),
    signal: AbortSignal.timeout(ANSWER_LIMIT_MS),
  });
  if (answer.status !== 201) throw new Error(`no campaign: ${answer.status} ${await answer.text()}`);
  return ((await answer.json()) as { id: string }).id;
}

/** One POST /donate; rejects when there is no answer. */
export async function post(
  apiUrl: string,
  gift: Gift & { readonly key: string },
  headers: Readonly<Record<string, string>> = {},
): Promise<Answer> {
  const { campaignId, amount, key, currency = 'USD', paymentMethod = 'pm_card_visa' } = gift;
  const answer = await fetch(`${apiUrl}/donate`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'idempotency-key': key, ...headers },
    body: JSON.stringify({ campaignId, amount, currency, paymentMethod }),
    signal: AbortSignal.timeout(ANSWER_LIMIT_MS),
  });
  return { status: answer.status, headers: answer.headers, body: (await answer.json()) as DonationBody };
}

/** As a careful client: while there is no answer, or one that says "later", the same key again, at the next process. */
export async function give(stack: Stack, gift: Gift): Promise<Given> {
  const key = gift.key ?? randomUUID();
  const deadline = Date.now() + RETRY_LIMIT_MS;
  for (let turn = 0; ; turn += 1) {
    const apiUrl = stack.apiUrls[turn % stack.apiUrls.length] ?? stack.apiUrl;
    const answer = await post(apiUrl, { ...gift, key }).catch((error: unknown) => error as Error);
    if (!(answer instanceof Error) && answer.status === 202) {
      return { ...gift, id: answer.body.id, donorToken: answer.body.donorToken ?? '' };
    }
    const mayRetry = answer instanceof Error || LATER.has(answer.status);
    if (!mayRetry || Date.now() > deadline)
      throw new Error(`not accepted: ${answer instanceof Error ? answer.message : JSON.stringify(answer)}`);
    await new Promise((resolve) => setTimeout(resolve, RETRY_PAUSE_MS));
  }
}

/** `count` donations of 1000, 1001, … minor units at once, over all APIs; every `declineEvery`th with a refused card. */
export async function giveMany(
  stack: Stack,
  campaignId: string,
  count: number,
  declineEvery = 0,
): Promise<Given[]> {
  return await Promise.all(
    Array.from({ length: count }, (_, index) =>
      give(
        { ...stack, apiUrls: rotated(stack.apiUrls, index) },
        {
          campaignId,
          amount: 1_000 + index,
          ...(declineEvery > 0 && index % declineEvery === 0 ? { paymentMethod: DECLINED_CARD } : {}),
        },
      ),
    ),
  );
}

export async function readDonation(apiUrl: string, given: Given): Promise<DonationBody> {
  const answer = await fetch(`${apiUrl}/donations/${given.id}`, {
    headers: { authorization: `Bearer ${given.donorToken}` },
    signal: AbortSignal.timeout(ANSWER_LIMIT_MS),
  });
  if (answer.status !== 200) throw new Error(`donation ${given.id}: ${answer.status}`);
  return (await answer.json()) as DonationBody;
}

export async function readTotals(apiUrl: string, campaignId: string): Promise<Totals> {
  const answer = await fetch(`${apiUrl}/campaigns/${campaignId}/total`, {
    signal: AbortSignal.timeout(ANSWER_LIMIT_MS),
  });
  if (answer.status !== 200) throw new Error(`totals of ${campaignId}: ${answer.status}`);
  return (await answer.json()) as Totals;
}

function rotated<T>(items: readonly T[], by: number): T[] {
  const start = by % items.length;
  return [...items.slice(start), ...items.slice(0, start)];
}
