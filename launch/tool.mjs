import { goOnUnderPinnedNode } from './bootstrap.mjs';

await goOnUnderPinnedNode('launch/tool.ts');
