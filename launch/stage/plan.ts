/** Who gives what to whom: decided before anything runs, by the seed alone. */
import { uuidV8 } from '../../domain/ids.ts';
import type { CurrencyCode } from '../../domain/money.ts';
import { createRandom, type Random } from './random.ts';

export type CampaignPlan = { readonly title: string; readonly currency: CurrencyCode };

export const CAMPAIGNS = [
  { title: 'Clean water for Rangpur', currency: 'USD' },
  { title: 'Winter blankets', currency: 'EUR' },
  { title: 'School on a boat', currency: 'JPY' },
] as const satisfies readonly CampaignPlan[];

export type Gift = {
  /** Sent with each of its requests. */
  readonly key: string;
  readonly campaign: CampaignPlan;
  readonly amountMinor: number;
  readonly paymentMethod: string;
  /** What the provider will say of the card. */
  readonly approved: boolean;
};

const APPROVED_CARDS = ['pm_card_visa', 'pm_card_mastercard', 'pm_card_amex'];
const DECLINED_CARDS = ['pm_card_chargeDeclined', 'pm_card_chargeDeclinedInsufficientFunds'];
const DECLINED_SHARE = 0.06;

export function planGifts(donations: number, seed: number): Gift[] {
  const random = createRandom(seed);
  const declined = Math.max(1, Math.round(donations * DECLINED_SHARE));
  return random.shuffled(
    Array.from({ length: donations }, (_, index) => planGift(random, index >= declined)),
  );
}

function planGift(random: Random, approved: boolean): Gift {
  const [dollars, euros, yen] = CAMPAIGNS;
  const campaign = pick(random, [dollars, dollars, dollars, euros, euros, yen]);
  return {
    key: uuidV8(random.bytes(16)),
    campaign,
    amountMinor: random.between(100, 20_000),
    paymentMethod: pick(random, approved ? APPROVED_CARDS : DECLINED_CARDS),
    approved,
  };
}

function pick<T>(random: Random, items: readonly T[]): T {
  return items[random.between(0, items.length - 1)] as T;
}
