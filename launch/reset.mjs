import { goOnUnderPinnedNode } from './bootstrap.mjs';

await goOnUnderPinnedNode('launch/reset.ts');
