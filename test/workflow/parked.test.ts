import { randomUUID } from 'node:crypto';
import type { WorkflowHandle } from '@temporalio/client';
import { describe, expect, test } from 'vitest';
import { donationWorkflowId } from '../../domain/ids.ts';
import { eventually } from '../harness/eventually.ts';
import { EVERY_CALL, openStage, type DonationStage } from './donation-stage.ts';
import {
  effectsOf,
  expectCompleted,
  expectNeedsAttention,
  expectSettled,
  historyOf,
  paymentOf,
  pledgeOf,
  totalsOf,
  triesOf,
} from './settled.ts';

const FOR_EVER = 1_000_000;
const PLEDGED = { pledged: 2_500, captured: 0, count: 0 };

const PLACEMENTS = [
  ['cached', ['local', 'queues']],
  ['uncached', ['queues']],
] as const;

// One after the other: a key that is refused is refused for every donation.
describe.each(PLACEMENTS)('a donation that cannot go on, with %s workflows', (caching, placements) => {
  const enter = openStage(caching);

  /** As `temporal workflow reset --type FirstWorkflowTask`: the run starts over, and finds done what was done. */
  const reset = async ({ client }: DonationStage, handle: WorkflowHandle): Promise<WorkflowHandle> => {
    const { runId, workflowId } = await handle.describe();
    const { firstTask } = await historyOf(handle);
    const answer = await client.workflowService.resetWorkflowExecution({
      namespace: 'default',
      workflowExecution: { workflowId, runId },
      workflowTaskFinishEventId: firstTask as never,
      requestId: randomUUID(),
      reason: 'the cause is gone',
    });
    return client.workflow.getHandle(workflowId, answer.runId);
  };

  describe.each(placements)('placed %s', (placement) => {
    test('because the provider refuses our key fails visibly, and a reset finishes it with one charge', async ({
      onTestFinished,
    }) => {
      const stage = enter(onTestFinished);
      stage.refuse(EVERY_CALL);
      const donation = await stage.give({ placement });
      await expectNeedsAttention(donation.handle, /401/);
      expect(await paymentOf(stage, donation)).toMatchObject({ state: 'INITIATED', version: 0 });
      expect(await pledgeOf(stage, donation)).toMatchObject({ status: 'INITIATED', version: 0 });
      expect(await totalsOf(stage, donation)).toEqual(PLEDGED);
      expect(await effectsOf(stage, donation)).toEqual([]);

      stage.refuse([]);
      await expectCompleted(await reset(stage, donation.handle));
      await expectSettled(stage, donation, 'CAPTURED');
    });

    test('because the capture is refused stays AUTHORIZED, unreleased, and a reset captures it once', async ({
      onTestFinished,
    }) => {
      const stage = enter(onTestFinished);
      stage.refuse(['capturePayment']);
      const donation = await stage.give({ placement });
      await expectNeedsAttention(donation.handle, /401/);
      expect(await paymentOf(stage, donation)).toMatchObject({ state: 'AUTHORIZED', version: 1 });
      expect(await effectsOf(stage, donation)).toEqual(['created', 'authorized']);
      expect(await totalsOf(stage, donation)).toEqual(PLEDGED);

      stage.refuse([]);
      await expectCompleted(await reset(stage, donation.handle));
      await expectSettled(stage, donation, 'CAPTURED');
    });

    test('and is captured at the provider meanwhile is CAPTURED by its webhook, and a reset changes nothing', async ({
      onTestFinished,
    }) => {
      const stage = enter(onTestFinished);
      stage.refuse(['capturePayment']);
      const donation = await stage.give({ placement });
      await expectNeedsAttention(donation.handle, /401/);
      stage.refuse([]);
      const { provider_payment_id: id } = await paymentOf(stage, donation);
      await stage.provider.capturePayment(String(id), `${donation.donationId}:capture:1`);
      const event = (await stage.receive(donation)).at(-1);
      expect(await stage.deliver(donation, event?.id ?? '')).toEqual({ kind: 'delivered' });
      expect(await stage.aftercare(donation).result()).toMatchObject({ status: 'CAPTURED' });
      await expectSettled(stage, donation, 'CAPTURED');

      await expectCompleted(await reset(stage, donation.handle));
      await expectSettled(stage, donation, 'CAPTURED');
    });

    test('because its release is refused fails visibly, and a reset goes on with it', async ({
      onTestFinished,
    }) => {
      const stage = enter(onTestFinished);
      stage.refuse(['cancelPayment']);
      const donation = await stage.give({ placement, paymentMethod: 'pm_card_chargeDeclined' });
      await expectNeedsAttention(donation.handle, /401/);
      expect(await paymentOf(stage, donation)).toMatchObject({ state: 'FAILED' });
      expect(await effectsOf(stage, donation)).toEqual(['created', 'declined']);

      stage.refuse([]);
      await expectCompleted(await reset(stage, donation.handle));
      await expectSettled(stage, donation, 'DECLINED', 'generic_decline');
    });

    test('and is cancelled while its release is refused fails visibly too', async ({ onTestFinished }) => {
      const stage = enter(onTestFinished);
      const donation = await stage.accept({ placement });
      const { donationId } = donation;
      await stage.simulator.arm({ operation: 'capture', fault: 'error503', times: FOR_EVER, donationId });
      stage.refuse(['cancelPayment']);
      const handle = await stage.start(donation);
      await eventually('the capture was tried', async () =>
        expect(await triesOf(stage, donation, 'capture')).toBeGreaterThan(0),
      );
      await handle.cancel();
      await expectNeedsAttention(handle, /401/);
      expect(await effectsOf(stage, donation)).toEqual(['created', 'authorized']);
      expect(await paymentOf(stage, donation)).toMatchObject({ state: 'AUTHORIZED' });

      stage.refuse([]);
      await stage.simulator.reset();
      await expectCompleted(await reset(stage, handle));
      await expectSettled(stage, donation, 'CAPTURED');
    });

    test('because the provider made another payment than we asked for charges nothing, and goes to review', async ({
      onTestFinished,
    }) => {
      const stage = enter(onTestFinished);
      const donation = await stage.accept({ placement });
      const { donationId } = donation;
      await stage.simulator.arm({ operation: 'create', fault: 'wrongAmount', times: FOR_EVER, donationId });
      const handle = await stage.start(donation);
      await expectNeedsAttention(handle, /amount 2501, pledged 2500/);
      expect(await effectsOf(stage, donation)).toEqual(['created']);
      const payment = await paymentOf(stage, donation);
      expect(payment).toMatchObject({ state: 'INITIATED', version: 0 });
      expect(payment['needs_review']).toMatch(/amount 2501/);
      expect(handle.workflowId).toBe(donationWorkflowId(donationId));
    });
  });
});
