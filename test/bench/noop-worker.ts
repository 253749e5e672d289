/** A worker for no-op workflows alone, set as the platform's workers are. */
import { join } from 'node:path';
import { bundleWorkflowCode } from '@temporalio/worker';
import { configuredLogLevel, loadConfig } from '../../platform/config.ts';
import { runProcess } from '../../platform/lifecycle.ts';
import { createLogger } from '../../platform/log.ts';
import { startTelemetry } from '../../platform/telemetry.ts';
import {
  ACTIVITY_WORKER,
  connectUntilUp,
  logThrough,
  runWorkers,
  WORKFLOW_WORKER,
} from '../../workers/temporal-workers.ts';
import { noopQueue } from './noops.ts';

const log = createLogger('noop-worker', configuredLogLevel());

await runProcess(log, async (opened) => {
  const config = loadConfig(['TEMPORAL_ADDRESS']);
  logThrough(log);
  const { temporalPlugin } = opened.use('telemetry', startTelemetry('noop-worker', undefined), (it) =>
    it.shutdown(),
  );
  const connection = opened.use('temporal', await connectUntilUp(config.TEMPORAL_ADDRESS, log), (it) =>
    it.close(),
  );
  const workers = await runWorkers([
    {
      connection,
      namespace: config.TEMPORAL_NAMESPACE,
      taskQueue: noopQueue(config.NAME_PREFIX),
      plugins: [temporalPlugin],
      workflowBundle: await bundleWorkflowCode({
        workflowsPath: join(import.meta.dirname, 'noop-workflow.ts'),
        plugins: [temporalPlugin],
      }),
      ...ACTIVITY_WORKER,
      ...WORKFLOW_WORKER,
    },
  ]);
  opened.use('worker', workers, (it) => it.stop());
  return { port: 0 };
});
