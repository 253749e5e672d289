import { describe, expect, test } from 'vitest';
import { cancelSignal } from '../../workflows/messages.ts';
import { eventsOf } from '../contract/listed-events.ts';
import { SECRET_KEY } from '../contract/start-simulator.ts';
import { eventually } from '../harness/eventually.ts';
import { storeEvents } from '../integration/activities/stored-events.ts';
import { openStage, type Donation, type DonationStage } from './donation-stage.ts';
import { eventuallyBooked, expectBooked, givenCaptured, raisedOf, refund, tell } from './money-back.ts';
import { effectsOf, expectCompleted, newsOf, paymentOf, pledgeOf } from './settled.ts';

/** A busy machine is given time: none of these tests is about how long something takes. */
const TOGETHER = { concurrent: true, timeout: 150_000 };
const PATIENTLY = { withinMs: 60_000 };

describe('money that goes back', TOGETHER, () => {
  const enter = openStage('cached');
  const QUEUES: Partial<Donation> = { placement: 'queues' };

  /** What is told of the donation itself, in order. */
  const storyOf = async ({ pools }: DonationStage, { donationId }: Donation): Promise<string[]> => {
    const { rows } = await pools.donations.query<{ type: string }>(
      `SELECT concat(type, ' ', payload ->> 'status') AS type FROM outbox_events WHERE aggregate_id = $1 ORDER BY version`,
      [donationId],
    );
    return rows.map((row) => row.type);
  };
  const providerRefund = async ({ pools }: DonationStage, refundId: string): Promise<string> => {
    const { rows } = await pools.payments.query<{ id: string }>(
      'SELECT provider_refund_id AS id FROM refunds WHERE id = $1',
      [refundId],
    );
    expect(rows[0]?.id).toMatch(/^re_/);
    return rows[0]?.id ?? '';
  };

  test('in parts makes the donation REFUNDED in the end, and its webhooks add nothing', async ({
    onTestFinished,
  }) => {
    const stage = enter(onTestFinished);
    const donation = await givenCaptured(stage, QUEUES);
    await refund(stage, donation, 1_000);
    await expectCompleted(stage.aftercare(donation));
    await expectBooked(stage, donation);
    await refund(stage, donation, 1_500);
    await expectCompleted(stage.aftercare(donation));
    await expectBooked(stage, donation);
    const { version } = await paymentOf(stage, donation);
    await tell(stage, donation);
    expect((await paymentOf(stage, donation))['version']).toBe(version);
    expect((await effectsOf(stage, donation)).slice(3)).toEqual(['refunded', 'refunded']);
    expect(await storyOf(stage, donation)).toEqual([
      'donation.pledged.v1 INITIATED',
      'donation.captured.v1 CAPTURED',
      'donation.refunded.v1 PARTIALLY_REFUNDED',
      'donation.refunded.v1 REFUNDED',
    ]);
  });

  test('and comes back days later makes the pledge what it was, in every database', async ({
    onTestFinished,
  }) => {
    const stage = enter(onTestFinished);
    const donation = await givenCaptured(stage, QUEUES);
    const kept = await refund(stage, donation, 1_000);
    await stage.aftercare(donation).result();
    const returned = await refund(stage, donation, 1_500);
    await stage.aftercare(donation).result();
    expect(await pledgeOf(stage, donation)).toMatchObject({ status: 'REFUNDED' });

    await stage.simulator.failRefund(await providerRefund(stage, returned));
    await tell(stage, donation);
    await eventuallyBooked(stage, donation);
    expect(await pledgeOf(stage, donation)).toMatchObject({ status: 'PARTIALLY_REFUNDED' });
    expect((await storyOf(stage, donation)).at(-1)).toBe('donation.refunded.v1 PARTIALLY_REFUNDED');

    await stage.simulator.failRefund(await providerRefund(stage, kept));
    await tell(stage, donation);
    await eventuallyBooked(stage, donation);
    expect(await pledgeOf(stage, donation)).toMatchObject({ status: 'CAPTURED' });
    expect(await raisedOf(stage, donation)).toEqual({ captured: 2_500, refunded: 0, lost: 0 });
  });

  test('slowly, its webhooks lost, is found by asking', async ({ onTestFinished }) => {
    const stage = enter(onTestFinished);
    const donation = await givenCaptured(stage, { ...QUEUES, paymentMethod: 'pm_card_pendingRefund' });
    await refund(stage, donation, 2_500);
    await expectCompleted(stage.aftercare(donation));
    await expectBooked(stage, donation);
    expect(await pledgeOf(stage, donation)).toMatchObject({ status: 'REFUNDED' });
  });

  test('and is asked for while another is still on its way is made as well', async ({ onTestFinished }) => {
    const stage = enter(onTestFinished);
    const donation = await givenCaptured(stage, { ...QUEUES, paymentMethod: 'pm_card_pendingRefund' });
    await refund(stage, donation, 1_000);
    await refund(stage, donation, 1_500);
    await expectCompleted(stage.aftercare(donation));
    await eventuallyBooked(stage, donation);
    expect(await pledgeOf(stage, donation)).toMatchObject({ status: 'REFUNDED' });
  });

  const NAMED: readonly [string, readonly string[]][] = [
    ['their payment', []],
    ['a charge alone', ['payment_intent']],
    ['nothing but themselves', ['payment_intent', 'charge']],
  ];
  for (const [what, missing] of NAMED) {
    test(`by hand at the provider is counted by events that name ${what}`, async ({ onTestFinished }) => {
      const stage = enter(onTestFinished);
      const donation = await givenCaptured(stage, QUEUES);
      await stage.simulator.refundByHand(donation.paymentId, { amountMinor: 700 });
      const events = (await eventsOf(stage.simulator.base, donation.paymentId)).filter(({ type }) =>
        type.startsWith('refund.'),
      );
      expect(events.length).toBeGreaterThan(0);
      for (const event of events) {
        const object = Object.fromEntries(
          Object.entries(event.data.object).filter(([field]) => !missing.includes(field)),
        );
        await storeEvents(stage.pools.payments, [{ ...event, data: { object } }]);
        expect(await stage.deliver(donation, event.id)).toEqual({ kind: 'delivered' });
      }
      await eventuallyBooked(stage, donation);
      expect(await raisedOf(stage, donation)).toEqual({ captured: 2_500, refunded: 700, lost: 0 });
    });
  }

  test('by a dispute that is opened, won, opened again and lost is counted once', async ({
    onTestFinished,
  }) => {
    const stage = enter(onTestFinished);
    const donation = await givenCaptured(stage, QUEUES);
    const first = await stage.simulator.disputePayment(donation.paymentId);
    await tell(stage, donation);
    await eventuallyBooked(stage, donation);
    await stage.simulator.closeDispute(first, 'won');
    await tell(stage, donation);
    await eventuallyBooked(stage, donation);
    const second = await stage.simulator.disputePayment(donation.paymentId, { amountMinor: 2_000 });
    await stage.simulator.closeDispute(second, 'lost');
    await tell(stage, donation);
    await eventuallyBooked(stage, donation);
    expect(await raisedOf(stage, donation)).toEqual({ captured: 2_500, refunded: 0, lost: 2_000 });
    expect(await newsOf(stage, donation)).toEqual([
      'dispute.lost.v1',
      'dispute.opened.v1',
      'dispute.opened.v1',
      'dispute.won.v1',
    ]);
    // A dispute is no news of the donation.
    expect(await storyOf(stage, donation)).toHaveLength(2);
  });

  for (const [campaign, fate] of [
    ['open', 'kept'],
    ['closed', 'refunded'],
  ] as const) {
    test(`because it came after a decline is ${fate} while the campaign is ${campaign}`, async ({
      onTestFinished,
    }) => {
      const stage = enter(onTestFinished);
      const donation = await stage.accept({ ...QUEUES, paymentMethod: 'pm_card_chargeDeclined' });
      const { donationId } = donation;
      // FAILED, and its cancel does not get through: the donor's browser is quicker, with another card.
      await stage.simulator.arm({ operation: 'cancel', fault: 'error503', times: 1_000_000, donationId });
      const handle = await stage.start(donation);
      const paymentId = await eventually(
        'the card was declined',
        async () => {
          const { state, provider_payment_id: id } = await paymentOf(stage, donation);
          expect(state).toBe('FAILED');
          return String(id);
        },
        PATIENTLY,
      );
      if (campaign === 'closed')
        await stage.pools.campaigns.query(
          `UPDATE campaigns SET status = 'closed', version = version + 1 WHERE id = $1`,
          [donation.campaignId],
        );
      await payInBrowser(stage, paymentId);
      await stage.provider.capturePayment(paymentId, `${donationId}:test:capture`);
      await tell(stage, { ...donation, paymentId }, (type) => type === 'payment_intent.succeeded');
      // Its aftercare may be through before the donation has given up its cancel.
      const { status } = (await handle.result()) as { status: string };
      expect(fate === 'kept' ? ['CAPTURED'] : ['CAPTURED', 'REFUNDED']).toContain(status);
      await eventually(
        'it is decided and done',
        async () => {
          await stage.deliverCommands(donation);
          expect(await pledgeOf(stage, donation)).toMatchObject({
            status: fate === 'kept' ? 'CAPTURED' : 'REFUNDED',
            failure_code: null,
          });
        },
        PATIENTLY,
      );
      const told = (await newsOf(stage, donation)).filter((type) => type.startsWith('late_capture'));
      expect(told).toEqual([`late_capture.${fate}.v1`]);
      await eventuallyBooked(stage, donation);
    });
  }

  test('because the donor had cancelled before the capture was told of is given back, and told', async ({
    onTestFinished,
  }) => {
    const stage = enter(onTestFinished);
    const donation = await stage.give({ ...QUEUES, paymentMethod: 'pm_card_authenticationRequired' });
    const paymentId = await eventually(
      'the donor has to act',
      async () => {
        const { provider_payment_id: id } = await paymentOf(stage, donation);
        expect(await effectsOf(stage, donation)).toContain('action_required');
        expect(id).toMatch(/^pi_/);
        return String(id);
      },
      PATIENTLY,
    );
    await stage.simulator.authenticatePayment(paymentId);
    await stage.provider.capturePayment(paymentId, `${donation.donationId}:test:capture`);
    await stage.pools.donations.query(
      'UPDATE donation_requests SET cancel_requested_at = now() WHERE id = $1',
      [donation.donationId],
    );
    await donation.handle.signal(cancelSignal);
    await donation.handle.result();
    await eventually(
      'it is given back',
      async () => {
        await stage.deliverCommands(donation);
        expect(await pledgeOf(stage, donation)).toMatchObject({ status: 'REFUNDED' });
      },
      PATIENTLY,
    );
    expect((await effectsOf(stage, donation)).filter((effect) => effect === 'refunded')).toHaveLength(1);
    expect(await newsOf(stage, donation)).toContain('late_capture.refunded.v1');
    await eventuallyBooked(stage, donation);
  });
});

/** Confirms with another card than the one that was declined, as an open browser tab can. */
async function payInBrowser({ simulator }: DonationStage, paymentId: string): Promise<void> {
  const answer = await fetch(`${simulator.base}/v1/payment_intents/${paymentId}/confirm`, {
    method: 'POST',
    headers: { authorization: `Bearer ${SECRET_KEY}`, 'content-type': 'application/x-www-form-urlencoded' },
    body: 'payment_method=pm_card_visa',
  });
  expect(answer.status, await answer.text()).toBe(200);
}
