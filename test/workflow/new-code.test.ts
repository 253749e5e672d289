import { pino } from 'pino';
import type { WorkflowHandle } from '@temporalio/client';
import { beforeAll, describe, expect, test } from 'vitest';
import { startTelemetry } from '../../platform/telemetry.ts';
import { loadWorkflowBundle } from '../../workers/workflow-bundle.ts';
import { eventually } from '../harness/eventually.ts';
import { learnt, told, waiting } from '../histories/acts.ts';
import { bundleChanged, OTHER_ORDER, STEP_MORE_PATCHED, type Change } from '../histories/changed-code.ts';
import { portable } from '../histories/portable.ts';
import { storyOf } from '../histories/story.ts';
import type { WorkerPlugin, WorkflowBundle } from '@temporalio/worker';
import { openStage, POLICY } from './donation-stage.ts';
import { expectCompleted, expectSettled } from './settled.ts';

const FOR_EVER = 1_000_000;
/** Too patient to find anything out by itself. */
const WAITS = { ...POLICY, resolvePausesMs: [60_000], abandonAfterMs: 300_000 };

// One after the other: each of them brings code of its own.
describe('new workflow code, while donations are in flight', () => {
  const enter = openStage('cached');
  let plugins: WorkerPlugin[];
  let today: WorkflowBundle;
  beforeAll(async () => {
    const telemetry = startTelemetry('test', undefined);
    plugins = [telemetry.temporalPlugin];
    today = await loadWorkflowBundle(plugins, pino({ level: 'silent' }));
    return async () => telemetry.shutdown();
  });

  const changed = (change: Change): Promise<WorkflowBundle> => bundleChanged(plugins, [change]);

  const linesOf = async (handle: WorkflowHandle): Promise<readonly string[]> =>
    storyOf(JSON.parse(portable(await handle.fetchHistory()))).lines;

  test('with a patched step more finishes those at the bank and in an outage, on either placement, and each is paid once', async ({
    onTestFinished,
  }) => {
    const stage = enter(onTestFinished);
    await stage.deploy(today);
    const [onQueues, local] = [
      await waiting(stage, { placement: 'queues', policy: WAITS }),
      await waiting(stage, { placement: 'local', policy: WAITS }),
    ];
    const inOutage = await stage.accept({
      placement: 'queues',
      policy: { ...POLICY, stepAttempts: 2, abandonAfterMs: 300_000 },
    });
    const { donationId } = inOutage;
    await stage.simulator.arm({ operation: 'confirm', fault: 'error503', times: FOR_EVER, donationId });
    const resolving = await stage.start(inOutage);
    await learnt(resolving, 'authorize', 2);
    await learnt(onQueues.handle, 'authorize');

    await stage.deploy(await changed(STEP_MORE_PATCHED));
    await stage.simulator.reset();
    for (const donation of [onQueues, local]) {
      await stage.simulator.authenticatePayment(donation.paymentId);
      await told(stage, donation, /amount_capturable_updated/);
    }
    const fresh = await stage.give();
    for (const { handle } of [onQueues, local, fresh, { handle: resolving }]) await expectCompleted(handle);
    await expectSettled(stage, onQueues, 'AUTHENTICATED');
    await expectSettled(stage, local, 'AUTHENTICATED');
    await expectSettled(stage, inOutage, 'CAPTURED');
    await expectSettled(stage, fresh, 'CAPTURED');
    // The new code has really run, also for those that the old one had begun.
    expect(await linesOf(onQueues.handle)).toContain('isOpen: true');
    expect(await linesOf(resolving)).toContain('isOpen: true');
    expect(await linesOf(local.handle)).toContain('isOpen, local: true');
  });

  test('that does not fit lets them wait, told as TMPRL1100, and the old code brought back finishes them', async ({
    onTestFinished,
  }) => {
    const stage = enter(onTestFinished);
    await stage.deploy(today);
    const donation = await waiting(stage, { placement: 'queues', policy: WAITS });
    await learnt(donation.handle, 'authorize');

    await stage.deploy(await changed(OTHER_ORDER));
    await stage.simulator.authenticatePayment(donation.paymentId);
    await told(stage, donation, /amount_capturable_updated/);
    await eventually('a workflow task has failed', async () => {
      const { events } = await donation.handle.fetchHistory();
      const failures = (events ?? []).flatMap((event) => event.workflowTaskFailedEventAttributes ?? []);
      expect(failures.map(({ failure }) => failure?.message).join()).toContain('[TMPRL1100]');
    });
    expect((await donation.handle.describe()).status.name).toBe('RUNNING');

    await stage.deploy(today);
    await expectCompleted(donation.handle);
    await expectSettled(stage, donation, 'AUTHENTICATED');
  });
});
