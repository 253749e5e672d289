/** `npm run soak`: a platform of its own under an hour of steady giving, and whether any process grows without end. */
import { readSoakOptions, USAGE } from './soak/options.ts';
import { perform } from './soak/perform.ts';
import { play } from './stage/play.ts';

await play({ kind: 'soak', usage: USAGE, readOptions: readSoakOptions, perform });
