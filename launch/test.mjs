import { goOnUnderPinnedNode } from './bootstrap.mjs';

await goOnUnderPinnedNode('launch/test.ts');
