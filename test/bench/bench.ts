/** `npm run bench`: what the platform does per second, beside what the same machine does without it, in one run. */
import { play } from '../../launch/stage/play.ts';
import { cores, loadAverage, whyBusy } from './machine.ts';
import { readBenchOptions, USAGE } from './options.ts';
import { perform } from './perform.ts';

await play({
  kind: 'bench',
  usage: USAGE,
  readOptions: readBenchOptions,
  refusal: ({ anyway }) => (anyway ? undefined : whyBusy(loadAverage(), cores())),
  perform,
});
