/** `npm run test:ops`: what needs more than `npm start` does. `npm test` needs none of it. */
import { defineConfig } from 'vitest/config';

const second = 1_000;

export default defineConfig({
  test: {
    name: 'ops',
    include: ['test/ops/**/*.test.ts'],
    globalSetup: ['test/ops/programs-setup.ts', 'test/harness/stack-setup.ts'],
    allowOnly: false,
    retry: 0,
    passWithNoTests: false,
    pool: 'forks',
    fileParallelism: false,
    testTimeout: 180 * second,
    hookTimeout: 120 * second,
    teardownTimeout: 60 * second,
  },
});
