import { randomUUID } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { providerEventSignal } from '../../workflows/messages.ts';
import { eventually } from '../harness/eventually.ts';
import { openStage } from './donation-stage.ts';
import { expectCompleted, expectSettled, pledgeOf, totalsOf, triesOf } from './settled.ts';

/** They share a provider, so each fault is aimed at one donation. */
const TOGETHER = { concurrent: true };
const FOR_EVER = 1_000_000;
const PLACEMENTS = [
  ['cached', ['local', 'queues']],
  ['uncached', ['queues']],
] as const;

describe.each(PLACEMENTS)('an operator, with %s workflows', TOGETHER, (caching, placements) => {
  const enter = openStage(caching);

  test('who cancels a donation before its pledge is counted has it FAILED, and the totals untouched', async ({
    onTestFinished,
  }) => {
    const stage = enter(onTestFinished);
    const campaignId = randomUUID();
    const donation = await stage.give({ placement: 'queues', campaignId });
    await eventually('the pledge is there, and its campaign is not', async () =>
      expect(await pledgeOf(stage, donation)).toMatchObject({ status: 'INITIATED' }),
    );
    await donation.handle.cancel();
    await stage.newCampaign(campaignId);
    await expectCompleted(donation.handle);
    await expectSettled(stage, donation, 'UNCREATED', 'cancelled_by_operator');
  });

  describe.each(placements)('of a donation placed %s', (placement) => {
    test('who cancels it while its confirm is tried again and again has it canceled and FAILED', async ({
      onTestFinished,
    }) => {
      const stage = enter(onTestFinished);
      const donation = await stage.accept({ placement });
      const { donationId } = donation;
      await stage.simulator.arm({ operation: 'confirm', fault: 'error503', times: FOR_EVER, donationId });
      const handle = await stage.start(donation);
      await eventually('the confirm was tried', async () =>
        expect(await triesOf(stage, donation, 'confirm')).toBeGreaterThan(0),
      );
      await handle.cancel();
      await expectCompleted(handle);
      await expectSettled(stage, donation, 'WITHDRAWN', 'cancelled_by_operator');
    });

    test('who cancels it while its capture is tried again and again has it released and FAILED', async ({
      onTestFinished,
    }) => {
      const stage = enter(onTestFinished);
      const donation = await stage.accept({ placement });
      const { donationId } = donation;
      await stage.simulator.arm({ operation: 'capture', fault: 'error503', times: FOR_EVER, donationId });
      const handle = await stage.start(donation);
      await eventually('the capture was tried', async () =>
        expect(await triesOf(stage, donation, 'capture')).toBeGreaterThan(0),
      );
      await handle.cancel();
      await expectCompleted(handle);
      await expectSettled(stage, donation, 'RELEASED', 'cancelled_by_operator');
    });

    test('who cancels it while its release is tried again and again has it released once', async ({
      onTestFinished,
    }) => {
      const stage = enter(onTestFinished);
      const donation = await stage.accept({ placement });
      const { donationId } = donation;
      await stage.pools.donations.query(
        'UPDATE donation_requests SET cancel_requested_at = now() WHERE id = $1',
        [donationId],
      );
      await stage.simulator.arm({ operation: 'cancel', fault: 'error503', times: 3, donationId });
      const handle = await stage.start(donation);
      await eventually('the release was tried', async () =>
        expect(await triesOf(stage, donation, 'release')).toBeGreaterThan(0),
      );
      await handle.cancel();
      await expectCompleted(handle);
      // The reason stands that was there first when the provider was asked.
      const { failure_code: code } = await pledgeOf(stage, donation);
      expect(code).toMatch(/^cancelled_by_(donor|operator)$/);
      await expectSettled(stage, donation, 'RELEASED', String(code));
    });

    test('who cancels it while a webhook is being applied has it canceled and FAILED', async ({
      onTestFinished,
    }) => {
      const stage = enter(onTestFinished);
      const donation = await stage.accept({ placement });
      const { donationId } = donation;
      await stage.simulator.arm(
        ...['confirm', 'retrieve'].map((operation) => ({
          operation,
          fault: 'error503',
          times: FOR_EVER,
          donationId,
        })),
      );
      const handle = await stage.start(donation);
      await eventually('the confirm was tried', async () =>
        expect(await triesOf(stage, donation, 'confirm')).toBeGreaterThan(0),
      );
      const [event] = await stage.receive(donation);
      await handle.signal(providerEventSignal, event?.id ?? '');
      await handle.cancel();
      await expectCompleted(handle);
      await expectSettled(stage, donation, 'WITHDRAWN', 'cancelled_by_operator');
    });

    test('who cancels it after its end changes nothing', async ({ onTestFinished }) => {
      const stage = enter(onTestFinished);
      const donation = await stage.give({ placement });
      await donation.handle.result();
      await donation.handle.cancel().catch(() => undefined);
      await expectSettled(stage, donation, 'CAPTURED');
      expect(await totalsOf(stage, donation)).toMatchObject({ count: 1 });
    });
  });
});
