import { expect } from 'vitest';
import { eventually } from '../harness/eventually.ts';
import { eventsOf } from '../contract/listed-events.ts';
import { askRefund, expectTruth } from '../integration/activities/provider-truth.ts';
import { storeEvents } from '../integration/activities/stored-events.ts';
import type { Donation, DonationStage } from './donation-stage.ts';
import { paymentOf, pledgeOf } from './settled.ts';

/** A donation that went the usual way; the provider's id of its payment with it. */
export async function givenCaptured(
  stage: DonationStage,
  change: Partial<Donation> = {},
): Promise<Donation & { readonly paymentId: string }> {
  const donation = await stage.give(change);
  await donation.handle.result();
  const { provider_payment_id: paymentId } = await paymentOf(stage, donation);
  return { ...donation, paymentId: String(paymentId) };
}

/** Asks for a refund and tells aftercare of it; resolves with our id of the refund. */
export async function refund(stage: DonationStage, donation: Donation, amountMinor: number): Promise<string> {
  const refundId = await askRefund({ pool: stage.pools.payments }, donation, amountMinor);
  await stage.deliverCommands(donation);
  return refundId;
}

export type Told = { readonly id: string; readonly type: string };

/** Stores and delivers all that the provider has to tell about a payment, or what is asked for; returns what was. */
export async function tell(
  stage: DonationStage,
  donation: Donation & { readonly paymentId: string },
  which: (type: string) => boolean = () => true,
): Promise<Told[]> {
  const events = (await eventsOf(stage.simulator.base, donation.paymentId)).filter(({ type }) => which(type));
  await storeEvents(stage.pools.payments, events);
  for (const { id } of events) expect(await stage.deliver(donation, id)).toMatchObject({ kind: 'delivered' });
  return events;
}

/** Both databases agree with the provider, and the pledge with the payment. */
export async function expectBooked(stage: DonationStage, donation: Donation): Promise<void> {
  const { simulator, provider, pools } = stage;
  await expectTruth({ pool: pools.payments, simulator, provider }, donation.donationId);
  const { state: status, version } = await paymentOf(stage, donation);
  const pledge = await pledgeOf(stage, donation);
  expect(pledge).toMatchObject({ status });
  expect(Number(pledge['version'])).toBeLessThanOrEqual(Number(version));
  const totals = await raisedOf(stage, donation);
  const { rows } = await pools.payments.query(
    `SELECT captured, refunded, (SELECT coalesce(sum(amount), 0)::int FROM disputes WHERE payment_id = $1 AND status = 'lost') AS lost
     FROM payments WHERE id = $1`,
    [donation.donationId],
  );
  expect(totals).toEqual(rows[0]);
}

export async function raisedOf(
  { pools }: DonationStage,
  { campaignId }: Donation,
): Promise<{ captured: number; refunded: number; lost: number } | undefined> {
  const { rows } = await pools.campaigns.query<{ captured: number; refunded: number; lost: number }>(
    `SELECT total_captured AS captured, total_refunded AS refunded, dispute_lost AS lost FROM campaign_totals WHERE campaign_id = $1`,
    [campaignId],
  );
  return rows[0];
}

export async function eventuallyBooked(stage: DonationStage, donation: Donation): Promise<void> {
  await eventually('provider and books agree', () => expectBooked(stage, donation), { withinMs: 60_000 });
}
