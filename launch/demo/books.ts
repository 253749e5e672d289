/** The money, as each of four witnesses has it: the donors, the provider, the pledges, the public totals. */
import { z } from 'zod';
import type { CurrencyCode } from '../../domain/money.ts';
import type { KeyRecord } from '../stage/donors.ts';
import type { CampaignPlan, Gift } from '../stage/plan.ts';
import type { Effect } from '../stage/simulator.ts';
import type { Stage } from '../stage/stage.ts';

/** Minor units. */
export type Books = {
  readonly currency: CurrencyCode;
  readonly givenMinor: number;
  readonly chargedMinor: number;
  readonly pledgedMinor: number;
  readonly totalMinor: number;
};

const ANSWER_LIMIT_MS = 15_000;
const total = z.object({ totalCaptured: z.number() });

/** One line per currency, that is per campaign. */
export async function readBooks(
  stage: Stage,
  gifts: readonly Gift[],
  ledger: readonly Effect[],
  campaignIds: ReadonlyMap<CampaignPlan, string>,
): Promise<Books[]> {
  const { rows: pledges } = await stage.pools.donations.query<{ currency: string; amount: number }>(
    `SELECT currency, sum(amount)::int8 AS amount FROM pledges WHERE status = 'CAPTURED' GROUP BY currency`,
  );
  const lines = [...campaignIds].map(async ([campaign, id]): Promise<Books> => ({
    currency: campaign.currency,
    givenMinor: sumOf(gifts.filter((gift) => gift.approved && gift.campaign === campaign)),
    chargedMinor:
      sumOf(ledger.filter((effect) => isOf(effect, 'captured', campaign))) -
      sumOf(ledger.filter((effect) => isOf(effect, 'refunded', campaign))),
    pledgedMinor: pledges.find(({ currency }) => currency === campaign.currency)?.amount ?? 0,
    totalMinor: await publicTotal(stage, id),
  }));
  return await Promise.all(lines);
}

function isOf(effect: Effect, type: string, campaign: CampaignPlan): boolean {
  return effect.type === type && effect.currency === campaign.currency;
}

function sumOf(parts: readonly { readonly amountMinor: number }[]): number {
  return parts.reduce((sum, { amountMinor }) => sum + amountMinor, 0);
}

/** As everybody sees it. */
async function publicTotal({ apiUrls }: Stage, campaignId: string): Promise<number> {
  const answer = await fetch(`${apiUrls[0] ?? ''}/campaigns/${campaignId}/total`, {
    signal: AbortSignal.timeout(ANSWER_LIMIT_MS),
  });
  return total.parse(await answer.json()).totalCaptured;
}

export type Charges = {
  /** Keys charged exactly as often as they should be: once, and never for a declined card. */
  readonly right: number;
  readonly wrong: number;
};

export function countCharges(records: readonly KeyRecord[], ledger: readonly Effect[]): Charges {
  const captures = new Map<string, number>();
  for (const { type, donationId } of ledger)
    if (type === 'captured') captures.set(donationId ?? '', (captures.get(donationId ?? '') ?? 0) + 1);
  let right = 0;
  for (const { gift, ids } of records) {
    const times = [...ids].reduce((sum, id) => sum + (captures.get(id) ?? 0), 0);
    if (times === (gift.approved ? 1 : 0)) right += 1;
    for (const id of ids) captures.delete(id);
  }
  // What is left was charged to nobody who gave.
  return { right, wrong: records.length - right + captures.size };
}
