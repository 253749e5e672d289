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
} from '../histories/changed-code.ts';
import { misfits, replayQuietly } from '../histories/replay.ts';
import { storedHistories, type StoredHistory } from '../histories/stored.ts';
import { storyOf } from '../histories/story.ts';

describe('changed workflow code', () => {
  let telemetry: Telemetry;
  let plugins: WorkerPlugin[];
  let histories: StoredHistory[];
  beforeAll(async () => {
    replayQuietly();
    telemetry = startTelemetry('test', undefined);
    plugins = [telemetry.temporalPlugin];
    histories = await storedHistories();
  });
  afterAll(async () => telemetry.shutdown());

  const misfitsOf = async (change: Change): Promise<ReadonlyMap<string, string>> => {
    const bundle = await bundleChanged(plugins, [change]);
    const found = await Array.fromAsync(misfits({ bundle, plugins }, histories));
    return new Map(found.map(({ name, message }) => [name, message]));
  };

  test('with another order of its steps does not fit the histories that went through them', async () => {
    const found = await misfitsOf(OTHER_ORDER);
    for (const name of ['donation/captured-queues', 'donation/captured-local'])
      expect(found.get(name)).toContain('[TMPRL1100] Nondeterminism error');
  });

  test('with a step more does not fit, and does fit when the step is patched in', async () => {
    const found = await misfitsOf(STEP_MORE);
    expect(found.get('donation/captured-queues')).toContain('[TMPRL1100] Nondeterminism error');
    // Local activities take their recorded answers in turn: here the code stumbles over a wrong one before Temporal sees it.
    expect(found.get('donation/captured-local')).toContain('Replay failed');
    expect([...(await misfitsOf(STEP_MORE_PATCHED))]).toEqual([]);
  });

  test('with a step more, at any one place where a workflow takes a step, is found out by some history', async () => {
    const places: Place[] = [];
    const changes: Change[] = [];
    for (const file of (await workflowFiles()).filter((name) => name !== NO_STEPS)) {
      const source = await workflowSource(file);
      const marked = source.replaceAll(STEP, (_, owner: string, step: string) => {
        const name = `${file}, ${step} (${places.length})`;
        places.push({ name, step });
        return `stepMoreAt(${JSON.stringify(name)}, ${owner}).${step}(`;
      });
      if (marked !== source) changes.push({ file, change: () => `${marked}${STEP_MORE_AT}` });
    }
    expect(places.length).toBeGreaterThan(10);
    const bundle = await bundleChanged(plugins, changes);
    expect(await Array.fromAsync(misfits({ bundle, plugins }, histories))).toEqual([]);
    const missed = [];
    for (const place of places) if (!(await isFoundOut(bundle, place))) missed.push(place.name);
    expect(missed).toEqual([]);
  }, 240_000);

  const isFoundOut = async (marked: WorkflowBundleWithSourceMap, { name, step }: Place): Promise<boolean> => {
    const bundle = { ...marked, code: marked.code.replaceAll('PLACE_OF_THE_STEP_MORE', name) };
    const thatTakeIt = histories.filter(({ text }) =>
      storyOf(JSON.parse(text)).lines.some((line) => line.startsWith(step)),
    );
    for await (const { message } of misfits({ bundle, plugins }, thatTakeIt))
      return message.includes('[TMPRL1100] Nondeterminism error');
    return false;
  };
});

type Place = { readonly name: string; readonly step: string };

/** An activity that a workflow asks for. */
const STEP = /\b((?:parts\.)?(?:activities|payments|pages|donations|campaigns))\.(\w+)\(/g;
/** Says where each activity runs; takes no step itself. */
const NO_STEPS = 'activities.ts';

const STEP_MORE_AT = `
function stepMoreAt(place, activities) {
  if (place === 'PLACE_OF_THE_STEP_MORE') void activities.currentPayment({});
  return activities;
}
`;
