/**
 * `npm run histories:record` makes every path happen and keeps its history; `-- -t NAME` one of them. A run that took
 * another way than its path says is not kept.
 */
import { describe, expect, onTestFinished, test } from 'vitest';
import { openStage } from '../workflow/donation-stage.ts';
import { PATHS } from './paths.ts';
import { portable } from './portable.ts';
import { storeHistory } from './stored.ts';
import { storyOf, tells } from './story.ts';

// One after the other: a key that is refused is refused for every donation.
describe.each(Object.entries(PATHS))('recording %s', (workflow, paths) => {
  const enter = openStage('cached');

  test.each(Object.entries(paths))('%s', async (name, path) => {
    const stage = enter(onTestFinished);
    await stage.simulator.reset();
    const handle = await path.record(stage);
    await handle.result().catch(() => undefined);
    const text = portable(await handle.fetchHistory());
    const story = storyOf(JSON.parse(text));
    expect(story.workflow).toBe(workflow);
    expect(story.lines, `the story of ${name}`).toSatisfy(tells(path.shows));
    await storeHistory({ name: `${workflow}/${name}`, text });
  });
});
