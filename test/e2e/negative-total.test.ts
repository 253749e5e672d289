/** No reader ever sees a total that cannot be: negative, ahead of itself, or falling back. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startStack, type Stack } from '../harness/stack.ts';
import { expectBooksToBalance } from './books.ts';
import { createCampaign, giveMany, readTotals, type Totals } from './giving.ts';

let stack: Stack;
beforeAll(async () => {
  stack = await startStack({
    dials: { webhookReorder: 0.3, webhookDuplicate: 0.3 },
    policy: { quietAfterOperationMs: 100 },
  });
});
afterAll(() => stack.stop());

test('readers who look all the time while a third of forty-five donations is declined never see an impossible total', async () => {
  const campaignId = await createCampaign(stack);
  const seen: Totals[][] = stack.apiUrls.map(() => []);
  let over = false;
  const readers = stack.apiUrls.map(async (apiUrl, reader) => {
    while (!over) seen[reader]?.push(await readTotals(apiUrl, campaignId));
  });
  try {
    await expectBooksToBalance(stack, campaignId, await giveMany(stack, campaignId, 45, 3));
  } finally {
    over = true;
    await Promise.all(readers);
  }
  for (const totals of seen) {
    expect(totals.length).toBeGreaterThan(50);
    // They were there while it happened.
    expect(new Set(totals.map(({ version }) => version)).size).toBeGreaterThan(3);
    for (const [index, now] of totals.entries()) expectPossible(now, totals[index - 1]);
  }
});

test.each(['total_pledged', 'total_captured', 'total_refunded', 'dispute_lost', 'donation_count'])(
  'the database itself refuses a negative %s',
  async (column) => {
    const campaignId = await createCampaign(stack);
    const negative = stack.pools.campaigns.query(
      `UPDATE campaign_totals SET ${column} = -1, version = version + 1 WHERE campaign_id = $1`,
      [campaignId],
    );
    await expect(negative).rejects.toMatchObject({ code: '23514' });
    expect((await readTotals(stack.apiUrl, campaignId)).version).toBe(0);
  },
);

test('the database itself refuses to take back more than was captured', async () => {
  const campaignId = await createCampaign(stack);
  const tooMuch = stack.pools.campaigns.query(
    'UPDATE campaign_totals SET total_captured = 100, total_refunded = 60, dispute_lost = 41, version = version + 1 WHERE campaign_id = $1',
    [campaignId],
  );
  await expect(tooMuch).rejects.toMatchObject({ code: '23514' });
});

function expectPossible(now: Totals, before: Totals | undefined): void {
  const { raised, totalPledged, totalCaptured, totalRefunded, donationCount, version } = now;
  const shown = JSON.stringify(now);
  for (const total of [raised, totalPledged, totalCaptured, totalRefunded, donationCount])
    expect(total, shown).toBeGreaterThanOrEqual(0);
  // Nobody refunds here, and what is captured was pledged before.
  expect(raised, shown).toBe(totalCaptured);
  expect(totalCaptured, shown).toBeLessThanOrEqual(totalPledged);
  if (before === undefined) return;
  expect(version, shown).toBeGreaterThanOrEqual(before.version);
  expect(totalCaptured, shown).toBeGreaterThanOrEqual(before.totalCaptured);
  expect(donationCount, shown).toBeGreaterThanOrEqual(before.donationCount);
  if (version === before.version) expect(now).toEqual(before);
}
