import { randomUUID } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { eventually } from '../harness/eventually.ts';
import { eventRecord } from '../integration/activities/stored-events.ts';
import { openStage, type Donation, type DonationStage } from './donation-stage.ts';
import {
  effectsOf,
  expectCompleted,
  expectSettled,
  newsOf,
  paymentOf,
  pledgeOf,
  totalsOf,
} from './settled.ts';

const TOGETHER = { concurrent: true };
const PLACEMENTS = [
  ['cached', ['local', 'queues']],
  ['uncached', ['queues']],
] as const;

describe.each(PLACEMENTS)('aftercare, with %s workflows', TOGETHER, (caching, placements) => {
  const enter = openStage(caching);

  /** A donation that an operator cancelled before anything was asked of the provider. */
  const failed = async (stage: DonationStage, change: Partial<Donation>): Promise<Donation> => {
    const campaignId = randomUUID();
    // On queues, so that the cancel is heard at once.
    const donation = await stage.give({ ...change, placement: 'queues', campaignId });
    await eventually('the pledge is there, and its campaign is not', async () =>
      expect(await pledgeOf(stage, donation)).toMatchObject({ status: 'INITIATED' }),
    );
    await donation.handle.cancel();
    await stage.newCampaign(campaignId);
    await donation.handle.result();
    return { ...donation, ...change };
  };

  /** The provider authorizes after all; returns its payment's id. */
  const authorizedLate = async ({ provider }: DonationStage, donation: Donation): Promise<string> => {
    const key = (step: string): string => `${donation.donationId}:${step}:1`;
    const created = await provider.createPayment({ ...donation, currency: 'USD' }, key('create'));
    if (created.kind !== 'yes') throw new Error(`create was answered ${created.kind}`);
    await provider.confirmPayment(created.payment.id, key('confirm'));
    return created.payment.id;
  };

  const tellAll = async (stage: DonationStage, donation: Donation): Promise<void> => {
    for (const { id } of await stage.receive(donation))
      expect(await stage.deliver(donation, id)).toMatchObject({ kind: 'delivered' });
  };

  describe.each(placements)('placed %s', (placement) => {
    test('gives money back that comes after a cancel, once, and the donor is told', async ({
      onTestFinished,
    }) => {
      const stage = enter(onTestFinished);
      const donation = await failed(stage, { placement });
      expect(await totalsOf(stage, donation)).toEqual({ pledged: 0, captured: 0, count: 0 });
      const id = await authorizedLate(stage, donation);
      await stage.provider.capturePayment(id, `${donation.donationId}:capture:1`);

      await tellAll(stage, donation);
      await expectCompleted(stage.aftercare(donation));
      await expectSettled(stage, donation, 'REFUNDED_LATE');
      await tellAll(stage, donation);
      await expectSettled(stage, donation, 'REFUNDED_LATE');
      expect(await newsOf(stage, donation)).toEqual([
        'late_capture.refunded.v1',
        'refund.requested.v1',
        'refund.succeeded.v1',
      ]);
    });

    test('releases an authorization that comes after FAILED', async ({ onTestFinished }) => {
      const stage = enter(onTestFinished);
      const donation = await failed(stage, { placement });
      await authorizedLate(stage, donation);

      await tellAll(stage, donation);
      await expectCompleted(stage.aftercare(donation));
      await eventually('the money is no longer held', async () =>
        expect(await effectsOf(stage, donation)).toEqual(['created', 'authorized', 'canceled']),
      );
      await tellAll(stage, donation);
      await expectSettled(stage, donation, 'RELEASED', 'cancelled_by_operator');
    });

    test('has a second payment for a donation that is paid looked at by people, and changes nothing', async ({
      onTestFinished,
    }) => {
      const stage = enter(onTestFinished);
      const donation = await stage.give({ placement });
      await donation.handle.result();
      const before = await paymentOf(stage, donation);
      const known = new Set((await stage.receive(donation)).map(({ id }) => id));
      // Somebody made it by hand, or a bug of ours did: the donor pays twice.
      const created = await stage.provider.createPayment(
        { ...donation, currency: 'USD' },
        `${donation.donationId}:by-hand:1`,
      );
      if (created.kind !== 'yes') throw new Error(`create was answered ${created.kind}`);
      const twin = created.payment.id;
      await stage.provider.confirmPayment(twin, `${donation.donationId}:by-hand:2`);
      await stage.provider.capturePayment(twin, `${donation.donationId}:by-hand:3`);

      const news = (await stage.receive(donation)).filter(({ id }) => !known.has(id));
      expect(news.length).toBeGreaterThan(1);
      for (const { id } of news) expect(await stage.deliver(donation, id)).toEqual({ kind: 'delivered' });
      await eventually('all of them are looked through', async () => {
        const outcomes = await Promise.all(news.map(({ id }) => eventRecord(stage.pools.payments, id)));
        expect(outcomes).toEqual(news.map(() => ({ processed: true, outcome: 'needs_review' })));
      });
      await stage.aftercare(donation).result();
      const { needs_review: reason, ...payment } = await paymentOf(stage, donation);
      expect(reason).toMatch(`is another payment (${twin})`);
      expect({ ...payment, needs_review: null }).toEqual(before);
      expect(await totalsOf(stage, donation)).toEqual({ pledged: 2_500, captured: 2_500, count: 1 });
    });

    test('takes up an event whose donation has ended without seeing it', async ({ onTestFinished }) => {
      const stage = enter(onTestFinished);
      const donation = await stage.give({ placement });
      await donation.handle.result();
      const before = await paymentOf(stage, donation);
      const [created] = await stage.receive(donation);
      // A payment that is CAPTURED hears of nothing below it any more.
      expect(await stage.deliver(donation, created?.id ?? '')).toEqual({
        kind: 'delivered',
        outcome: 'nothing_new',
      });
      expect(await paymentOf(stage, donation)).toEqual(before);
    });
  });
});
