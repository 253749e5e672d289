import { describe, expect, test } from 'vitest';
import { eventually } from '../harness/eventually.ts';
import { openStage } from './donation-stage.ts';
import { expectBooked, givenCaptured, raisedOf, refund, tell } from './money-back.ts';
import { effectsOf, expectNeedsAttention, pledgeOf, triesOf } from './settled.ts';

const FOR_EVER = 1_000_000;

// One after the other: a key that is refused is refused for every donation.
describe.each(['cached', 'uncached'] as const)(
  'a refund that cannot be made, with %s workflows',
  (caching) => {
    const enter = openStage(caching);

    test('because the provider rejects our request asks for attention and holds nothing else back', async ({
      onTestFinished,
    }) => {
      const stage = enter(onTestFinished);
      const donation = await givenCaptured(stage, { placement: 'queues' });
      stage.refuse(['createRefund']);
      await refund(stage, donation, 1_000);
      await expectNeedsAttention(stage.aftercare(donation), /401/);

      await stage.simulator.refundByHand(donation.paymentId, { amountMinor: 700 });
      await tell(stage, donation);
      await eventually('what went back by hand is counted', async () =>
        expect(await raisedOf(stage, donation)).toEqual({ captured: 2_500, refunded: 700, lost: 0 }),
      );
      await eventually('and told to the donor', async () =>
        expect(await pledgeOf(stage, donation)).toMatchObject({ status: 'PARTIALLY_REFUNDED' }),
      );
      await expectNeedsAttention(stage.aftercare(donation), /401/);

      stage.refuse([]);
      await refund(stage, donation, 800);
      await stage.aftercare(donation).result();
      expect(await raisedOf(stage, donation)).toEqual({ captured: 2_500, refunded: 2_500, lost: 0 });
      await expectBooked(stage, donation);
    });

    test('because the provider is silent is tried on, while what went back by hand is counted', async ({
      onTestFinished,
    }) => {
      const stage = enter(onTestFinished);
      const donation = await givenCaptured(stage, { placement: 'queues' });
      const { donationId } = donation;
      await stage.simulator.arm({ operation: 'refund', fault: 'error503', times: FOR_EVER, donationId });
      await refund(stage, donation, 1_000);
      await eventually('the refund was tried', async () =>
        expect(await triesOf(stage, donation, 'refund')).toBeGreaterThan(0),
      );
      await stage.simulator.refundByHand(donation.paymentId, { amountMinor: 700 });
      await tell(stage, donation);
      await eventually('what went back by hand is counted', async () =>
        expect(await raisedOf(stage, donation)).toEqual({ captured: 2_500, refunded: 700, lost: 0 }),
      );

      await stage.simulator.reset();
      await stage.aftercare(donation).result();
      expect((await effectsOf(stage, donation)).filter((effect) => effect === 'refunded')).toHaveLength(2);
      expect(await raisedOf(stage, donation)).toEqual({ captured: 2_500, refunded: 1_700, lost: 0 });
      await expectBooked(stage, donation);
    });
  },
);
