import type { WorkflowHandle } from '@temporalio/client';
import { describe, expect, test } from 'vitest';
import { cancelSignal } from '../../workflows/messages.ts';
import { eventually } from '../harness/eventually.ts';
import { openStage, POLICY, type Donation, type DonationStage } from './donation-stage.ts';
import { eventuallyBooked, expectBooked, givenCaptured, refund, tell } from './money-back.ts';
import {
  effectsOf,
  expectCompleted,
  expectNeedsAttention,
  expectSettled,
  paymentOf,
  pledgeOf,
  totalsOf,
  triesOf,
} from './settled.ts';

/** A busy machine is given time: none of these tests is about how long something takes. */
const TOGETHER = { concurrent: true, timeout: 150_000 };
const PATIENTLY = { withinMs: 60_000 };
const FOR_EVER = 1_000_000;
/** More tries than one step has, so that the workflow has to ask again by itself. */
const OUTAGE = POLICY.stepAttempts * 2 + 3;
describe('an outcome that nobody knows', TOGETHER, () => {
  const enter = openStage('cached');

  const cancel = async ({ pools }: DonationStage, { donationId }: Donation): Promise<void> => {
    await pools.donations.query('UPDATE donation_requests SET cancel_requested_at = now() WHERE id = $1', [
      donationId,
    ]);
  };
  const waitsForDonor = async (stage: DonationStage, donation: Donation): Promise<string> =>
    eventually(
      'the donor has to act',
      async () => {
        expect(await effectsOf(stage, donation)).toContain('action_required');
        const { provider_payment_id: id } = await paymentOf(stage, donation);
        expect(id).toMatch(/^pi_/);
        return String(id);
      },
      PATIENTLY,
    );
  const eventsIn = async (handle: WorkflowHandle): Promise<number> =>
    (await handle.fetchHistory()).events?.length ?? 0;

  describe.each(['local', 'queues'] as const)('placed %s', (placement) => {
    test.each(['create', 'confirm', 'capture'] as const)(
      'of a %s is asked for until the outage is over: the donation waits, and completes once',
      async (operation) => {
        // Each test is told when it ends by the stage, which replays all that it has started.
        await withStage(enter, async (stage) => {
          const donation = await stage.accept({ placement });
          const { donationId } = donation;
          await stage.simulator.arm({ operation, fault: 'error503', times: OUTAGE, donationId });
          await expectCompleted(await stage.start(donation));
          expect(await triesOf(stage, donation, operation)).toBeGreaterThan(OUTAGE);
          await expectSettled(stage, donation, 'CAPTURED');
        });
      },
    );

    test('of a release is asked for until the outage is over', async ({ onTestFinished }) => {
      const stage = enter(onTestFinished);
      const donation = await stage.accept({ placement });
      const { donationId } = donation;
      await cancel(stage, donation);
      await stage.simulator.arm({ operation: 'cancel', fault: 'error503', times: OUTAGE, donationId });
      await expectCompleted(await stage.start(donation));
      expect(await triesOf(stage, donation, 'release')).toBeGreaterThan(OUTAGE);
      await expectSettled(stage, donation, 'RELEASED', 'cancelled_by_donor');
    });

    test('of a refund is asked for until the outage is over', async ({ onTestFinished }) => {
      const stage = enter(onTestFinished);
      const donation = await givenCaptured(stage, { placement });
      const { donationId } = donation;
      await stage.simulator.arm({ operation: 'refund', fault: 'error503', times: OUTAGE, donationId });
      await refund(stage, donation, 2_500);
      await expectCompleted(stage.aftercare(donation));
      expect(await triesOf(stage, donation, 'refund')).toBeGreaterThan(OUTAGE);
      expect((await effectsOf(stage, donation)).slice(3)).toEqual(['refunded']);
      await expectBooked(stage, donation);
    });

    test('of a release that is never told fails visibly, the payment as it was last proven', async ({
      onTestFinished,
    }) => {
      const stage = enter(onTestFinished);
      const policy = { ...POLICY, giveUpAfterMs: 1_500 };
      const donation = await stage.accept({ placement, policy });
      const { donationId } = donation;
      await cancel(stage, donation);
      await stage.simulator.arm({ operation: 'cancel', fault: 'error503', times: FOR_EVER, donationId });
      await expectNeedsAttention(await stage.start(donation), /has not told an outcome/);
      expect(await paymentOf(stage, donation)).toMatchObject({ state: 'AUTHORIZED', needs_review: null });
      expect(await effectsOf(stage, donation)).toEqual(['created', 'authorized']);
      expect(await totalsOf(stage, donation)).toEqual({ pledged: 2_500, captured: 0, count: 0 });
    });

    test('of a refund that is never told fails visibly, its amount still reserved', async ({
      onTestFinished,
    }) => {
      const stage = enter(onTestFinished);
      const policy = { ...POLICY, giveUpAfterMs: 1_500 };
      const donation = await givenCaptured(stage, { placement, policy });
      const { donationId } = donation;
      await stage.simulator.arm({ operation: 'refund', fault: 'error503', times: FOR_EVER, donationId });
      await refund(stage, donation, 1_000);
      await expectNeedsAttention(stage.aftercare(donation), /has not told an outcome/);
      const { rows } = await stage.pools.payments.query(
        'SELECT state, captured, refunded, reserved FROM payments WHERE id = $1',
        [donationId],
      );
      expect(rows).toEqual([{ state: 'CAPTURED', captured: 2_500, refunded: 0, reserved: 1_000 }]);
    });

    test('because the donor has acted, and its webhook is lost, is found by asking', async ({
      onTestFinished,
    }) => {
      const stage = enter(onTestFinished);
      const donation = await stage.give({ placement, paymentMethod: 'pm_card_authenticationRequired' });
      await stage.simulator.authenticatePayment(await waitsForDonor(stage, donation));
      await expectCompleted(donation.handle);
      await expectSettled(stage, donation, 'AUTHENTICATED');
    });

    test.each([
      ['yes', true],
      ['no', false],
    ] as const)(
      'because a bank takes its time, says %s, and its webhook is lost, is found by asking',
      async (_says, succeed) => {
        await withStage(enter, async (stage) => {
          const donation = await stage.accept({ placement });
          const { donationId } = donation;
          await stage.simulator.arm({ operation: 'confirm', fault: 'processing', donationId });
          const handle = await stage.start(donation);
          await eventually(
            'the bank is thinking',
            async () => expect(await effectsOf(stage, donation)).toContain('processing'),
            PATIENTLY,
          );
          const { provider_payment_id: id } = await eventually(
            'its payment is known',
            async () => {
              const payment = await paymentOf(stage, donation);
              expect(payment['provider_payment_id']).toMatch(/^pi_/);
              return payment;
            },
            PATIENTLY,
          );
          await stage.simulator.settlePayment(String(id), succeed);
          await expectCompleted(handle);
          const { state } = await paymentOf(stage, donation);
          expect(state).toBe(succeed ? 'CAPTURED' : 'FAILED');
          expect((await effectsOf(stage, donation)).slice(2)).toEqual(
            succeed ? ['authorized', 'captured'] : ['declined', 'canceled'],
          );
          await expectBooked(stage, donation);
        });
      },
    );

    test('because the donor has to act ends at once when the donor cancels instead', async ({
      onTestFinished,
    }) => {
      const stage = enter(onTestFinished);
      const donation = await stage.give({
        placement,
        paymentMethod: 'pm_card_authenticationRequired',
        // So rarely that no question of ours can have ended it.
        policy: { ...POLICY, resolvePausesMs: [600_000], abandonAfterMs: 900_000 },
      });
      await waitsForDonor(stage, donation);
      await cancel(stage, donation);
      await donation.handle.signal(cancelSignal);
      await expectCompleted(donation.handle);
      expect(await pledgeOf(stage, donation)).toMatchObject({
        status: 'FAILED',
        failure_code: 'cancelled_by_donor',
      });
      expect(await effectsOf(stage, donation)).toEqual(['created', 'action_required', 'canceled']);
      await expectBooked(stage, donation);
    });

    test('because the donor has to act costs a dozen events for each question', async ({
      onTestFinished,
    }) => {
      const stage = enter(onTestFinished);
      const policy = { ...POLICY, resolvePausesMs: [50], abandonAfterMs: 15_000 };
      const donation = await stage.give({
        placement,
        paymentMethod: 'pm_card_authenticationRequired',
        policy,
      });
      await expectCompleted(donation.handle);
      const { events } = await donation.handle.fetchHistory();
      const looks = (events ?? []).filter(
        (event) => event.activityTaskScheduledEventAttributes?.activityType?.name === 'look',
      ).length;
      expect(looks).toBeGreaterThan(2);
      expect(await eventsIn(donation.handle)).toBeLessThan(120 + 14 * looks);
      await expectSettled(stage, donation, 'UNANSWERED', 'abandoned');
    });

    test.each(['capture first', 'cancel first', 'at once'] as const)(
      'of a capture made at the provider while the donor cancels (%s) ends released, or captured and given back',
      async (order) => {
        await withStage(enter, async (stage) => {
          const donation = await stage.give({ placement, paymentMethod: 'pm_card_authenticationRequired' });
          const paymentId = await waitsForDonor(stage, donation);
          await cancel(stage, donation);
          const pay = async (): Promise<void> => {
            await stage.simulator.authenticatePayment(paymentId).catch(() => undefined);
            await stage.provider.capturePayment(paymentId, `${donation.donationId}:test:capture`);
          };
          const stop = (): Promise<void> => donation.handle.signal(cancelSignal);
          if (order === 'capture first') await pay().then(stop);
          else if (order === 'cancel first') await stop().then(pay);
          else await Promise.all([pay(), stop()]);
          await donation.handle.result();
          await tell(stage, { ...donation, paymentId });
          await stage.deliverCommands(donation);
          await eventuallyBooked(stage, donation);
          await eventually(
            'the money is where it belongs',
            async () => {
              await stage.deliverCommands(donation);
              const effects = (await effectsOf(stage, donation))
                .slice(2)
                .filter((effect) => effect !== 'authorized');
              expect([['canceled'], ['captured', 'refunded']]).toContainEqual(effects);
              if (order === 'capture first') expect(effects).toEqual(['captured', 'refunded']);
            },
            PATIENTLY,
          );
          await eventuallyBooked(stage, donation);
        });
      },
    );
  });
});

/** For tests of a table, whose callback is not told its context. */
async function withStage(
  enter: ReturnType<typeof openStage>,
  run: (stage: DonationStage) => Promise<void>,
): Promise<void> {
  let end = async (): Promise<void> => undefined;
  const stage = enter((finish) => {
    end = finish;
  });
  try {
    await run(stage);
  } finally {
    await end();
  }
}
