import { goOnUnderPinnedNode } from './bootstrap.mjs';

await goOnUnderPinnedNode('launch/demo.ts');
