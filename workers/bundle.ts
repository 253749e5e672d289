/** Bundles the workflows ahead: an image's worker starts at once, from a file system that it need not write to. */
import { createLogger } from '../platform/log.ts';
import { startTelemetry } from '../platform/telemetry.ts';
import { loadWorkflowBundle } from './workflow-bundle.ts';

const telemetry = startTelemetry('bundle', undefined);
await loadWorkflowBundle([telemetry.temporalPlugin], createLogger('bundle', 'info'));
await telemetry.shutdown();
