import { expect, test } from 'vitest';
import { parseIdempotencyKey } from '../../../../domain/idempotency-key.ts';
import { CAMPAIGNS, planGifts } from '../../../../launch/stage/plan.ts';
import { createRandom } from '../../../../launch/stage/random.ts';

test('the same seed plans the same gifts, another seed others', () => {
  expect(planGifts(50, 7)).toEqual(planGifts(50, 7));
  expect(planGifts(50, 7)).not.toEqual(planGifts(50, 8));
});

test('300 gifts go to all three campaigns, 18 by declined cards, each with a key of its own that the API takes', () => {
  const gifts = planGifts(300, 1);
  expect(new Set(gifts.map(({ campaign }) => campaign))).toEqual(new Set(CAMPAIGNS));
  expect(gifts.filter(({ approved }) => !approved)).toHaveLength(18);
  expect(new Set(gifts.map(({ key }) => key)).size).toBe(300);
  for (const { key } of gifts) expect(parseIdempotencyKey([key])).toEqual({ ok: true, key });
});

test('shuffling keeps every item once, and numbers stay within their bounds', () => {
  const random = createRandom(3);
  const items = Array.from({ length: 100 }, (_, index) => index);
  const shuffled = random.shuffled(items);
  expect(shuffled).not.toEqual(items);
  expect(shuffled.toSorted((a, b) => a - b)).toEqual(items);
  const drawn = new Set(Array.from({ length: 1_000 }, () => random.between(2, 5)));
  expect([...drawn].toSorted((a, b) => a - b)).toEqual([2, 3, 4, 5]);
});
