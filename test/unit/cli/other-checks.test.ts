import { describe, expect, it } from 'vitest';
import {
  allChecks,
  campaignChecks,
  chargeChecks,
  suspenseChecks,
  webhookChecks,
} from '../../../cli/audit/checks/index.ts';
import { findAll } from '../../../cli/audit/finding.ts';
import { viewOfProvider } from '../../../cli/audit/gather.ts';
import { recomputeTotals } from '../../../cli/audit/load/campaigns.ts';
import type { AppliedEntry, CampaignSnapshot } from '../../../cli/audit/snapshot.ts';
import {
  aCampaign,
  aContext,
  anEvent,
  aProviderDispute,
  aProviderPayment,
  aProviderRefund,
  aReversedDonation,
  aWebhook,
  CAMPAIGN,
  ID,
  inSuspense,
  JUST_NOW,
  posting,
} from './snapshots.ts';

const ofCampaign = (campaign: CampaignSnapshot): string[] =>
  findAll(campaignChecks, 'campaign', campaign.id, campaign, aContext()).map(({ check }) => check);

describe('campaigns', () => {
  const clean = aCampaign();

  it('one whose totals are the sum of its entries has no findings', () => {
    expect(ofCampaign(clean)).toEqual([]);
  });

  it.each([
    'totalPledgedMinor',
    'totalCapturedMinor',
    'totalRefundedMinor',
    'disputeLostMinor',
    'donationCount',
  ] as const)('a wrong %s is found', (name) => {
    expect(
      ofCampaign({ ...clean, recomputed: { ...clean.recomputed, [name]: clean.recomputed[name] + 1 } }),
    ).toEqual(['totals-differ']);
  });

  it('entries that would make a total negative are found', () => {
    expect(ofCampaign({ ...clean, refusedEntries: ['x:3:refunded'] })).toEqual(['totals-differ']);
  });

  it('a campaign without totals is found', () => {
    expect(ofCampaign({ ...clean, totals: null })).toEqual(['totals-missing']);
  });

  it('totals whose newest version was never announced are found', () => {
    expect(ofCampaign({ ...clean, outbox: clean.outbox.slice(0, 1) })).toEqual(['campaign-event-missing']);
  });

  it('a ledger that owes it another sum than its totals count is found', () => {
    expect(ofCampaign({ ...clean, payable: { ledgerMinor: 2_500, countedMinor: 2_400 } })).toEqual([
      'payable-differs',
    ]);
  });

  it('an event that waits is found', () => {
    expect(
      ofCampaign({
        ...clean,
        outbox: [
          ...clean.outbox,
          anEvent('campaigns', 'campaign.totals_changed.v1', 1, { processedAt: null }),
        ],
      }),
    ).toEqual(['campaign-event-unpublished']);
  });
});

describe('adding entries up again', () => {
  const entry = (id: string, kind: AppliedEntry['kind'], amountMinor: number): AppliedEntry => ({
    entryId: `${ID}:${id}`,
    campaignId: CAMPAIGN,
    donationId: ID,
    kind,
    amountMinor,
  });

  it('a donation’s entries are taken in the order of their versions, not of their ids', () => {
    const recomputation = recomputeTotals();
    recomputation.add([
      entry('10:refunded', 'refunded', 2_500),
      entry('2:captured', 'captured', 2_500),
      entry('9:refund_failed', 'refund_failed', 2_500),
      entry('3:refunded', 'refunded', 2_500),
      entry('pledged', 'pledged', 2_500),
    ]);
    expect(recomputation.refusedOf(CAMPAIGN)).toEqual([]);
    expect(recomputation.totalsOf(CAMPAIGN)).toEqual({
      totalPledgedMinor: 2_500,
      totalCapturedMinor: 2_500,
      totalRefundedMinor: 2_500,
      disputeLostMinor: 0,
      donationCount: 1,
    });
  });

  it('ledger and entries of a donation are added up for its campaign', () => {
    const recomputation = recomputeTotals();
    recomputation.compare(aReversedDonation());
    expect(recomputation.payableOf(CAMPAIGN)).toEqual({ ledgerMinor: 1_500, countedMinor: 1_500 });
  });

  it('an entry that takes back what was never given is refused', () => {
    const recomputation = recomputeTotals();
    recomputation.add([entry('1:unpledged', 'unpledged', 2_500)]);
    expect(recomputation.refusedOf(CAMPAIGN)).toEqual([`${ID}:1:unpledged`]);
  });
});

describe('provider events', () => {
  const found = (change: Parameters<typeof aWebhook>[0]): string[] =>
    findAll(webhookChecks, 'webhook', 'evt_1', aWebhook(change), aContext()).map(({ check }) => check);

  it('one that was not delivered for long is stuck', () => expect(found({})).toEqual(['webhook-stuck']));
  it('one that was delivered long ago and not applied is stuck', () =>
    expect(found({ deliveredAt: JUST_NOW })).toEqual(['webhook-stuck']));
  it('one that just came in is not', () => expect(found({ receivedAt: JUST_NOW })).toEqual([]));
  it('a parked one is found at once', () =>
    expect(found({ receivedAt: JUST_NOW, parkedAt: JUST_NOW })).toEqual(['webhook-parked']));
});

describe('charges that name no donation', () => {
  const found = (
    change: Parameters<typeof aProviderPayment>[0],
    refunds: ReturnType<typeof aProviderRefund>[] = [],
  ): string[] =>
    findAll(
      chargeChecks,
      'charge',
      'pi_1',
      { payment: aProviderPayment({ donationId: null, ...change }), refunds },
      aContext(),
    ).map(({ check }) => check);

  it('money that was taken is found', () => expect(found({})).toEqual(['charge-unattributed']));
  it('money that is held is found', () =>
    expect(found({ status: 'requires_capture' })).toEqual(['charge-unattributed']));
  it('a payment that was cancelled is nobody’s loss', () =>
    expect(found({ status: 'canceled' })).toEqual([]));
  it('money that was given back whole is nobody’s loss', () =>
    expect(found({}, [aProviderRefund({ amountMinor: 2_500 })])).toEqual([]));
  it('money of which a part was given back is found, and so is money whose refund failed', () => {
    expect(found({}, [aProviderRefund({ amountMinor: 2_400 })])).toEqual(['charge-unattributed']);
    expect(found({}, [aProviderRefund({ amountMinor: 2_500, status: 'failed' })])).toEqual([
      'charge-unattributed',
    ]);
  });
});

describe('money in suspense', () => {
  const found = (change: Parameters<typeof inSuspense>[0]): string[] =>
    findAll(suspenseChecks, 'suspense', 'pi_9', inSuspense(change), aContext()).map(({ check }) => check);

  it('that the provider has and no donation of ours explains stands there rightly', () =>
    expect(found({})).toEqual([]));
  it('of a payment that is ours is found', () =>
    expect(found({ donationId: ID })).toEqual(['suspense-unfounded']));
  it('that the provider never took is found', () => {
    expect(found({ provider: null })).toEqual(['suspense-unfounded']);
    expect(found({ provider: aProviderPayment({ status: 'canceled' }) })).toEqual(['suspense-unfounded']);
  });
  it('that was taken out again is nobody’s concern', () =>
    expect(
      found({
        donationId: ID,
        lines: [...inSuspense().lines, ...posting('out', 'suspense', 'provider_balance', 2_500)],
      }),
    ).toEqual([]));
  it('in half a posting is found', () =>
    expect(found({ lines: inSuspense().lines.slice(0, 1) })).toEqual(['suspense-unbalanced']));
});

describe('what the provider tells', () => {
  it('counts a payment that is told twice once, as it was told last', () => {
    const view = viewOfProvider([aProviderPayment({ status: 'requires_capture' }), aProviderPayment()]);
    expect(view.byDonation.get(ID)).toEqual([aProviderPayment()]);
    expect(view.byId.size).toBe(1);
  });

  it('finds refunds and disputes by their payment, by its charge, and by the donation they name', () => {
    const byCharge = aProviderRefund({ id: 're_2', paymentId: null, donationId: null });
    const elsewhere = aProviderRefund({ id: 're_3', paymentId: 'pi_2' });
    const dispute = aProviderDispute({ paymentId: null });
    const view = viewOfProvider([aProviderPayment()], {
      refunds: [aProviderRefund(), byCharge, elsewhere],
      disputes: [dispute],
    });
    expect(view.refunds.get('pi_1')).toEqual([aProviderRefund(), byCharge]);
    expect(view.refunds.get(ID)).toEqual([aProviderRefund(), elsewhere]);
    expect(view.disputes.get('pi_1')).toEqual([dispute]);
  });

  it('keeps apart what names no donation', () => {
    expect(viewOfProvider([aProviderPayment({ donationId: 'another-shop' })]).byDonation.size).toBe(0);
  });
});

describe('the registry of checks', () => {
  it('names each check once, and says what it means and what to do', () => {
    expect(new Set(allChecks.map(({ name }) => name)).size).toBe(allChecks.length);
    for (const { meaning, fix } of allChecks) {
      expect(meaning).toMatch(/^[A-Z].{20,}[.]$/s);
      expect(fix.length).toBeGreaterThan(20);
    }
  });

  it('holds a check of every class', () => {
    expect(new Set(allChecks.map((check) => check.class))).toEqual(
      new Set(['missing', 'mismatch', 'duplicate', 'stuck']),
    );
  });

  it('puts the subject’s id into the fix', () => {
    const [finding] = findAll(
      webhookChecks,
      'webhook',
      'evt_1',
      aWebhook({ parkedAt: JUST_NOW }),
      aContext(),
    );
    expect(finding?.fix).toContain(`event_id = 'evt_1'`);
  });
});
