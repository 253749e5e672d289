import { goOnUnderPinnedNode } from './bootstrap.mjs';

await goOnUnderPinnedNode('launch/soak.ts');
