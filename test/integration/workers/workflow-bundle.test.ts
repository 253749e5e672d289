import { rm } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { pino } from 'pino';
import { expect, test } from 'vitest';
import { startTelemetry } from '../../../platform/telemetry.ts';
import { loadWorkflowBundle } from '../../../workers/workflow-bundle.ts';

const CACHE = fileURLToPath(new URL('../../../.careforall/workflow-bundles', import.meta.url));

test('workers that all start before a bundle is stored each get one, and the next gets the stored one', async () => {
  const telemetry = startTelemetry('test', undefined);
  const log = pino({ level: 'silent' });
  const load = async (): Promise<number> => {
    const bundle = await loadWorkflowBundle([telemetry.temporalPlugin], log);
    return 'code' in bundle ? bundle.code.length : 0;
  };
  await rm(CACHE, { recursive: true, force: true });
  const lengths = await Promise.all([load(), load(), load()]);
  expect(Math.min(...lengths)).toBeGreaterThan(100_000);
  expect(lengths).toContain(await load());
  await telemetry.shutdown();
});
