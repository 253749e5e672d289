import type { WorkerPlugin, WorkflowBundleWithSourceMap } from '@temporalio/worker';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startTelemetry, type Telemetry } from '../../platform/telemetry.ts';
import {
  bundleChanged,
  OTHER_ORDER,
  STEP_MORE,
  STEP_MORE_PATCHED,
  workflowFiles,
  workflowSource,
  type Change,
} from './changed-code.ts';
import { misfits, type Misfit } from './replay.ts';
import { storedHistories, type StoredHistory } from './stored.ts';

describe('changed workflow code', () => {
  let telemetry: Telemetry;
  let plugins: WorkerPlugin[];
  let histories: StoredHistory[];
  beforeAll(async () => {
    telemetry = startTelemetry('test', undefined);
    plugins = [telemetry.temporalPlugin];
    histories = await storedHistories();
  });
  afterAll(async () => telemetry.shutdown());

  const misfitsOf = async (change: Change): Promise<Misfit[]> => {
    const bundle = await bundleChanged(plugins, [change]);
    return await Array.fromAsync(misfits({ bundle, plugins }, histories));
  };

  test('with another order of its steps does not fit the histories that went through them', async () => {
    const found = await misfitsOf(OTHER_ORDER);
    expect(found.map(({ name }) => name)).toContain('donation/captured-queues');
    expect(found.map(({ name }) => name)).toContain('donation/captured-local');
    for (const { message } of found) expect(message).toMatch(/\[TMPRL1100\] Nondeterminism error/);
  });

  test('with a step more does not fit, and does fit when the step is patched in', async () => {
    const found = await misfitsOf(STEP_MORE);
    expect(found.map(({ name }) => name)).toContain('donation/captured-queues');
    for (const { message } of found) expect(message).toMatch(/\[TMPRL1100\] Nondeterminism error/);
    expect(await misfitsOf(STEP_MORE_PATCHED)).toEqual([]);
  });

  test('with a step more, at any one place where a workflow takes a step, is found out by some history', async () => {
    const places: string[] = [];
    const changes: Change[] = [];
    for (const file of (await workflowFiles()).filter((name) => name !== NO_STEPS)) {
      const source = await workflowSource(file);
      const marked = source.replaceAll(STEP, (_, owner: string, step: string) => {
        places.push(`${file}: ${step} (${places.length})`);
        return `stepMoreAt(${JSON.stringify(places.at(-1))}, ${owner}).${step}(`;
      });
      if (marked !== source) changes.push({ file, change: () => `${marked}${STEP_MORE_AT}` });
    }
    expect(places.length).toBeGreaterThan(10);
    const bundle = await bundleChanged(plugins, changes);
    expect(await firstMisfit(bundle, 'nowhere')).toBeNull();
    const missed = [];
    for (const place of places) if ((await firstMisfit(bundle, place)) === null) missed.push(place);
    expect(missed).toEqual([]);
  });

  const firstMisfit = async (marked: WorkflowBundleWithSourceMap, place: string): Promise<Misfit | null> => {
    const bundle = { ...marked, code: marked.code.replaceAll('PLACE_OF_THE_STEP_MORE', place) };
    for await (const misfit of misfits({ bundle, plugins }, histories)) return misfit;
    return null;
  };
});

/** An activity that a workflow asks for. */
const STEP = /\b(activities|payments)\.(\w+)\(/g;
/** Says where each activity runs; takes no step itself. */
const NO_STEPS = 'activities.ts';

const STEP_MORE_AT = `
function stepMoreAt(place, activities) {
  if (place === 'PLACE_OF_THE_STEP_MORE') void activities.currentPayment({});
  return activities;
}
`;
