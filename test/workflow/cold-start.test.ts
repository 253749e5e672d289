import { describe, expect, test } from 'vitest';
import { openStage, PATIENT } from './donation-stage.ts';
import { expectCompleted, expectSettled, historyOf } from './settled.ts';

// One after the other: without a cache, a second workflow takes the place of the first and its local activities with it.
describe('a donation placed local, with workflows that are never cached', () => {
  const enter = openStage('uncached');

  test('that meets no trouble is CAPTURED in one workflow task, without a signal', async ({
    onTestFinished,
  }) => {
    const stage = enter(onTestFinished);
    const donation = await stage.give({ policy: PATIENT });
    expect(await donation.handle.result()).toEqual({ status: 'CAPTURED', version: 2 });
    await expectSettled(stage, donation, 'CAPTURED');
    expect(await historyOf(donation.handle)).toMatchObject({ signals: 0, workflowTasks: 1 });
  });

  test('that is declined is FAILED, canceled at the provider and counted out again', async ({
    onTestFinished,
  }) => {
    const stage = enter(onTestFinished);
    const donation = await stage.give({ paymentMethod: 'pm_card_chargeDeclined' });
    await expectCompleted(donation.handle);
    await expectSettled(stage, donation, 'DECLINED', 'generic_decline');
  });

  test('whose first answers are lost is CAPTURED once', async ({ onTestFinished }) => {
    const stage = enter(onTestFinished);
    const donation = await stage.accept();
    const { donationId } = donation;
    await stage.simulator.arm(
      { operation: 'create', fault: 'resetAfter', donationId },
      { operation: 'capture', fault: 'resetAfter', donationId },
    );
    await expectCompleted(await stage.start(donation));
    await expectSettled(stage, donation, 'CAPTURED');
  });
});
