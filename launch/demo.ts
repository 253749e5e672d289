/** `npm run demo`: a platform of its own, 300 donations through a storm, and the proof that every cent is right. */
import { readDemoOptions, USAGE } from './demo/options.ts';
import { perform } from './demo/perform.ts';
import { play } from './stage/play.ts';

await play({
  kind: 'demo',
  usage: USAGE,
  readOptions: readDemoOptions,
  perform,
  stays: ({ keep }) => keep,
});
