import { createHash, randomUUID } from 'node:crypto';
import type { Pool } from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createCampaignActivities } from '../../../activities/campaigns/index.ts';
import { createCampaignReconciliation } from '../../../activities/campaigns/reconciliation.ts';
import { createDonationReconciliation } from '../../../activities/donations/reconciliation.ts';
import { pledgedEntry, type TotalsEntry } from '../../../domain/totals.ts';
import { createPool } from '../../../platform/postgres.ts';
import type { BookLine } from '../../../workflows/ports.ts';
import { isolatedDatabases } from '../database/isolated-databases.ts';

const { urls } = isolatedDatabases(['campaigns', 'donations']);
let campaigns: Pool;
let donations: Pool;
beforeAll(() => {
  campaigns = createPool({ url: urls.campaigns, max: 2, name: 'test' });
  donations = createPool({ url: urls.donations, max: 2, name: 'test' });
});
afterAll(async () => {
  await Promise.all([campaigns.end(), donations.end()]);
});

async function newCampaign(): Promise<string> {
  const id = randomUUID();
  await campaigns.query(
    `INSERT INTO campaigns (id, title, currency, status, created_by) VALUES ($1, 'Wells', 'USD', 'open', 'test')`,
    [id],
  );
  await campaigns.query('INSERT INTO campaign_totals (campaign_id) VALUES ($1)', [id]);
  return id;
}

const entry = (line: BookLine, id: string, kind: TotalsEntry['kind'], amountMinor = 2_500): TotalsEntry => ({
  entryId: `${line.donationId}:${id}`,
  campaignId: line.campaignId,
  donationId: line.donationId,
  kind,
  amountMinor,
});

async function captured(...counted: ((line: BookLine) => TotalsEntry)[]): Promise<BookLine> {
  const line: BookLine = {
    donationId: randomUUID(),
    campaignId: await newCampaign(),
    status: 'CAPTURED',
    version: 2,
    entries: [{ id: '2:captured', kind: 'captured', amountMinor: 2_500 }],
  };
  const activities = createCampaignActivities({
    pool: campaigns,
    failpoint: () => undefined,
    outboxWritten: () => undefined,
  });
  const pledge = pledgedEntry(line.donationId, line.campaignId, 2_500);
  await activities.addToTotals([pledge, ...counted.map((make) => make(line))]);
  return line;
}

test('totals differ from a payment when an entry is missing, is another one, or is not of it', async () => {
  const reconciliation = createCampaignReconciliation(campaigns);
  const right = await captured((line) => entry(line, '2:captured', 'captured'));
  const missing = await captured();
  const other = await captured((line) => entry(line, '2:captured', 'captured', 2_400));
  const twice = await captured(
    (line) => entry(line, '2:captured', 'captured'),
    (line) => entry(line, '3:captured', 'captured'),
  );
  expect(await reconciliation.differingTotals([right])).toEqual([]);
  const found = await reconciliation.differingTotals([right, missing, other, twice]);
  expect(found.map(({ donationId, isBehind }) => [donationId, isBehind])).toEqual([
    // Counting it is all that is left to do; the others nobody may simply correct.
    [missing.donationId, true],
    [other.donationId, false],
    [twice.donationId, false],
  ]);
});

test('totals that are not the sum of their entries break a rule', async () => {
  const reconciliation = createCampaignReconciliation(campaigns);
  const { campaignId } = await captured((line) => entry(line, '2:captured', 'captured'));
  const broken = async () =>
    (await reconciliation.campaignViolations()).filter(({ subject }) => subject.startsWith(campaignId));
  expect(await broken()).toEqual([]);
  await campaigns.query(
    'UPDATE campaign_totals SET total_captured = total_captured + 1, version = version + 1 WHERE campaign_id = $1',
    [campaignId],
  );
  expect(await broken()).toEqual([
    { class: 'SUMS', subject: `${campaignId} captured`, donationId: null, expected: 2_500, found: 2_501 },
  ]);
});

test('a pledge differs when it is missing, behind its payment, or ahead of it; a request left alone is stuck', async () => {
  const reconciliation = createDonationReconciliation(donations);
  const accepted = async (pledge: { status: string; version: number } | null): Promise<string> => {
    const id = randomUUID();
    await donations.query(
      `INSERT INTO donation_requests (id, scope, idempotency_key, fingerprint, campaign_id, amount, currency, payment_method, body, accepted_at)
       VALUES ($1, 'guest', $2, $3, $1, 2500, 'USD', 'pm_card_visa', '{}', now() - interval '1 hour')`,
      [id, `key-of-${id}`, createHash('sha256').update(id).digest()],
    );
    if (pledge !== null)
      await donations.query(
        `INSERT INTO pledges (id, campaign_id, amount, currency, status, version, idempotency_key)
         VALUES ($1, $1, 2500, 'USD', $2, $3, $4)`,
        [id, pledge.status, pledge.version, `key-of-${id}`],
      );
    return id;
  };
  const right = await accepted({ status: 'CAPTURED', version: 2 });
  const missing = await accepted(null);
  const behind = await accepted({ status: 'AUTHORIZED', version: 1 });
  const ahead = await accepted({ status: 'CAPTURED', version: 3 });
  const lines = [right, missing, behind, ahead].map((donationId): BookLine => ({
    donationId,
    campaignId: donationId,
    status: 'CAPTURED',
    version: 2,
    entries: [],
  }));
  expect(await reconciliation.differingPledges(lines)).toEqual([
    { donationId: missing, isBehind: false, expected: 'CAPTURED v2', found: null },
    { donationId: behind, isBehind: true, expected: 'CAPTURED v2', found: 'AUTHORIZED v1' },
    { donationId: ahead, isBehind: false, expected: 'CAPTURED v2', found: 'CAPTURED v3' },
  ]);
  const stuck = (await reconciliation.donationViolations(60_000)).map(({ class: name, donationId }) => [
    name,
    donationId,
  ]);
  expect(new Set(stuck.map(String))).toEqual(new Set([`STUCK,${missing}`, `STUCK,${behind}`]));
  expect(await reconciliation.donationViolations(2 * 3_600_000)).toEqual([]);
  expect(await reconciliation.requestedOrders([right, randomUUID()])).toEqual([
    {
      donationId: right,
      campaignId: right,
      amountMinor: 2_500,
      currency: 'USD',
      paymentMethod: 'pm_card_visa',
    },
  ]);
});
