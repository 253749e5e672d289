import { goOnUnderPinnedNode } from './bootstrap.mjs';

await goOnUnderPinnedNode('test/bench/bench.ts');
