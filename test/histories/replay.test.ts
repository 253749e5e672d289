import { hostname } from 'node:os';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startTelemetry, type Telemetry } from '../../platform/telemetry.ts';
import { loadWorkflowBundle } from '../../workers/workflow-bundle.ts';
import * as workflows from '../../workflows/index.ts';
import { PATHS } from './paths.ts';
import { misfits, replayQuietly } from './replay.ts';
import { storedHistories, type StoredHistory } from './stored.ts';
import { storyOf, tells } from './story.ts';

const LARGEST_BYTES = 40_000;

const NAMES = Object.entries(PATHS).flatMap(([workflow, paths]) =>
  Object.keys(paths).map((path) => `${workflow}/${path}`),
);

const log = pino({ level: 'silent' });

describe('the recorded histories', () => {
  let telemetry: Telemetry;
  let histories: StoredHistory[];
  beforeAll(async () => {
    replayQuietly();
    telemetry = startTelemetry('test', undefined);
    histories = await storedHistories();
  });
  afterAll(async () => telemetry.shutdown());

  test('are one for each path of each workflow, and no others', () => {
    expect(histories.map(({ name }) => name)).toEqual(NAMES.toSorted());
  });

  test.each(Object.keys(workflows))('show at least one path of %s', (workflow) => {
    expect(Object.keys(PATHS[workflow] ?? {})).not.toEqual([]);
  });

  test('replay on the code of today: a donation in flight goes on with it', async () => {
    const plugins = [telemetry.temporalPlugin];
    const bundle = await loadWorkflowBundle(plugins, log);
    expect(await Array.fromAsync(misfits({ bundle, plugins }, histories))).toEqual([]);
  }, 30_000);

  test('tell, each of them, the story of its path', () => {
    for (const { name, text } of histories) {
      const [workflow = '', path = ''] = name.split('/');
      const story = storyOf(JSON.parse(text));
      expect(story.workflow, name).toBe(workflow);
      expect(story.lines, name).toSatisfy(tells(PATHS[workflow]?.[path]?.shows ?? ['a path that is known']));
    }
  });

  test('name neither the machine that recorded them nor a secret', () => {
    const told =
      /(?:^|[\s("'])\/(?:home|root|Users|work|tmp|usr|opt|var|builds?)\/|file:\/\/|[A-Z]:\\\\|\d+@|sk_(?:test|live)_\w|whsec_|_secret_|cfa_test/;
    for (const { name, text } of histories) {
      const words = [text, ...payloadsIn(text)].join('\n');
      expect(told.exec(words)?.[0], name).toBeUndefined();
      expect(words.includes(hostname()), name).toBe(false);
    }
  });

  test(`have at most ${LARGEST_BYTES} bytes`, () => {
    const large = histories.filter(({ text }) => Buffer.byteLength(text) > LARGEST_BYTES);
    expect(large.map(({ name }) => name)).toEqual([]);
  });
});

function payloadsIn(text: string): string[] {
  return [...text.matchAll(/"data":"([^"]+)"/g)].map(([, base64 = '']) =>
    Buffer.from(base64, 'base64').toString(),
  );
}
