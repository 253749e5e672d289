/** The donors' side: impatient people whose phones send everything several times, and who take no "later" for an answer. */
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import type { CampaignPlan, Gift } from './plan.ts';

/** What came back for one key. */
export type KeyRecord = {
  readonly gift: Gift;
  readonly ids: Set<string>;
  /** Requests that were answered: each is sent again until it is. */
  answers: number;
  /** Answers that said "this is what you sent before". */
  repeats: number;
};

export type Donors = {
  /** Sends one request, to the given API process first, until it is answered. */
  send(gift: Gift, api: number): Promise<void>;
  records(): readonly KeyRecord[];
  /** So far. */
  totals(): { readonly accepted: number; readonly answers: number; readonly repeats: number };
};

const accepted = z.object({ id: z.string() });

const ANSWER_LIMIT_MS = 10_000;
const PATIENCE_MS = 60_000;
const PAUSE_MS = 250;

export function createDonors(
  apiUrls: readonly string[],
  campaignIds: ReadonlyMap<CampaignPlan, string>,
  gifts: readonly Gift[],
): Donors {
  const records = new Map(
    gifts.map((gift): [Gift, KeyRecord] => [gift, { gift, ids: new Set(), answers: 0, repeats: 0 }]),
  );
  const sum = (count: (record: KeyRecord) => number): number =>
    [...records.values()].reduce((total, record) => total + count(record), 0);

  return {
    async send(gift, api) {
      const record = records.get(gift);
      const campaignId = campaignIds.get(gift.campaign);
      if (record === undefined || campaignId === undefined) throw new Error('a gift that nobody planned');
      const deadline = Date.now() + PATIENCE_MS;
      for (let turn = api; ; turn += 1) {
        const url = apiUrls[turn % apiUrls.length] ?? '';
        const answer = await post(url, gift, campaignId);
        if (answer.kind === 'accepted') {
          record.answers += 1;
          record.ids.add(answer.id);
          if (answer.isRepeat) record.repeats += 1;
          return;
        }
        if (answer.kind === 'refused' || Date.now() > deadline)
          throw new Error(`a donation was not accepted: ${answer.why}`);
        await sleep(PAUSE_MS);
      }
    },
    records: () => [...records.values()],
    totals: () => ({
      accepted: sum(({ ids }) => ids.size),
      answers: sum(({ answers }) => answers),
      repeats: sum(({ repeats }) => repeats),
    }),
  };
}

type Answer =
  | { readonly kind: 'accepted'; readonly id: string; readonly isRepeat: boolean }
  | { readonly kind: 'later' | 'refused'; readonly why: string };

async function post(apiUrl: string, gift: Gift, campaignId: string): Promise<Answer> {
  const { amountMinor, paymentMethod, campaign, key } = gift;
  try {
    const answer = await fetch(`${apiUrl}/donate`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'idempotency-key': key },
      body: JSON.stringify({ campaignId, amount: amountMinor, currency: campaign.currency, paymentMethod }),
      signal: AbortSignal.timeout(ANSWER_LIMIT_MS),
    });
    if (answer.status === 202) {
      const { id } = accepted.parse(await answer.json());
      return { kind: 'accepted', id, isRepeat: answer.headers.get('idempotent-replayed') === 'true' };
    }
    const why = `${answer.status} ${await answer.text()}`;
    return { kind: answer.status === 429 || answer.status >= 500 ? 'later' : 'refused', why };
  } catch (error) {
    if (error instanceof z.ZodError) return { kind: 'refused', why: error.message };
    return { kind: 'later', why: error instanceof Error ? error.message : String(error) };
  }
}
