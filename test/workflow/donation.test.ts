import { randomUUID } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { providerEventSignal } from '../../workflows/messages.ts';
import { eventually } from '../harness/eventually.ts';
import { openStage, PATIENT, POLICY } from './donation-stage.ts';
import {
  effectsOf,
  expectCompleted,
  expectSettled,
  historyOf,
  paymentOf,
  totalsOf,
  triesOf,
} from './settled.ts';
import { tellUntilDone } from './told.ts';

const WRITES = ['create', 'confirm', 'capture', 'cancel'] as const;
const FOR_EVER = 1_000_000;

/** They share a provider, so each fault is aimed at one donation. */
const TOGETHER = { concurrent: true };
const BOTH = ['local', 'queues'] as const;
const PLACEMENTS = [
  ['cached', BOTH],
  // Workflows that are not cached lose their local activities to each other: see cold-start.test.ts for those.
  ['uncached', ['queues']],
] as const;

describe.each(PLACEMENTS)('a donation, with %s workflows', TOGETHER, (caching, placements) => {
  const enter = openStage(caching);

  describe.each(placements)('placed %s', (placement) => {
    test('that meets no trouble and hears no webhook is CAPTURED, without a signal', async ({
      onTestFinished,
    }) => {
      const stage = enter(onTestFinished);
      const donation = await stage.give({ placement, policy: PATIENT });
      expect(await donation.handle.result()).toEqual({ status: 'CAPTURED', version: 2 });
      await expectSettled(stage, donation, 'CAPTURED');
      const { signals, workflowTasks } = await historyOf(donation.handle);
      expect(signals).toBe(0);
      if (placement === 'local') expect(workflowTasks).toBe(1);
    });

    test('that is started twice runs once', async ({ onTestFinished }) => {
      const stage = enter(onTestFinished);
      const donation = await stage.give({ placement });
      await Promise.all([stage.start(donation), stage.start(donation)]);
      await expectCompleted(donation.handle);
      await stage.start(donation);
      await expectCompleted(donation.handle);
      await expectSettled(stage, donation, 'CAPTURED');
    });

    test('that is declined is FAILED, canceled at the provider and counted out again', async ({
      onTestFinished,
    }) => {
      const stage = enter(onTestFinished);
      const donation = await stage.give({ placement, paymentMethod: 'pm_card_chargeDeclined' });
      await expectCompleted(donation.handle);
      await expectSettled(stage, donation, 'DECLINED', 'generic_decline');
    });

    test('whose first answers are lost, and that hears no webhook, is CAPTURED once', async ({
      onTestFinished,
    }) => {
      const stage = enter(onTestFinished);
      const donation = await stage.accept({ placement });
      const { donationId } = donation;
      await stage.simulator.arm(
        { operation: 'create', fault: 'resetAfter', donationId },
        { operation: 'confirm', fault: 'error500After', donationId },
        { operation: 'capture', fault: 'resetAfter', donationId },
      );
      await expectCompleted(await stage.start(donation));
      await expectSettled(stage, donation, 'CAPTURED');
    });

    test('whose confirm takes longer than a local slot may be held is CAPTURED once', async ({
      onTestFinished,
    }) => {
      const stage = enter(onTestFinished);
      const donation = await stage.accept({ placement });
      const { donationId } = donation;
      const delayMs = POLICY.localProviderCallTimeoutMs + 200;
      await stage.simulator.arm({ operation: 'confirm', fault: 'latency', delayMs, donationId });
      await expectCompleted(await stage.start(donation));
      await expectSettled(stage, donation, 'CAPTURED');
    });

    test('whose every write is answered by nothing but webhooks is CAPTURED once', async ({
      onTestFinished,
    }) => {
      const stage = enter(onTestFinished);
      const donation = await stage.accept({ placement });
      const { donationId } = donation;
      await stage.simulator.arm(
        ...WRITES.map((operation) => ({ operation, fault: 'loseWriteAnswers', times: FOR_EVER, donationId })),
      );
      const handle = await stage.start(donation);
      await tellUntilDone(stage, donation, handle);
      await expectCompleted(handle);
      await expectSettled(stage, donation, 'CAPTURED');
    });

    test('whose provider answers nothing at all but sends webhooks is CAPTURED once', async ({
      onTestFinished,
    }) => {
      const stage = enter(onTestFinished);
      const donation = await stage.accept({ placement });
      const { donationId } = donation;
      const fault = { fault: 'loseAllAnswers', times: FOR_EVER };
      await stage.simulator.arm(
        ...[...WRITES, 'retrieve', 'search'].map((operation) => ({ ...fault, operation, donationId })),
        // A list is of no donation; nobody else needs one here.
        { ...fault, operation: 'list' },
      );
      const handle = await stage.start(donation);
      expect(await tellUntilDone(stage, donation, handle)).toBeGreaterThan(0);
      await expectCompleted(handle);
      await expectSettled(stage, donation, 'CAPTURED');
    });

    test('whose donor cancelled before the capture is released and FAILED', async ({ onTestFinished }) => {
      const stage = enter(onTestFinished);
      const donation = await stage.accept({ placement });
      await stage.pools.donations.query(
        'UPDATE donation_requests SET cancel_requested_at = now() WHERE id = $1',
        [donation.donationId],
      );
      await expectCompleted(await stage.start(donation));
      await expectSettled(stage, donation, 'RELEASED', 'cancelled_by_donor');
    });

    test('whose donor cancelled before it was started asks nothing of the provider and is FAILED', async ({
      onTestFinished,
    }) => {
      const stage = enter(onTestFinished);
      const donation = await stage.accept({ placement });
      await stage.pools.donations.query(
        'UPDATE donation_requests SET cancel_requested_at = now() WHERE id = $1',
        [donation.donationId],
      );
      await expectCompleted(await stage.start(donation, { cancelledAt: new Date() }));
      await expectSettled(stage, donation, 'UNCREATED', 'cancelled_by_donor');
    });

    test('whose release is answered late is released once', async ({ onTestFinished }) => {
      const stage = enter(onTestFinished);
      const donation = await stage.accept({ placement });
      const { donationId } = donation;
      await stage.pools.donations.query(
        'UPDATE donation_requests SET cancel_requested_at = now() WHERE id = $1',
        [donationId],
      );
      await stage.simulator.arm({ operation: 'cancel', fault: 'resetAfter', donationId });
      await expectCompleted(await stage.start(donation));
      await expectSettled(stage, donation, 'RELEASED', 'cancelled_by_donor');
    });

    test('whose donor has to act, and does, is CAPTURED when a webhook tells of it', async ({
      onTestFinished,
    }) => {
      const stage = enter(onTestFinished);
      const donation = await stage.give({ placement, paymentMethod: 'pm_card_authenticationRequired' });
      await eventually('the donor has to act', async () =>
        expect(await effectsOf(stage, donation)).toContain('action_required'),
      );
      await eventually('the confirm is answered', async () =>
        expect((await paymentOf(stage, donation))['provider_payment_id']).toMatch(/^pi_/),
      );
      const { provider_payment_id: id } = await paymentOf(stage, donation);
      await stage.simulator.control('POST', `/payments/${String(id)}/authenticate`, {});
      await tellUntilDone(stage, donation, donation.handle);
      await expectCompleted(donation.handle);
      await expectSettled(stage, donation, 'AUTHENTICATED');
    });

    test('whose donor never acts is given up: canceled and EXPIRED', async ({ onTestFinished }) => {
      const stage = enter(onTestFinished);
      const donation = await stage.give({
        placement,
        paymentMethod: 'pm_card_authenticationRequired',
        policy: { ...POLICY, abandonAfterMs: 300 },
      });
      await expectCompleted(donation.handle);
      await expectSettled(stage, donation, 'UNANSWERED', 'abandoned');
    });

    test('whose authorization expires before the capture is EXPIRED and counted out again', async ({
      onTestFinished,
    }) => {
      const stage = enter(onTestFinished);
      const donation = await stage.accept({ placement });
      await stage.simulator.arm({
        operation: 'capture',
        fault: 'error503',
        times: FOR_EVER,
        donationId: donation.donationId,
      });
      const handle = await stage.start(donation);
      await eventually('the capture was tried', async () =>
        expect(await triesOf(stage, donation, 'capture')).toBeGreaterThan(0),
      );
      const { provider_payment_id: id } = await paymentOf(stage, donation);
      await stage.simulator.control('POST', `/payments/${String(id)}/expire`);
      expect(await handle.result()).toMatchObject({ status: 'EXPIRED' });
      expect(await effectsOf(stage, donation)).toEqual(['created', 'authorized', 'expired']);
      expect(await totalsOf(stage, donation)).toEqual({ pledged: 0, captured: 0, count: 0 });
    });

    describe('and its signals', () => {
      test('one that comes before anything else, about a payment that is not ours, changes nothing', async ({
        onTestFinished,
      }) => {
        const stage = enter(onTestFinished);
        const donation = await stage.accept({ placement });
        const stranger = await stage.accept({ placement });
        const strangerOrder = { ...stranger, currency: 'USD' };
        await stage.provider.createPayment(strangerOrder, `${stranger.donationId}:create:1`);
        const [event] = await stage.receive(stranger);
        const handle = await stage.start(donation);
        await handle.signal(providerEventSignal, event?.id ?? '');
        await expectCompleted(handle);
        await expectSettled(stage, donation, 'CAPTURED');
      });

      test('one that overtakes the answer of the confirm settles it, and five more change nothing', async ({
        onTestFinished,
      }) => {
        const stage = enter(onTestFinished);
        const donation = await stage.accept({ placement });
        const { donationId } = donation;
        await stage.simulator.arm(
          { operation: 'confirm', fault: 'timeoutAfter', donationId },
          { operation: 'capture', fault: 'error503', times: 3, donationId },
        );
        const handle = await stage.start(donation);
        const authorized = await eventually('the provider has authorized', async () => {
          const events = await stage.receive(donation);
          expect(events.at(-1)?.type).toBe('payment_intent.amount_capturable_updated');
          return events.at(-1)?.id ?? '';
        });
        for (let times = 0; times < 6; times += 1) await handle.signal(providerEventSignal, authorized);
        await expectCompleted(handle);
        await expectSettled(stage, donation, 'CAPTURED');
        expect((await historyOf(handle)).signals).toBe(6);
      });

      test('one that comes after the end finds nothing new', async ({ onTestFinished }) => {
        const stage = enter(onTestFinished);
        const donation = await stage.give({ placement });
        await donation.handle.result();
        for (const { id } of await stage.receive(donation))
          expect(await stage.deliver(donation, id)).toEqual({ kind: 'delivered', outcome: 'nothing_new' });
        await expect(donation.handle.signal(providerEventSignal, randomUUID())).rejects.toThrow(/completed/);
        await expectSettled(stage, donation, 'CAPTURED');
      });
    });
  });
});
